"""Scripts of cranes: loads that are wrong, brakes and cells that fail, wind (industrial.md 2.6)."""

from collections.abc import Callable, Generator, Mapping

import numpy as np

from simulators.crane import PULL_TRAVEL_MPS, SIDE_LOAD_MPS, SLIP_FLOOR_M, Cranes, Part
from simulators.stage import Script, Stage, hold, pause

CraneScript = Callable[[Stage, Cranes], Script]

JOG_MPS = 0.05
JOG_S = (0.4, 1.5)
JOG_PAUSE_S = (0.6, 3.0)
JOG_FACTORS = (1.02, 1.06)
"""A load is brought into place by short moves up and down; each start and stop makes it ring."""

SET_SLIP_M = 0.006
SET_S = 0.2
"""A sound brake lets the load sink so far in so long a time while it closes."""

SHOCK_S = 2.0
"""A shock or a fall is over after so long."""

PULL_S = 4.0
"""A load is pulled sideways for so long before it comes off the floor."""

HELD_S = 3.0
"""A load that falls hung still for so long."""

EVIDENT_DRIFT = 0.02
"""An empty hook that reads so much of the rated load is evident."""


def overload(stage: Stage, cranes: Cranes) -> Script:
    """Hoist more than the capacity and hold it in the air."""
    slot = stage.slot
    cranes.next_load[slot] = stage.entry.number("factor")
    cranes.begin_cycle(slot)
    while not stage.over and (slot in cranes.next_load or cranes.part[slot] != Part.HOISTING):
        cranes.begin_cycle(slot)
        yield None
    if stage.over:
        cranes.next_load.pop(slot, None)
        return
    stage.begins()
    stage.evident()
    cranes.kept_up[slot] = True
    yield from hold(stage)
    cranes.kept_up[slot] = False
    while cranes.loaded[slot]:
        yield None
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


def wind_over_limit(stage: Stage, cranes: Cranes) -> Script:
    """Let the wind pass the limit while the crane works."""
    slot = stage.slot
    limit_mps = cranes.designs[slot].wind_limit_mps
    cranes.gust_peak_mps[slot] = stage.entry.number("peak") * limit_mps
    while not stage.over and cranes.wind_mps[slot] <= limit_mps:
        yield None
    if not stage.over:
        stage.begins()
        stage.evident()
    while not stage.over:
        cranes.begin_cycle(slot)
        yield None
    cranes.gust_peak_mps[slot] = 0.0
    stage.ends()


def shock_load(stage: Stage, cranes: Cranes) -> Script:
    """Snatch a load with a slack rope: it peaks far above its weight within half a second."""
    slot = stage.slot
    yield from _between_cycles(stage, cranes)
    cranes.next_load[slot] = stage.entry.number("load")
    cranes.next_factor[slot] = stage.entry.number("factor")
    if (yield from _until_part(stage, cranes, Part.HOISTING)):
        stage.begins()
        stage.evident()
        yield from pause(stage, SHOCK_S)
        stage.ends()


def side_pull(stage: Stage, cranes: Cranes) -> Script:
    """Pull the load sideways off the floor with the trolley."""
    slot = stage.slot
    yield from _between_cycles(stage, cranes)
    cranes.next_tighten_s[slot] = PULL_S
    cranes.pull_deg[slot] = stage.entry.number("angle_deg")
    if (yield from _until_part(stage, cranes, Part.TIGHTENING)):
        stage.begins()
        yield from pause(stage, PULL_S / 2.0)
        stage.evident()
        while cranes.part[slot] == Part.TIGHTENING:
            yield None
        stage.ends()
    while cranes.part[slot] == Part.HOISTING:
        yield None
    cranes.pull_deg[slot] = 0.0


def brake_slip(stage: Stage, cranes: Cranes) -> Script:
    """Let a held load sink on a closed brake."""
    slot = stage.slot
    yield from _between_cycles(stage, cranes)
    cranes.kept_up[slot] = True
    if (yield from _until_part(stage, cranes, Part.TRAVELLING)):
        cranes.slip_mps[slot] = stage.entry.number("speed_mps")
        stage.begins()
        stage.evident()
        while not stage.over and cranes.height_m[slot] > SLIP_FLOOR_M:
            yield None
        cranes.slip_mps[slot] = 0.0
        stage.ends()
        yield from hold(stage)
    cranes.kept_up[slot] = False


def lost_load(stage: Stage, cranes: Cranes) -> Script:
    """Lose the load off the raised hook."""
    slot = stage.slot
    yield from _between_cycles(stage, cranes)
    cranes.kept_up[slot] = True
    if (yield from _until_part(stage, cranes, Part.TRAVELLING)):
        yield from pause(stage, HELD_S)
        cranes.drop_load(slot)
        stage.begins()
        stage.evident()
        yield from pause(stage, SHOCK_S)
        stage.ends()
    cranes.kept_up[slot] = False


