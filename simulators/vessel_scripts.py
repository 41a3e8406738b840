"""Scripts of quick-opening vessels: violations of the interlock, and slow but right batches."""

from collections.abc import Callable, Mapping

from simulators.stage import Script, Stage, hold
from simulators.vessel import VENT_S, Batch, Vessels

VesselScript = Callable[[Stage, Vessels], Script]

UNSAFE_MPA = 0.01
"""Pressure above which a lock must be engaged (industrial.md 3.1)."""


def lock_not_engaged(stage: Stage, vessels: Vessels) -> Script:
    """Pressurise although the lock did not engage."""
    slot = stage.slot
    yield from _until_open(stage, vessels)
    vessels.lock_refused[slot] = True
    vessels.hurry(slot)
    while not stage.over and vessels.pressure_mpa[slot] < UNSAFE_MPA:
        yield None
    yield from _violation(stage, vessels)
    vessels.lock_refused[slot] = False


def interlock_bypassed(stage: Stage, vessels: Vessels) -> Script:
    """Unlock under residual pressure, or have a lock that reads engaged with the door open."""
    if stage.entry.text("mode") == "early_unlock":
        yield from _early_unlock(stage, vessels)
    else:
        yield from _no_transition(stage, vessels)


def _early_unlock(stage: Stage, vessels: Vessels) -> Script:
    slot = stage.slot
    at_mpa = stage.entry.number("at_mpa")
    yield from _until_filling(stage, vessels)
    if stage.over:
        return
    vessels.part[slot] = Batch.HOLD
    vessels.part_end_s[slot] = stage.entry.end_s
    while vessels.part[slot] in (Batch.PRESSURISING, Batch.HOLD) or (
        vessels.part[slot] == Batch.VENTING and vessels.pressure_mpa[slot] > at_mpa
    ):
        yield None
    vessels.lock_freed[slot] = True
    stage.begins()
    stage.evident()
    while vessels.pressure_mpa[slot] > UNSAFE_MPA:
        yield None
    stage.ends()
    while vessels.part[slot] != Batch.OPEN:
        yield None
    vessels.lock_freed[slot] = False


def _no_transition(stage: Stage, vessels: Vessels) -> Script:
    slot = stage.slot
    yield from _until_filling(stage, vessels)
    if stage.over:
        return
    vessels.lock_jammed[slot] = True
    while not stage.over and vessels.part[slot] != Batch.OPEN:
        yield None
    if vessels.part[slot] == Batch.OPEN:
        stage.begins()
        stage.evident()
    yield from hold(stage)
    vessels.lock_jammed[slot] = False
    stage.ends()


def slow_vent(stage: Stage, vessels: Vessels) -> Script:
    """Vent slowly; the lock waits for zero as it should."""
    slot = stage.slot
    vessels.vent_s[slot] = VENT_S * stage.entry.number("factor")
    stage.begins()
    yield from hold(stage)
    vessels.vent_s[slot] = VENT_S
    stage.ends()


def zero_offset(stage: Stage, vessels: Vessels) -> Script:
    """Read a little above zero."""
    vessels.offset_mpa[stage.slot] = stage.entry.number("offset_mpa")
    stage.begins()
    yield from hold(stage)
    vessels.offset_mpa[stage.slot] = 0.0
    stage.ends()


def _violation(stage: Stage, vessels: Vessels) -> Script:
    """Stand under pressure with the lock open until people vent it."""
    slot = stage.slot
    if vessels.pressure_mpa[slot] < UNSAFE_MPA:
        return
    stage.begins()
    stage.evident()
    yield from hold(stage)
    vessels.part[slot] = Batch.VENTING
    vessels.part_end_s[slot] = float("inf")
    while vessels.pressure_mpa[slot] > UNSAFE_MPA:
        yield None
    stage.ends()
    while vessels.part[slot] != Batch.OPEN:
        yield None


def _until_open(stage: Stage, vessels: Vessels) -> Script:
    while not stage.over and vessels.part[stage.slot] != Batch.OPEN:
        yield None


def _until_filling(stage: Stage, vessels: Vessels) -> Script:
    vessels.hurry(stage.slot)
    while not stage.over and vessels.part[stage.slot] not in (Batch.PRESSURISING, Batch.HOLD):
        vessels.hurry(stage.slot)
        yield None


VESSEL_SCRIPTS: Mapping[str, VesselScript] = {
    script.__name__: script
    for script in (lock_not_engaged, interlock_bypassed, slow_vent, zero_offset)
}
"""Script by injection name."""
