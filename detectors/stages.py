"""Hold timers in stages.

A condition that stands long enough raises a level, and one that is over long enough ends it.

Time line of one device (suspected after 30 s, confirmed after 120 s):

    condition   ____████████████████████████████████████______
    event time      0        30                     120   │
    raised                   suspected              confirmed
    over                                                  ██ ended

Unknown is neither: while a condition is unknown its timers stand still.
"""

import numpy as np

from detectors.current import NEVER, Bools, Devices, Ints, grown
from domain.incidents import Level

LEVELS = (Level.ADVISORY, Level.SUSPECTED, Level.CONFIRMED)
_STAGES = len(LEVELS)
_NUMBERS = np.arange(1, _STAGES + 1)
FAR = np.iinfo(np.int64).max
"""Due time of what is not due at all."""


class Stages:
    """Timers of n devices.

    Attributes
    ----------
    onset_ns
        int64[n, 3], event time since when the condition of each level stands.
    hold_ns
        int64[n, 3], how long it must stand.
    level
        int8[n], number of the level raised: 0 none, 1 advisory, 2 suspected, 3 confirmed.
    case_ns
        int64[n], onset that was claimed when the first level was raised.
    over_ns, over_hold_ns
        int64[n], since when the condition is positively over, as far as there was anything to
        end, and how long that must stand.
    paused_ns
        int64[n], event time since when the condition is unknown.
    busy
        bool[n], a condition stands or a level is raised; else there is nothing to time.
    """

    def __init__(self) -> None:
        self.onset_ns: Ints = np.empty((0, _STAGES), dtype=np.int64)
        self.hold_ns: Ints = np.empty((0, _STAGES), dtype=np.int64)
        self.level = np.empty(0, dtype=np.int8)
        self.case_ns: Ints = np.empty(0, dtype=np.int64)
        self.over_ns: Ints = np.empty(0, dtype=np.int64)
        self.over_hold_ns: Ints = np.empty(0, dtype=np.int64)
        self.paused_ns: Ints = np.empty(0, dtype=np.int64)
        self.busy: Bools = np.empty(0, dtype=np.bool_)

    def grow(self, n: int) -> None:
        """Make room for n devices."""
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), n, 0))

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return (*self.times(), "hold_ns", "over_hold_ns", "level", "busy")

    def times(self) -> tuple[str, ...]:
        """Names of the arrays that hold event times."""
        return ("onset_ns", "case_ns", "over_ns", "paused_ns")

    def update(
        self,
        device: Devices,
        event_ns: Ints,
        *,
        standing: Bools,
        hold_ns: Ints,
        over: Bools,
        over_hold_ns: Ints,
        known: Bools,
        onset_ns: Ints | None = None,
    ) -> Ints:
        """Take in what holds for m devices from an event time on.

        Parameters
        ----------
        standing
            bool[m, 3], the condition of each level stands.
        hold_ns
            int64[m, 3].
        over
            bool[m], the condition is positively over.
        known
            bool[m], whether anything can be said; where not, timers stand still.
        onset_ns
            int64[m], since when the condition stands, when the detector knows better than the row.

        Returns
        -------
        ndarray
            int64[k], indices of the rows that changed a timer: most devices have none running.
        """
        touched = np.flatnonzero(standing.any(axis=1) | self.busy[device])
        if not len(touched):
            return touched
        told = known[touched]
        blind, seen = touched[~told], touched[told]
        self._pause(device[blind], event_ns[blind])
        slot, at_ns = device[seen], event_ns[seen]
        self._resume(slot, at_ns)
        since = at_ns if onset_ns is None else onset_ns[seen]
        onset = self.onset_ns[slot]
        begun = np.where(onset == NEVER, since[:, None], onset)
        self.onset_ns[slot] = np.where(standing[seen], begun, NEVER)
        self.hold_ns[slot] = hold_ns[seen]
        busy = standing[seen].any(axis=1) | (self.level[slot] > 0)
        over_ns = self.over_ns[slot]
        ending = np.where(over_ns == NEVER, at_ns, over_ns)
        self.over_ns[slot] = np.where(over[seen] & busy, ending, NEVER)
        self.over_hold_ns[slot] = over_hold_ns[seen]
        self.busy[slot] = busy
        return touched

    def elapse(self, device: Devices, event_ns: Ints) -> tuple[Ints, Ints]:
        """Let time pass for m devices.

        Returns
        -------
        raised : int64[k]
            Indices into ``device`` whose level rose; their ``level`` and ``case_ns`` are set.
        ended : int64[j]
            Indices into ``device`` whose condition ended; call `reset` after reporting them.
        """
        onset, level = self.onset_ns[device], self.level[device]
        running = self.paused_ns[device] == NEVER
        held = (onset != NEVER) & (event_ns[:, None] - onset >= self.hold_ns[device])
        reached = np.where(held, _NUMBERS, 0).max(axis=1, initial=0)
        rises = running & (reached > level)
        first = rises & (level == 0)
        stands = np.where(onset == NEVER, FAR, onset).min(axis=1, initial=FAR)
        self.case_ns[device] = np.where(first, stands, self.case_ns[device])
        self.level[device] = np.where(rises, reached, level)
        over_ns = self.over_ns[device]
        passed = event_ns - over_ns >= self.over_hold_ns[device]
        ends = running & (over_ns != NEVER) & passed & (self.level[device] > 0)
        return np.flatnonzero(rises), np.flatnonzero(ends)

    def reset(self, device: Devices) -> None:
        """Forget a case."""
        self.level[device] = 0
        self.busy[device] = False
        for name in self.times():
            getattr(self, name)[device] = NEVER

    def due_ns(self, device: Devices) -> Ints:
        """Event time at which the next thing happens to devices, `FAR` when nothing will."""
        onset, level = self.onset_ns[device], self.level[device][:, None]
        ahead = (onset != NEVER) & (level < _NUMBERS)
        rises = np.where(ahead, onset + self.hold_ns[device], FAR).min(axis=1, initial=FAR)
        ending = (self.over_ns[device] != NEVER) & (self.level[device] > 0)
        ends = np.where(ending, self.over_ns[device] + self.over_hold_ns[device], FAR)
        running = self.paused_ns[device] == NEVER
        return np.where(running, np.minimum(rises, ends), FAR)

    def _pause(self, device: Devices, event_ns: Ints) -> None:
        """Stop the timers of devices of which nothing can be said."""
        paused = self.paused_ns[device]
        self.paused_ns[device] = np.where(paused == NEVER, event_ns, paused)

    def _resume(self, device: Devices, event_ns: Ints) -> None:
        """Leave the unknown time out of running timers."""
        back = self.paused_ns[device] != NEVER
        if not back.any():
            return
        device, event_ns = device[back], event_ns[back]
        # Late rows may prove that it was known again before we thought it was not.
        away_ns = np.maximum(event_ns - self.paused_ns[device], 0)
        onset, over = self.onset_ns[device], self.over_ns[device]
        self.onset_ns[device] = np.where(onset == NEVER, NEVER, onset + away_ns[:, None])
        self.over_ns[device] = np.where(over == NEVER, NEVER, over + away_ns)
        self.paused_ns[device] = NEVER