def load_cell_drift(stage: Stage, cranes: Cranes) -> Script:
    """Let the cell's zero wander off, or its reading stand still."""
    slot = stage.slot
    rated_t = float(cranes.rated_t[slot])
    stage.begins()
    if stage.entry.text("mode") == "stuck":
        cranes.cell_held_t[slot] = round(float(cranes.measured_t[slot]), 3)
        stage.evident()
        yield from hold(stage)
        cranes.cell_held_t[slot] = np.nan
    per_s = stage.entry.number("rate_per_h") * rated_t / 3600.0
    start_s = stage.clock.now_s
    while not stage.over:
        offset_t = min(per_s * (stage.clock.now_s - start_s), rated_t)
        cranes.cell_offset_t[slot] = offset_t
        if offset_t > EVIDENT_DRIFT * rated_t:
            stage.evident()
        yield None
    cranes.cell_offset_t[slot] = 0.0
    stage.ends()


def _between_cycles(stage: Stage, cranes: Cranes) -> Script:
    """Wait until the next cycle is all ahead, so that what is set now befalls it."""
    while not stage.over and cranes.part[stage.slot] not in (Part.IDLE, Part.LOWERING_EMPTY):
        yield None


def _until_part(stage: Stage, cranes: Cranes, part: Part) -> Generator[float | None, None, bool]:
    """Wait for a part of the cycle; whether it comes before the entry is over."""
    slot = stage.slot
    while not stage.over and cranes.part[slot] != part:
        cranes.begin_cycle(slot)
        yield None
    if not stage.over:
        return True
    for waiting in (cranes.next_load, cranes.next_factor, cranes.next_tighten_s):
        waiting.pop(slot, None)
    return False


def shock_at_lift_off(stage: Stage, cranes: Cranes) -> Script:
    """Take up the rope fast: the load comes off the floor at a high but legal dynamic factor."""
    slot = stage.slot
    yield from _between_cycles(stage, cranes)
    cranes.next_load[slot] = stage.entry.number("load")
    cranes.next_factor[slot] = stage.entry.number("factor")
    if (yield from _until_part(stage, cranes, Part.HOISTING)):
        stage.begins()
        yield from pause(stage, SHOCK_S)
        stage.ends()


def inching(stage: Stage, cranes: Cranes) -> Script:
    """Put held loads in place by short moves; the brake closes after each and gives a little."""
    slot = stage.slot
    rng = np.random.default_rng(round(stage.entry.start_s * 10.0))
    while not stage.over:
        yield from _between_cycles(stage, cranes)
        cranes.kept_up[slot] = True
        if not (yield from _until_part(stage, cranes, Part.TRAVELLING)):
            break
        if stage.note.from_ns is None:
            stage.begins()
        for move in range(int(rng.integers(4, 12))):
            way = JOG_MPS if move % 2 else -JOG_MPS
            cranes.jog(slot, way, float(rng.uniform(*JOG_FACTORS)))
            yield from pause(stage, float(rng.uniform(*JOG_S)))
            cranes.jog(slot, 0.0, float(rng.uniform(*JOG_FACTORS)))
            cranes.slip_mps[slot] = SET_SLIP_M / SET_S
            yield from pause(stage, SET_S)
            cranes.slip_mps[slot] = 0.0
            yield from pause(stage, float(rng.uniform(*JOG_PAUSE_S)))
        cranes.kept_up[slot] = False
        while cranes.loaded[slot]:
            yield None
    cranes.kept_up[slot] = False
    stage.ends()


def side_load(stage: Stage, cranes: Cranes) -> Script:
    """Lift loads that stand a little beside the hook: the rope leans less than a side pull."""
    slot = stage.slot
    yield from _between_cycles(stage, cranes)
    cranes.pull_deg[slot] = stage.entry.number("angle_deg")
    cranes.pull_mps[slot] = SIDE_LOAD_MPS
    cranes.next_tighten_s[slot] = PULL_S
    if (yield from _until_part(stage, cranes, Part.TIGHTENING)):
        stage.begins()
        while cranes.part[slot] in (Part.TIGHTENING, Part.HOISTING):
            yield None
        stage.ends()
    cranes.pull_deg[slot] = 0.0
    cranes.pull_mps[slot] = PULL_TRAVEL_MPS


def lost_messages(stage: Stage, cranes: Cranes) -> Script:
    """Lose single messages on a bad radio link."""
    del cranes
    stage.begins()
    stage.terminal.disturbance.loss_share = stage.entry.number("share")
    yield from hold(stage)
    stage.terminal.disturbance.loss_share = 0.0
    stage.ends()


CRANE_SCRIPTS: Mapping[str, CraneScript] = {
    script.__name__: script
    for script in (
        overload,
        shock_load,
        side_pull,
        brake_slip,
        lost_load,
        load_cell_drift,
        wind_over_limit,
        gusts,
        shock_at_lift_off,
        inching,
        side_load,
        lost_messages,
    )
} | {"limiter_defeated": overload}
"""Script by injection name."""
