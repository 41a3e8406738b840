"""Scripts of boilers: over-pressure, firing at low water, and harmless swings of demand."""

from collections.abc import Callable, Mapping

from simulators.boiler import Boilers
from simulators.stage import Script, Stage, hold, pause

BoilerScript = Callable[[Stage, Boilers], Script]

RESET_AFTER_S = 60.0
"""People reset a locked-out burner so long after the pressure is right again."""


def overpressure(stage: Stage, boilers: Boilers) -> Script:
    """Block the outlet with the burner stuck at high fire, limiters defeated."""
    slot = stage.slot
    boilers.reset(slot)
    boilers.ignite(slot)
    boilers.outlet_blocked[slot] = True
    boilers.burner_stuck[slot] = True
    boilers.limiter_bypassed[slot] = True
    boilers.valve_stuck[slot] = stage.entry.flag("valve_stuck")
    while not stage.over and not boilers.flame[slot]:
        yield
    stage.begins()
    while not stage.over and boilers.pressure_mpa[slot] <= boilers.rated_mpa[slot]:
        yield
    if not stage.over:
        stage.evident()
    yield from hold(stage)
    boilers.outlet_blocked[slot] = False
    boilers.burner_stuck[slot] = False
    boilers.limiter_bypassed[slot] = False
    boilers.valve_stuck[slot] = False
    while boilers.pressure_mpa[slot] > boilers.rated_mpa[slot]:
        yield
    stage.ends()
    yield from pause(stage, RESET_AFTER_S)
    boilers.reset(slot)


def low_water_firing(stage: Stage, boilers: Boilers) -> Script:
    """Stop the feed at full demand with the low-water limiter bypassed: the burner fires on."""
    slot = stage.slot
    boilers.pump_failed[slot] = True
    boilers.limiter_bypassed[slot] = True
    boilers.demand_held[slot] = True
    boilers.demand_target[slot] = 1.0
    boilers.drain_kgps[slot] = stage.entry.number("drain_tph") / 3.6
    while not stage.over and not (boilers.low_water[slot] and boilers.flame[slot]):
        yield
    if not stage.over:
        stage.begins()
        stage.evident()
    yield from hold(stage)
    boilers.pump_failed[slot] = False
    boilers.limiter_bypassed[slot] = False
    boilers.demand_held[slot] = False
    boilers.drain_kgps[slot] = 0.0
    while boilers.low_water[slot] and boilers.flame[slot]:
        yield
    stage.ends()
    while boilers.low_water[slot]:
        yield
    boilers.reset(slot)


def load_swing(stage: Stage, boilers: Boilers) -> Script:
    """Let the demand jump between almost nothing and full draw."""
    slot = stage.slot
    stage.begins()
    boilers.demand_held[slot] = True
    period_s = stage.entry.number("period_s")
    while not stage.over:
        elapsed_s = stage.clock.now_s - stage.entry.start_s
        boilers.demand_target[slot] = 1.0 if elapsed_s % period_s < period_s / 2.0 else 0.1
        yield
    boilers.demand_held[slot] = False
    stage.ends()


BOILER_SCRIPTS: Mapping[str, BoilerScript] = {
    script.__name__: script for script in (overpressure, low_water_firing, load_swing)
}
"""Script by injection name."""
