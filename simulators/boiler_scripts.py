"""Scripts of boilers: dangers, slow faults, and harmless swings of demand (industrial.md 1.5)."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from simulators.boiler import OVERPRESSURE_TRIP, PILOT_S, PURGE_S, Boilers
from simulators.boiler import Stage as Burner
from simulators.stage import Script, Stage, hold, pause

BoilerScript = Callable[[Stage, Boilers], Script]

RESET_AFTER_S = 60.0
"""People reset a locked-out burner so long after the pressure is right again."""


RELEASED = 1.25
"""People open the outlet at the latest when the pressure is so many times the valve's set one."""

EVIDENT_OVER_SET = 1.03
"""A valve that has not lifted at so many times its set pressure is evidently stuck."""

LEAK_COOLS_C = -12.0
"""A leaking tube cools the flue gas by so much."""

HUNTING_DEMAND = 0.55
HUNTING_BELOW_MPA = 0.09
"""Hunting about a pressure so far below the rated one."""

OFF_S = 5.0
ATTEMPT_S = 120.0
"""Burner off before an unpurged start; time between two such starts."""

FALSE_FLAME_S = 90.0

EVIDENT_ATTEMPTS = 3
"""So many starts without a flame and without lock-out are evident."""

EVIDENT_FLUE_C = 10.0
"""A flue gas so much hotter at the same load is evident."""


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
        yield None
    stage.begins()
    while not stage.over and boilers.pressure_mpa[slot] <= boilers.rated_mpa[slot]:
        yield None
    if not stage.over:
        stage.evident()
    while not stage.over and boilers.pressure_mpa[slot] < RELEASED * boilers.valve_set_mpa[slot]:
        yield None
    boilers.outlet_blocked[slot] = False
    boilers.burner_stuck[slot] = False
    boilers.limiter_bypassed[slot] = False
    while boilers.pressure_mpa[slot] > boilers.rated_mpa[slot]:
        yield None
    boilers.valve_stuck[slot] = False
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
        yield None
    if not stage.over:
        stage.begins()
        stage.evident()
    yield from hold(stage)
    boilers.pump_failed[slot] = False
    boilers.limiter_bypassed[slot] = False
    boilers.demand_held[slot] = False
    boilers.drain_kgps[slot] = 0.0
    while boilers.low_water[slot] and boilers.flame[slot]:
        yield None
    stage.ends()
    while boilers.low_water[slot]:
        yield None
    boilers.reset(slot)


def limiter_defeated(stage: Stage, boilers: Boilers) -> Script:
    """Fire on above the pressure trip at little demand; the safety valve holds the pressure."""
    slot = stage.slot
    boilers.reset(slot)
    boilers.ignite(slot)
    boilers.limiter_bypassed[slot] = boilers.burner_stuck[slot] = True
    boilers.demand_held[slot] = True
    boilers.demand_target[slot] = 0.1
    trip_mpa = OVERPRESSURE_TRIP * boilers.rated_mpa[slot]
    while not stage.over and not (boilers.flame[slot] and boilers.pressure_mpa[slot] > trip_mpa):
        yield None
    if not stage.over:
        stage.begins()
        stage.evident()
    yield from hold(stage)
    boilers.limiter_bypassed[slot] = boilers.burner_stuck[slot] = False
    boilers.demand_held[slot] = False
    boilers.demand_target[slot] = HUNTING_DEMAND
    while boilers.flame[slot] and boilers.pressure_mpa[slot] > trip_mpa:
        yield None
    stage.ends()
    yield from pause(stage, RESET_AFTER_S)
    boilers.reset(slot)


def safety_valve_stuck(stage: Stage, boilers: Boilers) -> Script:
    """Keep the safety valve shut over its set pressure, or let it leak."""
    if stage.entry.text("mode") == "leaking":
        yield from _until_over(stage, boilers.valve_leak, stage.entry.number("leak"))
    else:
        yield from _valve_sticks(stage, boilers)


def _valve_sticks(stage: Stage, boilers: Boilers) -> Script:
    slot = stage.slot
    boilers.reset(slot)
    boilers.ignite(slot)
    faults = (boilers.outlet_blocked, boilers.burner_stuck, boilers.limiter_bypassed)
    for fault in (*faults, boilers.valve_stuck):
        fault[slot] = True
    set_mpa = boilers.valve_set_mpa[slot]
    while not stage.over and boilers.pressure_mpa[slot] < set_mpa:
        yield None
    if not stage.over:
        stage.begins()
    while not stage.over and boilers.pressure_mpa[slot] < RELEASED * set_mpa:
        if boilers.pressure_mpa[slot] > EVIDENT_OVER_SET * set_mpa:
            stage.evident()
        yield None
    for fault in faults:
        fault[slot] = False
    while boilers.pressure_mpa[slot] > boilers.rated_mpa[slot]:
        yield None
    boilers.valve_stuck[slot] = False
    stage.ends()
    yield from pause(stage, RESET_AFTER_S)
    boilers.reset(slot)


def feed_pump_failure(stage: Stage, boilers: Boilers) -> Script:
    """Let the pump fail; the low-water limiter stops the burner as it should."""
    slot = stage.slot
    boilers.pump_failed[slot] = True
    boilers.pump_silent[slot] = not stage.entry.flag("runs")
    while not stage.over and not boilers.pump_on[slot]:
        yield None
    if not stage.over:
        stage.begins()
        stage.evident()
    yield from hold(stage)
    boilers.pump_failed[slot] = boilers.pump_silent[slot] = False
    stage.ends()
    while boilers.low_water[slot]:
        yield None
    boilers.reset(slot)


