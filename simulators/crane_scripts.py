"""Scripts of cranes: overload, gusts, and the shock of a snatched load."""

from collections.abc import Callable, Mapping

from simulators.crane import Cranes, Part
from simulators.stage import Script, Stage, hold

CraneScript = Callable[[Stage, Cranes], Script]


def overload(stage: Stage, cranes: Cranes) -> Script:
    """Hoist more than the capacity and hold it in the air."""
    slot = stage.slot
    cranes.next_load[slot] = stage.entry.number("factor")
    cranes.begin_cycle(slot)
    while not stage.over and (slot in cranes.next_load or cranes.part[slot] != Part.HOISTING):
        cranes.begin_cycle(slot)
        yield
    if stage.over:
        cranes.next_load.pop(slot, None)
        return
    stage.begins()
    stage.evident()
    cranes.kept_up[slot] = True
    yield from hold(stage)
    cranes.kept_up[slot] = False
    while cranes.loaded[slot]:
        yield
    stage.ends()


def gusts(stage: Stage, cranes: Cranes) -> Script:
    """Let the wind blow in gusts below the limit."""
    slot = stage.slot
    stage.begins()
    limit_mps = cranes.designs[slot].wind_limit_mps
    cranes.gust_peak_mps[slot] = stage.entry.number("peak") * limit_mps
    yield from hold(stage)
    cranes.gust_peak_mps[slot] = 0.0
    stage.ends()


def shock_at_lift_off(stage: Stage, cranes: Cranes) -> Script:
    """Snatch a load of 70 % of the capacity from the floor."""
    slot = stage.slot
    cranes.next_load[slot] = 0.7
    cranes.next_factor[slot] = stage.entry.number("factor")
    cranes.begin_cycle(slot)
    while not stage.over and slot in cranes.next_factor:
        cranes.begin_cycle(slot)
        yield
    stage.begins()
    yield from hold(stage)
    stage.ends()


CRANE_SCRIPTS: Mapping[str, CraneScript] = {
    script.__name__: script for script in (overload, gusts, shock_at_lift_off)
}
"""Script by injection name."""
