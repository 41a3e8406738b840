r"""Crane load cell: its zero has moved, or it is stuck. Two cases with one set of parameters.

**Drift** (`load_cell_drift`, advisory). The zero is what the empty hook weighs: an exponential mean
over a minute of loads that neither jump up by `jump_ratio` of the rated load (then something was
lifted) nor follow one that did, until the load came back there or fell by half to within
`empty_ratio` and stayed for `settle_s`. A one-sided Page-Hinkley sum over empty time t,

.. math:: g \leftarrow \mathrm{clip}(g + \mathrm{clip}(|z| / \delta - 1, -1, 1)\, dt,\; 0,\; T)

with allowance :math:`\delta` = `drift_ratio` of the rated load claims at T = `persist_s`: a zero
that is off by twice the allowance in five minutes of empty hook, one off by less never. It
ends when the sum is back at 0.

**Stuck** (`sensor_stuck`, advisory). The reading stays the same to the last digit through
`strokes` alternate strokes of the hook of `stroke_m` or more, that is one and a half cycles, and at
least `stuck_s`.

    load     3.20 _______________________________________
    height   ╱‾╲__╱‾╲__╱‾╲__   strokes 1 2 3 4 5 6 claimed

It fails for a sling or spreader that stays on the hook, which is a zero like any other; for a cell
that drifts while loaded only; and for a crane that moves its empty hook up and down for minutes
with a dead band about zero. Without rated load or chart the drift says nothing; without height the
stuck case says nothing.

Sources: Page-Hinkley at 1 % of the rated load, constant while the hoist cycles (D); the times are
ours. References: Page, Biometrika 41 (1954) 100; Hinkley, Biometrika 58 (1971) 509. State 104 B a
crane.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, Staged, column, levels, same
from detectors.crane_ratings import Ratings, observed, present, reported, since_s, whether
from detectors.current import NEVER, Devices, Floats, Ints, Rows, grown
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

ZERO_S = 60.0
"""Time constant of the zero (ours)."""

STEP_MAX_S = 30.0
"""Time that one sample may stand for: what lies longer apart was not observed (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CraneLoadCellParameters:
    """Parameters of both cases; ratios of the rated load."""

    drift_ratio: float = 0.01
    persist_s: float = 300.0
    jump_ratio: float = 0.03
    empty_ratio: float = 0.1
    settle_s: float = 10.0
    strokes: float = 6.0
    stroke_m: float = 1.0
    stuck_s: float = 120.0


def load_cell_cases(parameters: CraneLoadCellParameters) -> tuple[Staged, ...]:
    """Both cases."""
    return CraneLoadCellDrift(parameters), CraneLoadCellStuck(parameters)


class CraneLoadCellDrift:
    """Drifting zero of n cranes."""

    name = "crane_load_cell_drift"
    kinds = (Kind.CRANE,)
    incident = IncidentKind.LOAD_CELL_DRIFT
    channels = ("hook_load_t",)
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: CraneLoadCellParameters) -> None:
        self._p = parameters
        self._ratings = Ratings()
        self.zero_t: Floats = np.empty(0)
        self.top_t: Floats = np.empty(0)
        self.excess_s: Floats = np.empty(0)
        self.sample_ns: Ints = np.empty(0, dtype=np.int64)
        self.low_ns: Ints = np.empty(0, dtype=np.int64)
        self.empty = np.empty(0, dtype=np.bool_)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated loads."""
        del kind
        self._ratings.grow(fleet)
        n = len(self._ratings.rated_t)
        for name in self.arrays():
            fill = np.nan if name == "zero_t" else 0
            setattr(self, name, grown(getattr(self, name), n, fill))

    def arrays(self) -> tuple[str, ...]:
        """Zero, load lifted since, Page-Hinkley sum."""
        return ("zero_t", "top_t", "excess_s", "empty", *self.times())

    def times(self) -> tuple[str, ...]:
        """Last sample, and since when a load is as good as off."""
        return ("sample_ns", "low_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        load = reported(rows, "hook_load_t")
        later = rows.event_ns > self.sample_ns[device]
        fresh = np.flatnonzero(whether(~np.isnan(load) & later, self._ratings.rated_t[device]))
        self._weigh(device[fresh], rows.event_ns[fresh], load[fresh])
        none = np.zeros(m, dtype=np.bool_)
        return Judgement(
            standing=levels(self.excess_s[device] >= p.persist_s, none, none),
            hold_ns=np.zeros((m, 3), dtype=np.int64),
            over=self.excess_s[device] <= 0,
            over_hold_ns=same(m, 0.0),
            known=whether(
                context.current.known[device],
                column(context, device, "hook_load_t"),
                self._ratings.rated_t[device],
                self.zero_t[device],
            ),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns, context
        zero, rated = self.zero_t[device], self._ratings.rated_t[device]
        return (
            observed("zero_load_t", zero, "t"),
            observed("zero_ratio", zero / rated),
            observed("rated_load_t", rated, "t"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "zero_normal"

    def _weigh(self, device: Devices, event_ns: Ints, load: Floats) -> None:
        """Take in one load of each device."""
        p, rated = self._p, self._ratings.rated_t[device]
        step_s = np.minimum(since_s(event_ns, self.sample_ns[device]), STEP_MAX_S)
        first = np.isnan(self.zero_t[device]) & (np.abs(load) <= p.jump_ratio * rated)
        self.zero_t[device[first]] = load[first]
        self.empty[device[first]] = True
        lifted = load - self.zero_t[device] > p.jump_ratio * rated
        was_empty = self.empty[device]
        self.top_t[device[was_empty & lifted]] = 0.0
        self.empty[device[was_empty & lifted]] = False
        idle = was_empty & ~lifted
        self._learn(device[idle], load[idle], step_s[idle])
        self._set_down(device[~was_empty], event_ns[~was_empty], load[~was_empty])
        self.sample_ns[device] = event_ns

    def _learn(self, device: Devices, load: Floats, step_s: Floats) -> None:
        """Follow the zero of empty hooks, and add up how long it has been off."""
        zero = self.zero_t[device]
        zero = zero + (1.0 - np.exp(-step_s / ZERO_S)) * (load - zero)
        self.zero_t[device] = zero
        off = np.abs(zero) / (self._p.drift_ratio * self._ratings.rated_t[device]) - 1.0
        excess_s = self.excess_s[device] + np.clip(off, -1.0, 1.0) * step_s
        self.excess_s[device] = np.clip(excess_s, 0.0, self._p.persist_s)

    def _set_down(self, device: Devices, event_ns: Ints, load: Floats) -> None:
        """Find out which loads are off: back at the old zero, or settled at a new one."""
        p, rated, zero = self._p, self._ratings.rated_t[device], self.zero_t[device]
        top = np.maximum(self.top_t[device], load)
        self.top_t[device] = top
        back = load - zero <= p.jump_ratio * rated
        base = np.where(np.isnan(zero), 0.0, zero)
        fallen = (load - base <= (top - base) / 2) & (top - base > p.jump_ratio * rated)
        low = fallen & (np.abs(load) <= p.empty_ratio * rated)
        low_ns = np.where(self.low_ns[device] == NEVER, event_ns, self.low_ns[device])
        anew = low & ~back & (since_s(event_ns, low_ns) >= p.settle_s)
        off = back | anew
        self.low_ns[device] = np.where(low & ~off, low_ns, NEVER)
        self.zero_t[device[anew]] = load[anew]
        self.empty[device[off]] = True


class CraneLoadCellStuck:
    """Stuck load cell of n cranes."""

    name = "crane_load_cell_stuck"
    kinds = (Kind.CRANE,)
    incident = IncidentKind.SENSOR_STUCK
    channels = ("hook_load_t", "hook_height_m")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: CraneLoadCellParameters) -> None:
        self._p = parameters
        self.load_t: Floats = np.empty(0)
        self.turn_m: Floats = np.empty(0)
        self.way: Floats = np.empty(0)
        self.strokes: Ints = np.empty(0, dtype=np.int64)
        self.changed_ns: Ints = np.empty(0, dtype=np.int64)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Nothing depends on ratings."""
        n = len(fleet.members(kind))
        for name in self.arrays():
            fill = np.nan if name in ("load_t", "turn_m") else 0
            setattr(self, name, grown(getattr(self, name), n, fill))

    def arrays(self) -> tuple[str, ...]:
        """Last reading, since when, and the strokes made meanwhile."""
        return ("load_t", "turn_m", "way", "strokes", *self.times())

    def times(self) -> tuple[str, ...]:
        """Since when the reading is the same."""
        return ("changed_ns",)

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        load, height = reported(rows, "hook_load_t"), reported(rows, "hook_height_m")
        changed = ~np.isnan(load) & (load != self.load_t[device])
        self.load_t[device[changed]] = load[changed]
        self.changed_ns[device[changed]] = rows.event_ns[changed]
        self.strokes[device[changed]] = 0
        moved = ~np.isnan(height)
        self._stroke(device[moved], height[moved])
        stands = self.strokes[device] >= p.strokes
        none = np.zeros(m, dtype=np.bool_)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 0] = seconds(p.stuck_s)
        return Judgement(
            standing=levels(stands, none, none),
            hold_ns=hold_ns,
            over=self.strokes[device] == 0,
            over_hold_ns=same(m, 0.0),
            known=whether(
                context.current.known[device],
                column(context, device, "hook_load_t"),
                column(context, device, "hook_height_m"),
            ),
            onset_ns=self.changed_ns[device],
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        unchanged_s = (event_ns - int(self.changed_ns[device])) / NS_PER_S
        return (
            *present(context, device, ("hook_load_t", "t")),
            observed("unchanged_s", unchanged_s, "s"),
            observed("hook_strokes", float(self.strokes[device])),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "reading_changed"

    def _stroke(self, device: Devices, height: Floats) -> None:
        """Count strokes: `stroke_m` or more against the way of the one before."""
        turn, way = self.turn_m[device], self.way[device]
        step = height - turn
        onward = np.isnan(turn) | (step * way > 0)
        turns = ~onward & (np.abs(step) >= self._p.stroke_m)
        self.turn_m[device] = np.where(onward | turns, height, turn)
        self.way[device] = np.where(turns, np.sign(step), way)
        self.strokes[device[turns]] += 1