def flame_sequence(stage: Stage, boilers: Boilers) -> Script:
    """Break the burner's sequence in one of three ways."""
    boilers.reset(stage.slot)
    mode = stage.entry.text("mode")
    if mode == "no_purge":
        yield from _unpurged(stage, boilers)
    elif mode == "false_flame":
        yield from _false_flame(stage, boilers)
    else:
        yield from _endless_attempts(stage, boilers)
    boilers.hand_back(stage.slot)
    boilers.flame_forced[stage.slot] = -1
    stage.ends()


def _unpurged(stage: Stage, boilers: Boilers) -> Script:
    slot = stage.slot
    while not stage.over:
        boilers.take_over(slot, Burner.OFF)
        yield from pause(stage, OFF_S)
        boilers.take_over(slot, Burner.PILOT)
        if stage.note.from_ns is None:
            stage.begins()
            stage.evident()
        yield from pause(stage, PILOT_S)
        boilers.take_over(slot, Burner.LOW)
        boilers.manual[slot] = False
        yield from pause(stage, ATTEMPT_S)


def _false_flame(stage: Stage, boilers: Boilers) -> Script:
    slot = stage.slot
    boilers.take_over(slot, Burner.OFF)
    boilers.flame_forced[slot] = 1
    stage.begins()
    stage.evident()
    until_s = min(stage.clock.now_s + FALSE_FLAME_S, stage.entry.end_s)
    while stage.clock.now_s < until_s:
        yield None


def _endless_attempts(stage: Stage, boilers: Boilers) -> Script:
    slot = stage.slot
    attempts = 0
    boilers.flame_forced[slot] = 0
    while not stage.over:
        boilers.take_over(slot, Burner.PURGE)
        yield from pause(stage, PURGE_S)
        boilers.take_over(slot, Burner.PILOT)
        yield from pause(stage, PILOT_S)
        attempts += 1
        if attempts == 1:
            stage.begins()
        if attempts == EVIDENT_ATTEMPTS:
            stage.evident()


def pressure_hunting(stage: Stage, boilers: Boilers) -> Script:
    """Let the burner start and stop with far too wide a differential, at a steady demand."""
    slot = stage.slot
    boilers.demand_held[slot] = True
    boilers.demand_target[slot] = HUNTING_DEMAND
    boilers.reset(slot)
    boilers.ignite(slot)
    while not stage.over and boilers.stage[slot] not in (Burner.LOW, Burner.HIGH):
        yield None
    target_mpa = boilers.rated_mpa[slot] - HUNTING_BELOW_MPA
    half_mpa = stage.entry.number("swing") * boilers.rated_mpa[slot] / 2.0
    stage.begins()
    stage.evident()
    while not stage.over and boilers.stage[slot] != Burner.LOCK_OUT:
        if boilers.pressure_mpa[slot] > target_mpa + half_mpa:
            boilers.take_over(slot, Burner.OFF)
        elif boilers.stage[slot] == Burner.LOW:
            boilers.take_over(slot, Burner.HIGH)
        elif boilers.pressure_mpa[slot] < target_mpa - half_mpa:
            boilers.ignite(slot)
        yield None
    boilers.hand_back(slot)
    boilers.demand_held[slot] = False
    stage.ends()


def tube_leak(stage: Stage, boilers: Boilers) -> Script:
    """Lose water from a tube; the flue gas cools."""
    slot = stage.slot
    loss_kgps = stage.entry.number("leak") * boilers.rated_kgps[slot]
    boilers.flue_offset_c[slot] = LEAK_COOLS_C
    yield from _until_over(stage, boilers.drain_kgps, float(loss_kgps))
    boilers.flue_offset_c[slot] = 0.0


def overheating(stage: Stage, boilers: Boilers) -> Script:
    """Let steam leave above saturation."""
    yield from _until_over(stage, boilers.superheat_c, stage.entry.number("above_c"))


def flue_fouling(stage: Stage, boilers: Boilers) -> Script:
    """Let the flue gas grow hotter at the same load until somebody cleans."""
    slot = stage.slot
    per_s = stage.entry.number("rate_c_per_day") / 86_400.0
    stage.begins()
    start_s = stage.clock.now_s
    while not stage.over:
        rise_c = per_s * (stage.clock.now_s - start_s)
        boilers.flue_offset_c[slot] = rise_c
        if rise_c > EVIDENT_FLUE_C:
            stage.evident()
        yield None
    boilers.flue_offset_c[slot] = 0.0
    stage.ends()


def _until_over(stage: Stage, state: NDArray[np.float64], value: float) -> Script:
    """Hold a value of the model that shows at once, then zero."""
    state[stage.slot] = value
    stage.begins()
    stage.evident()
    yield from hold(stage)
    state[stage.slot] = 0.0
    stage.ends()


def load_swing(stage: Stage, boilers: Boilers) -> Script:
    """Let the demand jump between almost nothing and full draw."""
    slot = stage.slot
    stage.begins()
    boilers.demand_held[slot] = True
    period_s = stage.entry.number("period_s")
    while not stage.over:
        elapsed_s = stage.clock.now_s - stage.entry.start_s
        boilers.demand_target[slot] = 1.0 if elapsed_s % period_s < period_s / 2.0 else 0.1
        yield None
    boilers.demand_held[slot] = False
    stage.ends()


BOILER_SCRIPTS: Mapping[str, BoilerScript] = {
    script.__name__: script
    for script in (
        overpressure,
        low_water_firing,
        limiter_defeated,
        safety_valve_stuck,
        feed_pump_failure,
        flame_sequence,
        pressure_hunting,
        tube_leak,
        overheating,
        flue_fouling,
        load_swing,
    )
}
"""Script by injection name."""
