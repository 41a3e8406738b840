"""When a tick next changes something about a device: a timer, settled late data, or silence."""

from collections.abc import Callable, Sequence

import numpy as np

from detectors.current import NEVER, Bools, Current, Devices, Ints, Rows, grown
from detectors.silence import Silence
from detectors.stages import FAR, Stages
from domain.instants import seconds

LATE_SETTLE_NS = seconds(5)
"""Late data is judged when none came for this long (ours)."""


class DueTimes:
    """Due times of n devices of one kind.

    Attributes
    ----------
    due
        int64[n], received time before which a tick changes nothing.
    timer_due
        int64[n], event time at which the next hold timer ends; `FAR` = none runs.
    first_ns
        Least of ``due``.
    """

    def __init__(self, current: Current, silence: Silence, stages: Sequence[Stages]) -> None:
        self._current = current
        self._silence = silence
        self._stages = stages
        self.due: Ints = np.empty(0, dtype=np.int64)
        self.timer_due: Ints = np.empty(0, dtype=np.int64)
        self.first_ns = FAR

    def grow(self, n: int) -> None:
        """Make room for n devices."""
        self.due, self.timer_due = grown(self.due, n, FAR), grown(self.timer_due, n, FAR)

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return ("due", "timer_due")

    def times(self) -> tuple[str, ...]:
        """None is moved with a device's clock: they are worked out anew then."""
        return ()

    def look(self) -> None:
        """Find the least again, after the arrays were written."""
        self.first_ns = int(self.due.min(initial=FAR))

    def devices(self, now_ns: int) -> Devices:
        """Devices that a tick at a received time concerns."""
        return np.flatnonzero(self.due <= now_ns).astype(np.int32)

    def timers(self, rows: Rows) -> Ints:
        """Live rows whose device has a timer that ends by their event time.

        While late data is coming in nothing fires: its end is judged when it has gone quiet.
        """
        due = np.flatnonzero(~rows.late & (self.timer_due[rows.device] <= rows.event_ns))
        settled: Bools = self._current.late_ns[rows.device[due]] == NEVER
        return due[settled]

    def refresh_timers(self, device: Devices) -> None:
        """Take over the timers of devices after they were moved."""
        due = np.full(len(device), FAR)
        for stages in self._stages:
            if stages.busy[device].any():
                due = np.minimum(due, stages.due_ns(device))
        self.timer_due[device] = due

    def refresh(self, device: Devices) -> None:
        """Work out due times of devices after anything about them changed."""
        current = self._current
        waits = (current.heard_ns[device] != NEVER) & (
            current.known[device] | ~self._silence.claimed[device]
        )
        due = np.where(waits, current.stale_at_ns(device), FAR)
        _hasten(due, device, self.timer_due[device] != FAR, self._timer_at_ns)
        _hasten(due, device, current.late_ns[device] != NEVER, self._settles_ns)
        self.due[device] = due
        self.look()

    def _timer_at_ns(self, device: Devices) -> Ints:
        """Received time of the next timer; late data puts it off.

        A row out of order may begin what the clock has passed already: that waits for no message.
        """
        current, due_ns = self._current, self.timer_due[device]
        passed = due_ns <= current.last_event_ns[device]
        at_ns = np.where(passed, current.last_received_ns[device], due_ns + current.lag_ns(device))
        return np.where(current.late_ns[device] == NEVER, at_ns, FAR)

    def _settles_ns(self, device: Devices) -> Ints:
        return self._current.late_ns[device] + LATE_SETTLE_NS


def _hasten(due: Ints, device: Devices, which: Bools, at_ns: Callable[[Devices], Ints]) -> None:
    """Bring due times forward for the few devices that wait for more than silence."""
    row = np.flatnonzero(which)
    if len(row):
        due[row] = np.minimum(due[row], at_ns(device[row]))
