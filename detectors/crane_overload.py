"""Crane overload: the plateau of the hook load against the chart at this radius or the rated load.

The median of the last three samples takes away single spikes. The dynamic factor at lift-off
(1.05-1.3 for less than a second) is told from a plateau by samples, not by the clock: the first and
the last of three that exceed the limit must lie `span_s` apart, or two be neighbours at
`neighbour_s` or slower and alike within `neighbour_ratio` (a dynamic peak and a spike are not).

    load    ____╱▔╲_plateau below the limit_____      ____╱▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔
    samples ....xx............... spans < 1 s         ....xxxxxxxxx confirmed 1 s after the first

A lone sample beyond the limit that nothing follows (a terminal that reports changes only) counts
when it has stood for `lone_intervals` of its own sampling, within `lone_hold_s` and
`lone_hold_max_s`. It fails when the load cell drifts or is stuck, and beyond the chart's last
radius, where the last capacity is used.

Usual practice (GB/T 12602, inspectors' figures): alarm between 100 and 110 % of the rated load; the
combined error of a limiter is 5 %, hence 1.05 here.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.crane_ratings import Ratings, observed, push, reported, settled
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import seconds

_SAMPLES = 3
_NOT_YET_NS = seconds(1e6)
"""Hold of what the next sample decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CraneOverloadParameters:
    """Parameters of the overload rule; ratios of hook load to capacity."""

    overload_ratio: float = 1.05
    span_s: float = 1.0
    neighbour_s: float = 0.8
    neighbour_ratio: float = 1.35
    lone_intervals: float = 1.2
    lone_hold_s: float = 3.0
    lone_hold_max_s: float = 15.0
    over_ratio: float = 0.9
    over_hold_s: float = 2.0


class CraneOverload:
    """Overload of n cranes; keeps the last three samples of each."""

    name = "crane_overload"
    kinds = (Kind.CRANE,)
    incident = IncidentKind.OVERLOAD
    channels = ("hook_load_t", "radius_m")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: CraneOverloadParameters) -> None:
        self._p = parameters
        self.sample_t: Floats = np.empty((0, _SAMPLES))
        self.sample_ns: Ints = np.empty((0, _SAMPLES), dtype=np.int64)
        self.since_ns: Ints = np.empty(0, dtype=np.int64)
        self._ratings = Ratings()

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated loads and load charts."""
        n = len(fleet.members(kind))
        self._ratings.grow(fleet)
        self.sample_t = grown(self.sample_t, n, np.nan)
        self.sample_ns = grown(self.sample_ns, n, NEVER)
        self.since_ns = grown(self.since_ns, n, NEVER)

    def arrays(self) -> tuple[str, ...]:
        """Samples of the median, and since when they exceed the limit."""
        return ("sample_t", *self.times())

    def times(self) -> tuple[str, ...]:
        """Times of the samples, and since when they exceed the limit."""
        return ("sample_ns", "since_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, m = self._p, len(rows.device)
        self._remember(rows)
        load = self._load_t(rows.device)
        radius = column(context, rows.device, "radius_m")
        capacity = self._ratings.capacity_t(rows.device, radius)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = load / capacity
            last_ratio = self.sample_t[rows.device, -1] / capacity
        present = column(context, rows.device, "hook_load_t")
        known = context.current.known[rows.device] & ~np.isnan(present) & ~np.isnan(ratio)
        exceeds = (ratio > p.overload_ratio) | (last_ratio > p.overload_ratio)
        since_ns = self._since(rows, capacity, exceeds & known)
        none = np.zeros(m, dtype=np.bool_)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 2] = self._hold_ns(rows.device, since_ns, last_ratio > p.overload_ratio)
        return Judgement(
            standing=levels(none, none, exceeds),
            hold_ns=hold_ns,
            # A lone sample that is claimed lifts no median yet.
            over=(ratio < p.over_ratio) & ~(last_ratio > p.overload_ratio),
            over_hold_ns=same(m, p.over_hold_s),
            known=known,
            onset_ns=since_ns,
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        one = np.array([device], dtype=np.int32)
        radius = column(context, one, "radius_m")
        load, capacity = self._load_t(one)[0], self._ratings.capacity_t(one, radius)[0]
        return (
            observed("hook_load_t", load, "t"),
            observed("capacity_t", capacity, "t"),
            observed("load_ratio", load / capacity),
            observed("radius_m", radius[0], "m"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "load_normal"

    def _remember(self, rows: Rows) -> None:
        load = reported(rows, "hook_load_t")
        fresh = ~np.isnan(load) & (rows.event_ns >= self.sample_ns[rows.device, -1])
        push(self.sample_t, rows.device[fresh], load[fresh])
        push(self.sample_ns, rows.device[fresh], rows.event_ns[fresh])

    def _load_t(self, device: Devices) -> Floats:
        return settled(self.sample_t[device])

    def _since(self, rows: Rows, capacity: Floats, stands: Bools) -> Ints:
        """Since when the limit has been exceeded, by its first sample."""
        since = self.since_ns[rows.device]
        begun = np.where(since == NEVER, self._plateau_ns(rows, capacity), since)
        self.since_ns[rows.device] = np.where(stands, begun, NEVER)
        return begun

    def _hold_ns(self, device: Devices, since_ns: Ints, last_exceeds: Bools) -> Ints:
        """No further hold for a proven plateau, else how long a lone sample must stand."""
        p = self._p
        newest, previous = self.sample_ns[device, -1], self.sample_ns[device, -2]
        interval = np.where(previous == NEVER, 0, newest - previous)
        last_t, before_t = self.sample_t[device, -1], self.sample_t[device, -2]
        alike = np.maximum(last_t, before_t) <= p.neighbour_ratio * np.minimum(last_t, before_t)
        neighbours = (since_ns <= previous) & (interval >= seconds(p.neighbour_s)) & alike
        three = since_ns <= self.sample_ns[device, -3]
        spans = three & (newest - since_ns >= seconds(p.span_s))
        plateau = last_exceeds & (neighbours | spans)
        alone = (interval * p.lone_intervals).astype(np.int64)
        alone = np.clip(alone, seconds(p.lone_hold_s), seconds(p.lone_hold_max_s))
        return np.where(plateau, 0, np.where(last_exceeds, alone, _NOT_YET_NS))

    def _plateau_ns(self, rows: Rows, capacity: Floats) -> Ints:
        """First of the remembered samples from which on all exceed the limit, else the row."""
        limit = self._p.overload_ratio * capacity
        exceeds = self.sample_t[rows.device] > limit[:, None]
        last, middle, first = exceeds[:, 2], exceeds[:, 1], exceeds[:, 0]
        times = self.sample_ns[rows.device]
        recent = np.where(first & middle & last, times[:, 0], times[:, 1])
        onset = np.where(middle & last, recent, times[:, 2])
        return np.where(last, onset, rows.event_ns)
