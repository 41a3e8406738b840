"""What is known of every device of one kind right now: the state that all detectors read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS
from domain.equipment import Kind
from domain.instants import seconds

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Devices = NDArray[np.int32]
Array = TypeVar("Array", bound=np.ndarray[Any, Any])

NEVER = 0
"""Instant of what has not happened."""

STALE_INTERVALS = 3
STALE_MIN_S = 60.0
STALE_MAX_S = 900.0
"""Contract: values hold for three reporting intervals, at least 60 s and at most 15 min."""

SPAN_MAX_NS = seconds(300)
"""Time that one message may cover and still put off what ticks judge (ours)."""

DEFAULT_INTERVAL_S = {Kind.LIFT: 300.0, Kind.ESCALATOR: 300.0}
"""Reporting interval of devices whose registry row names none (ours): kinds that report changes
only may be quiet for long; other kinds 60 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One round: at most one row of each device; m rows.

    Parameters
    ----------
    device
        int32[m], all different.
    event_ns, received_ns, position
        int64[m].
    late
        bool[m]: history, which starts and ends conditions but lets nothing fire.
    before, reported
        float64[m, c]: what was known before the row, and what the row itself reports.
    code, active
        int32[m] index of the code in the bank's table or -1; bool[m].
    """

    device: Devices
    event_ns: Ints
    received_ns: Ints
    position: Ints
    late: Bools
    before: Floats
    reported: Floats
    code: NDArray[np.int32]
    active: Bools
    clock_wrong: Bools
    live: Bools

    def at(self, chosen: Ints) -> "Rows":
        """Chosen rows, in rising order; the object itself when that is all of them."""
        if len(chosen) == len(self.device):
            return self
        return Rows(**{name: getattr(self, name)[chosen] for name in self.__slots__})


class Current:
    """Carried-forward values of n devices, c channels.

    Parameters
    ----------
    kind
        Kind of all devices.

    Attributes
    ----------
    values
        float64[n, c], NaN = unknown.
    kept
        float64[n, c], last reported values of devices that are unknown at the moment: late data may
        show that they never were.
    reported_ns
        int64[n, c], event time of the last report of a channel.
    changed_ns
        int64[n, c], event time at which the value last became another one.
    last_event_ns, last_received_ns
        int64[n], of the newest row; together they are the device's event clock.
    heard_ns
        int64[n], received time of the last sign of life, `NEVER` when there was none.
    known
        bool[n], values are within their stale limit and the device is not offline.
    late_ns
        int64[n], received time of late rows not yet judged, `NEVER` when there are none.
    first_ns, span_ns, usual_span_ns
        int64[n], event time of the newest message's first row, the time its rows cover, and the
        same of the message before: who sends a minute of samples at once says nothing in between.
    interval_ns, former_interval_ns
        int64[n], event time between the newest two rows, and between the two before.
    judged_ns
        int64[n], event time of the last row that every detector looked at.
    """

    def __init__(self, kind: Kind) -> None:
        channels = len(CHANNELS[kind])
        self.kind = kind
        self.values: Floats = np.empty((0, channels))
        self.kept: Floats = np.empty((0, channels))
        self.reported_ns: Ints = np.empty((0, channels), dtype=np.int64)
        self.changed_ns: Ints = np.empty((0, channels), dtype=np.int64)
        self.last_event_ns: Ints = np.empty(0, dtype=np.int64)
        self.last_received_ns: Ints = np.empty(0, dtype=np.int64)
        self.heard_ns: Ints = np.empty(0, dtype=np.int64)
        self.late_ns: Ints = np.empty(0, dtype=np.int64)
        self.first_ns: Ints = np.empty(0, dtype=np.int64)
        self.judged_ns: Ints = np.empty(0, dtype=np.int64)
        self.span_ns: Ints = np.empty(0, dtype=np.int64)
        self.usual_span_ns: Ints = np.empty(0, dtype=np.int64)
        self.interval_ns: Ints = np.empty(0, dtype=np.int64)
        self.former_interval_ns: Ints = np.empty(0, dtype=np.int64)
        self.known: Bools = np.empty(0, dtype=np.bool_)
        self.limit_ns: Ints = np.empty(0, dtype=np.int64)

    def grow(self, intervals_s: Floats) -> None:
        """Take over reporting intervals [s] of a possibly larger fleet; NaN = not registered."""
        n = len(intervals_s)
        default = DEFAULT_INTERVAL_S.get(self.kind, 60.0)
        limit_s = np.where(np.isnan(intervals_s), default, intervals_s) * STALE_INTERVALS
        self.limit_ns = (np.clip(limit_s, STALE_MIN_S, STALE_MAX_S) * seconds(1)).astype(np.int64)
        self.values = grown(self.values, n, np.nan)
        self.kept = grown(self.kept, n, np.nan)
        for name in (*self.times(), *_DURATIONS):
            setattr(self, name, grown(getattr(self, name), n, NEVER))
        self.known = grown(self.known, n, 0)

    def times(self) -> tuple[str, ...]:
        """Names of the arrays that hold instants."""
        return (
            "reported_ns",
            "changed_ns",
            "last_event_ns",
            "last_received_ns",
            "heard_ns",
            "late_ns",
            "first_ns",
            "judged_ns",
        )

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return (*self.times(), *_DURATIONS, "values", "kept", "known")

    def clock_ns(self, device: Devices, now_ns: int) -> Ints:
        """Event time of devices at a received time: their last row's, and what has passed since.

        What has passed counts only beyond the time that their messages usually cover: until then
        the next message may still tell of it.
        """
        span_ns = np.maximum(self.span_ns[device], self.usual_span_ns[device])
        passed_ns = now_ns - self.last_received_ns[device] - span_ns
        return self.last_event_ns[device] + np.maximum(passed_ns, 0)

    def lag_ns(self, device: Devices) -> Ints:
        """What turns an event time that lies ahead into the received time of its tick."""
        span_ns = np.maximum(self.span_ns[device], self.usual_span_ns[device])
        return self.last_received_ns[device] - self.last_event_ns[device] + span_ns

    def stale_at_ns(self, device: Devices) -> Ints:
        """Received time at which devices become unknown without a further sign of life."""
        return self.heard_ns[device] + self.limit_ns[device]

    def forget(self, device: Devices) -> None:
        """Make every channel of devices unknown."""
        known = self.known[device]
        self.kept[device[known]] = self.values[device[known]]
        self.values[device] = np.nan
        self.known[device] = False

    def renew(self, device: Devices, received_ns: Ints) -> None:
        """Undo `forget` for devices that are heard again within their stale limit.

        A sign of life renews unchanged channels: a lift that stands still sends nothing else.
        """
        back = ~self.known[device] & (received_ns < self.stale_at_ns(device))
        whole = device[back & (self.heard_ns[device] != NEVER)]
        self.values[whole] = self.kept[whole]
        self.known[whole] = True

    def recall(self, device: Devices, event_ns: Ints) -> None:
        """Undo `forget` for devices whose late rows follow their last one without a gap.

        The device was there all the time, only we did not hear it.
        """
        gap_ns = event_ns - self.last_event_ns[device]
        seen = ~self.known[device] & (self.last_event_ns[device] != NEVER)
        whole = device[seen & (gap_ns >= 0) & (gap_ns <= self.limit_ns[device])]
        self.values[whole] = self.kept[whole]
        self.known[whole] = True

    def skip(self, gap_ns: int) -> None:
        """Leave a time in which we were away out of silence and holds."""
        for name in ("last_received_ns", "heard_ns", "late_ns"):
            array = getattr(self, name)
            array[array != NEVER] += gap_ns

    def shift(self, device: Devices, by_ns: Ints) -> None:
        """Move event times of devices whose clock was judged anew."""
        for name in ("reported_ns", "changed_ns", "last_event_ns", "first_ns", "judged_ns"):
            array = getattr(self, name)
            move = by_ns[:, None] if array.ndim > 1 else by_ns
            array[device] += np.where(array[device] != NEVER, move, 0)

    def apply(self, rows: Rows, unknown: Bools, watched: Mapping[int, Floats]) -> Bools:
        """Take in what rows report: per channel the newest event time wins.

        Parameters
        ----------
        unknown
            bool[m, c], channels that are unknown from the row on.
        watched
            By channel whose change is wanted, the limits that a change must pass, rising; none =
            any change.

        Returns
        -------
        ndarray
            bool[m], rows that change a watched channel.
        """
        changed = self._report(rows, unknown, watched)
        ahead = rows.event_ns >= self.last_event_ns[rows.device]
        device, event_ns, received_ns = chosen(ahead, rows.device, rows.event_ns, rows.received_ns)
        self._measure(device, event_ns, received_ns)
        self.last_event_ns[device] = event_ns
        self.last_received_ns[device] = received_ns
        return changed

    def _report(self, rows: Rows, unknown: Bools, watched: Mapping[int, Floats]) -> Bools:
        """Take in reported cells, channel by channel: few of all are reported at once."""
        said = ~np.isnan(rows.reported)
        if unknown.any():
            said |= unknown
        changes = np.zeros(len(rows.device), dtype=np.bool_)
        for channel in np.flatnonzero(said.any(axis=0)).tolist():
            values, reported_ns = self.values[:, channel], self.reported_ns[:, channel]
            newer = said[:, channel] & (rows.event_ns >= reported_ns[rows.device])
            device, event_ns, new = chosen(
                newer, rows.device, rows.event_ns, rows.reported[:, channel]
            )
            old = values[device]
            changed = (new != old) & ~(np.isnan(new) & np.isnan(old))
            reported_ns[device] = event_ns
            if changed.any():
                values[device] = new
                self.changed_ns[device[changed], channel] = event_ns[changed]
                if channel in watched:
                    changes[newer] |= changed & _passed(watched[channel], old, new)
        return changes

    def _measure(self, device: Devices, event_ns: Ints, received_ns: Ints) -> None:
        """Keep the time that messages cover, and the time between rows."""
        begins = received_ns != self.last_received_ns[device]
        begun, first_ns = chosen(begins, device, event_ns)
        self.usual_span_ns[begun] = self.span_ns[begun]
        self.first_ns[begun] = first_ns
        self.span_ns[device] = np.minimum(event_ns - self.first_ns[device], SPAN_MAX_NS)
        last_ns = self.last_event_ns[device]
        step_ns = event_ns - last_ns
        follows = (step_ns > 0) & (last_ns != NEVER)
        device, step_ns = chosen(follows, device, step_ns)
        self.former_interval_ns[device] = self.interval_ns[device]
        self.interval_ns[device] = step_ns


def _passed(limits: Floats, old: Floats, new: Floats) -> Bools:
    """Whether values lie in another interval than before; unknown is an interval of its own."""
    if not len(limits):
        return np.ones(len(new), dtype=np.bool_)
    return np.asarray(
        (np.searchsorted(limits, old, side="right") != np.searchsorted(limits, new, side="right"))
        | (np.isnan(old) != np.isnan(new))
    )


_DURATIONS = ("span_ns", "usual_span_ns", "interval_ns", "former_interval_ns")


def chosen(which: Bools, *columns: Array) -> list[Array]:
    """Columns where ``which`` holds; the columns themselves when it holds everywhere."""
    if which.all():
        return list(columns)
    rows = np.flatnonzero(which)
    return [cast("Array", column[rows]) for column in columns]


def grown(array: Array, n: int, fill: float) -> Array:
    """Array with n rows: the old ones first, new ones filled."""
    if len(array) >= n:
        return array
    larger = np.full((n, *array.shape[1:]), fill, dtype=array.dtype)
    larger[: len(array)] = array
    return cast("Array", larger)
