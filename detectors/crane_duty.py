r"""Duty of cranes: hoisting cycles, load spectrum, and the design working period used.

A cycle runs from lifting a load until it is set down (GB/T 3811, ISO 4301-1):

    load    idle ___╱‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾╲___ idle
                   ^ above `lift_ratio`          ^ below `off_ratio` for `off_s`
                     for `lift_s`, and the hook      counted, if it lasted `cycle_min_s`
                     moves or is commanded

The load of a cycle is the median of its samples, so dynamics at both ends do not count; its peak is
kept apart. With C cycles of net load P_i over the rated load:

.. math:: K_p = \frac{1}{C} \sum_i P_i^3 \qquad
   used = \frac{f_1 \sum_i P_i^3}{K_{p,class} \, C_{T,class}}

where the class is the registry's `classification` and f1 = 1 for counting by a recorder (ISO
12482:2014). From 80 % the owner is to be told, at 100 % a special assessment is due.

The empty hook's reading follows the tare, so that a drifting cell still ends its cycles. A gap of
more than `gap_s` inside a cycle leaves it open when the same load still hangs, else it is closed
at the last sample; both are counted as uncertain. Only what was seen counts: the years before
are not in it. It fails with samples slower than the cycles, and for terminals that report changes
only where the load changes all the time.

Sources: thresholds, m = 3 and the machine of states (D); f1, 80 % and 100 % (V, D); classes:
`detectors.crane_classes`. State 0.5 KB a crane.
"""

from dataclasses import dataclass

import numpy as np

from detectors.crane_classes import (
    GB_T_3811_2008,
    SAFETY_FACTOR,
    design_cycles,
    group,
    load_class,
    state,
)
from detectors.crane_ratings import Ratings, push, reported, settled, since_s
from detectors.current import NEVER, Bools, Current, Devices, Floats, Ints, Rows, grown
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.instants import seconds

BANDS = 13
"""Bands of the load spectrum: tenths of the rated load, the last for 120 % and more."""

SAMPLES = 32
"""Samples kept of a cycle; when they are full every second one is dropped (ours)."""

TARE_S = 60.0
TARE_MAX_RATIO = 0.5
TARE_STEP_MAX_S = 30.0
"""Time constant of the tare, its limit, and the longest time that one sample stands for (ours)."""

MOVED_M = 0.1
"""Change of height that shows the hook moving (ours)."""

SAME_RATIO = 0.05
"""Loads this close over a gap are the same load (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CraneDutyParameters:
    """Parameters of the cycle counter; ratios of the rated load."""

    lift_ratio: float = 0.03
    lift_above_tare_ratio: float = 0.02
    lift_s: float = 1.5
    off_ratio: float = 0.015
    off_share: float = 0.15
    off_s: float = 3.0
    cycle_min_s: float = 4.0
    gap_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyReport:
    """Duty of one crane since it was first heard.

    Parameters
    ----------
    cycles, uncertain_cycles
        Hoisting cycles counted, and those among them that a gap in the data touched.
    spectrum
        Cycles by tenth of the rated load, the last entry for 120 % and more.
    spectrum_factor
        K_p, ``None`` before the first cycle.
    load_class
        Smallest load class that K_p fits, ``None`` before the first cycle.
    full_load_cycles
        Sum of the cubes: cycles at full load that would have used as much.
    overload_cycles
        Cycles above the least capacity that their radii had by the load chart.
    peak_ratio_max
        Largest single load over the rated load, dynamics included; 0 before the first cycle.
    classification, group
        Of the registry, and the crane group that it means; empty when not known.
    design_cycles
        Cycles at full load of the design working period; ``None`` when the class is not known.
    used_share
        Share of the design working period used by what was counted.
    state
        ``unknown``, ``normal``, ``advised`` (80 %) or ``assessment_due`` (100 %).
    """

    cycles: int
    uncertain_cycles: int
    spectrum: tuple[int, ...]
    spectrum_factor: float | None
    load_class: str | None
    full_load_cycles: float
    overload_cycles: int
    peak_ratio_max: float
    working_s: float
    classification: str
    group: str
    design_cycles: float | None
    used_share: float | None
    state: str


class CraneDuty:
    """Counters of n cranes. Feed it every round; ask it at any time.

    Attributes
    ----------
    cycles, uncertain_cycles, overload_cycles
        int64[n].
    full_load_cycles
        float64[n], sum of the cubed ratios.
    spectrum
        int64[n, 13].
    """

    def __init__(
        self, parameters: CraneDutyParameters | None = None, edition: str = GB_T_3811_2008
    ) -> None:
        self._p = parameters or CraneDutyParameters()
        self._edition = edition
        self._ratings = Ratings()
        self._classes: tuple[str, ...] = ()
        for name in (*_COUNTS, *self.times()):
            setattr(self, name, np.empty(0, dtype=np.int64))
        for name in _NUMBERS:
            setattr(self, name, np.empty(0))
        for name in _FLAGS:
            setattr(self, name, np.empty(0, dtype=np.bool_))
        self.spectrum: Ints = np.empty((0, BANDS), dtype=np.int64)
        self.recent_t: Floats = np.empty((0, 3))
        self.sample_t: Floats = np.empty((0, SAMPLES))

    cycles: Ints
    uncertain_cycles: Ints
    overload_cycles: Ints
    kept: Ints
    stride: Ints
    passed: Ints
    working_ns: Ints
    full_load_cycles: Floats
    peak_ratio_max: Floats
    peak_t: Floats
    capacity_t: Floats
    tare_t: Floats
    height_m: Floats
    carrying: Bools
    moved: Bools
    touched: Bools
    began_ns: Ints
    off_ns: Ints
    sample_ns: Ints

    def grow(self, fleet: Fleet) -> None:
        """Read ratings and classifications of a possibly larger fleet."""
        self._ratings.grow(fleet)
        members = fleet.members(Kind.CRANE)
        self._classes = tuple(equipment.classification for equipment in members)
        for name in self.arrays():
            fill = np.nan if name in _UNSET else 0
            setattr(self, name, grown(getattr(self, name), len(members), fill))

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        rings = ("spectrum", "recent_t", "sample_t")
        return (*_COUNTS, *_NUMBERS, *_FLAGS, *rings, *self.times())

    def times(self) -> tuple[str, ...]:
        """Begin of the cycle, since when the load is off, last sample."""
        return ("began_ns", "off_ns", "sample_ns")

    def observe(self, rows: Rows, current: Current) -> None:
        """Take in one round of cranes' rows, after ``current`` did."""
        load = reported(rows, "hook_load_t")
        usable = ~np.isnan(load) & (rows.event_ns > self.sample_ns[rows.device])
        usable &= ~np.isnan(self._ratings.rated_t[rows.device])
        device, event_ns, load = rows.device[usable], rows.event_ns[usable], load[usable]
        if not len(device):
            return
        now = current.values[device]
        self._bridge(device, event_ns, load)
        push(self.recent_t, device, load)
        smooth = settled(self.recent_t[device])
        above = self._above(device, smooth)
        self._begin(device[above], event_ns[above])
        idle = ~above & (self.began_ns[device] == NEVER)
        self._tare(device[idle], event_ns[idle], smooth[idle])
        active = self.began_ns[device] != NEVER
        self._collect(device[active], load[active], smooth[active], now[active])
        self._start(device[active], event_ns[active], above[active])
        self.sample_ns[device] = event_ns
        self._finish(device[active], event_ns[active], smooth[active])

    def report(self, slot: int) -> DutyReport:
        """Duty of one crane."""
        cycles, full = int(self.cycles[slot]), float(self.full_load_cycles[slot])
        factor = full / cycles if cycles else None
        text = self._classes[slot]
        design = design_cycles(text, self._edition)
        used = None if design is None else SAFETY_FACTOR * full / design
        return DutyReport(
            cycles=cycles,
            uncertain_cycles=int(self.uncertain_cycles[slot]),
            spectrum=tuple(self.spectrum[slot].tolist()),
            spectrum_factor=factor,
            load_class=None if factor is None else load_class(factor, self._edition),
            full_load_cycles=full,
            overload_cycles=int(self.overload_cycles[slot]),
            peak_ratio_max=float(self.peak_ratio_max[slot]),
            working_s=float(self.working_ns[slot] / seconds(1)),
            classification=text,
            group=group(text),
            design_cycles=design,
            used_share=used,
            state=state(used),
        )

    def _bridge(self, device: Devices, event_ns: Ints, load: Floats) -> None:
        """After a gap: go on with a load that still hangs, close what does not."""
        gap = since_s(event_ns, self.sample_ns[device]) > self._p.gap_s
        gap &= self.sample_ns[device] != NEVER
        rated = self._ratings.rated_t[device]
        near = np.abs(load - self.recent_t[device, -1]) <= SAME_RATIO * rated
        carried = gap & self.carrying[device]
        self.touched[device[carried]] = True
        lost = device[carried & ~near]
        self._count(lost, self.sample_ns[lost])
        self._forget(device[gap & ~(carried & near)])
        self.recent_t[device[gap]] = np.nan

    def _above(self, device: Devices, smooth: Floats) -> Bools:
        """Whether something hangs on hooks."""
        p, rated = self._p, self._ratings.rated_t[device]
        tare = self.tare_t[device]
        return smooth > np.maximum(p.lift_ratio * rated, tare + p.lift_above_tare_ratio * rated)

    def _begin(self, device: Devices, event_ns: Ints) -> None:
        """Note the first sample of what may become a cycle."""
        new = self.began_ns[device] == NEVER
        chosen = device[new]
        self.began_ns[chosen] = event_ns[new]
        self.kept[chosen] = self.passed[chosen] = 0
        self.stride[chosen] = 1
        self.peak_t[chosen] = 0.0
        self.capacity_t[chosen] = np.inf
        self.height_m[chosen] = np.nan
        self.moved[chosen] = False

    def _tare(self, device: Devices, event_ns: Ints, smooth: Floats) -> None:
        """Follow what the empty hook weighs."""
        rated = self._ratings.rated_t[device]
        step_s = np.minimum(since_s(event_ns, self.sample_ns[device]), TARE_STEP_MAX_S)
        share = 1.0 - np.exp(-step_s / TARE_S)
        tare = self.tare_t[device] + share * (smooth - self.tare_t[device])
        limit = TARE_MAX_RATIO * rated
        self.tare_t[device] = np.clip(tare, -limit, limit)

    def _collect(self, device: Devices, load: Floats, smooth: Floats, now: Floats) -> None:
        """Take a sample of cycles under way: load, least capacity, motion."""
        capacity = self._ratings.capacity_t(device, now[:, _CRANE["radius_m"]])
        self.capacity_t[device] = np.fmin(self.capacity_t[device], capacity)
        self.peak_t[device] = np.maximum(self.peak_t[device], load)
        height = now[:, _CRANE["hook_height_m"]]
        command = now[:, _CRANE["hoist_command"]]
        origin = np.where(np.isnan(self.height_m[device]), height, self.height_m[device])
        self.height_m[device] = origin
        moves = (np.abs(height - origin) > MOVED_M) | (np.abs(command) == 1)
        moves |= np.isnan(height) & np.isnan(command)
        self.moved[device] |= moves
        self.passed[device] += 1
        due = self.passed[device] >= self.stride[device]
        self._keep(device[due], smooth[due])

    def _keep(self, device: Devices, smooth: Floats) -> None:
        """Keep samples evenly over a cycle of any length."""
        self.passed[device] = 0
        full = device[self.kept[device] == SAMPLES]
        self.sample_t[full, : SAMPLES // 2] = self.sample_t[full, ::2]
        self.kept[full] = SAMPLES // 2
        self.stride[full] *= 2
        self.sample_t[device, self.kept[device]] = smooth
        self.kept[device] += 1

    def _start(self, device: Devices, event_ns: Ints, above: Bools) -> None:
        """Turn candidates into cycles once they stood and moved; drop those that fell again."""
        waits = ~self.carrying[device]
        stood = since_s(event_ns, self.began_ns[device]) >= self._p.lift_s
        self.carrying[device] |= waits & above & stood & self.moved[device]
        self._forget(device[waits & ~above])

    def _finish(self, device: Devices, event_ns: Ints, smooth: Floats) -> None:
        """Count cycles whose load has been off long enough."""
        p, rated, tare = self._p, self._ratings.rated_t[device], self.tare_t[device]
        low = np.maximum(p.off_ratio * rated, tare + p.off_ratio * rated)
        off = self.carrying[device] & (smooth <= np.maximum(low, p.off_share * self.peak_t[device]))
        # No typical load is above the peak: only these need theirs, which takes sorting.
        few = np.flatnonzero(off)
        off[few] = smooth[few] <= np.maximum(low[few], p.off_share * self._typical_t(device[few]))
        off_ns = np.where(self.off_ns[device] == NEVER, event_ns, self.off_ns[device])
        self.off_ns[device] = np.where(off, off_ns, NEVER)
        over = off & (since_s(event_ns, off_ns) >= p.off_s)
        limit = TARE_MAX_RATIO * rated[over]
        chosen = device[over]
        self._count(chosen, off_ns[over])
        self.tare_t[chosen] = np.clip(smooth[over], -limit, limit)
        self._forget(chosen)

    def _typical_t(self, device: Devices) -> Floats:
        """Median of the samples kept of cycles; 0 where there are none."""
        held = np.arange(SAMPLES) < self.kept[device][:, None]
        ordered = np.sort(np.where(held, self.sample_t[device], np.inf), axis=1)
        row, kept = np.arange(len(device)), np.maximum(self.kept[device], 1)
        middle = (ordered[row, (kept - 1) // 2] + ordered[row, kept // 2]) / 2
        return np.where(self.kept[device] > 0, middle, 0.0)

    def _count(self, device: Devices, end_ns: Ints) -> None:
        """Add finished cycles to the duty; what was too short is none."""
        lasted_ns = end_ns - self.began_ns[device]
        long = lasted_ns >= seconds(self._p.cycle_min_s)
        device, lasted_ns = device[long], lasted_ns[long]
        load = np.maximum(self._typical_t(device) - self.tare_t[device], 0.0)
        rated = self._ratings.rated_t[device]
        ratio = load / rated
        self.cycles[device] += 1
        self.uncertain_cycles[device] += self.touched[device]
        self.overload_cycles[device] += load > self.capacity_t[device]
        self.full_load_cycles[device] += ratio**3
        self.spectrum[device, np.minimum(ratio * 10, BANDS - 1).astype(np.int64)] += 1
        peak = self.peak_t[device] / rated
        self.peak_ratio_max[device] = np.maximum(self.peak_ratio_max[device], peak)
        self.working_ns[device] += lasted_ns

    def _forget(self, device: Devices) -> None:
        """End cycles and candidates."""
        self.began_ns[device] = self.off_ns[device] = NEVER
        self.carrying[device] = self.touched[device] = False


_CRANE = COLUMNS[Kind.CRANE]
_COUNTS = (
    "cycles",
    "uncertain_cycles",
    "overload_cycles",
    "kept",
    "stride",
    "passed",
    "working_ns",
)
_NUMBERS = (
    "full_load_cycles",
    "peak_ratio_max",
    "peak_t",
    "capacity_t",
    "tare_t",
    "height_m",
)
_FLAGS = ("carrying", "moved", "touched")
_UNSET = ("height_m", "recent_t", "sample_t")
