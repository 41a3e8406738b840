"""Crane lost load: the load on the hook is gone within a second, high above the floor.

    load     ‾‾‾‾carried, steady for 2 s‾‾‾‾|_______________
    height   ______6 m _____________________________________
    s                                       0 next low sample: suspected   5 confirmed

From the last sample that carries (`keep_share` of the carried load) to the first that does not
(`low_share`) at most `collapse_s` may pass. A load that comes back within the confirmation was a
drop-out of the cell. Setting down on something high also takes the load off: it needs the hook to
be lowered, so nothing is judged while the hoist lowers (command, speed or height) or did within
`lowered_s`. A reading that wandered off, or that a fall left over, is no load that was lifted.

It fails for loads that are lost while lowering, for a cell that breaks and reads zero, which looks
the same, for an operator who zeroes the display under load, and with samples slower than
`collapse_s`. Height or load unknown: not judged.

Sources: collapse in less than 1 s above 1 m (D); the shares are ours. State 64 B a crane.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.crane_ratings import Ratings, observed, present, reported, since_s, whether
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import seconds

CARRIED_SHARE = 0.2
"""Weight of the newest sample in the carried load while it stays about the same (ours)."""

GROWN_MAX = 1.5
"""A load that grew by more since it was lifted is a zero that wanders (ours)."""

MOVING_MPS = 0.02
LOWERED_M = 0.02
"""Hoist speed, and fall of the hook between two heights, that count as lowering (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CraneLostLoadParameters:
    """Parameters of the rule; shares of the carried load, ratios of the rated load."""

    load_min_ratio: float = 0.05
    keep_share: float = 0.85
    low_share: float = 0.15
    collapse_s: float = 1.1
    steady_s: float = 2.0
    height_min_m: float = 1.0
    lowered_s: float = 5.0
    confirmed_hold_s: float = 5.0
    memory_s: float = 60.0


class CraneLostLoad:
    """Lost loads of n cranes."""

    name = "crane_lost_load"
    kinds = (Kind.CRANE,)
    incident = IncidentKind.LOST_LOAD
    channels = ("hook_load_t", "hook_height_m", "hoist_speed_mps", "hoist_command")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: CraneLostLoadParameters) -> None:
        self._p = parameters
        self._ratings = Ratings()
        self.carried_t: Floats = np.empty(0)
        self.lifted_t: Floats = np.empty(0)
        self.lost_t: Floats = np.empty(0)
        self.height_m: Floats = np.empty(0)
        self.firm_ns: Ints = np.empty(0, dtype=np.int64)
        self.kept_ns: Ints = np.empty(0, dtype=np.int64)
        self.lowered_ns: Ints = np.empty(0, dtype=np.int64)
        self.lost_ns: Ints = np.empty(0, dtype=np.int64)
        self.proved = np.empty(0, dtype=np.bool_)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated loads."""
        del kind
        self._ratings.grow(fleet)
        n = len(self._ratings.rated_t)
        for name in self.arrays():
            fill = np.nan if name in _UNSET else 0
            setattr(self, name, grown(getattr(self, name), n, fill))

    def arrays(self) -> tuple[str, ...]:
        """Carried and lost load, and their times."""
        return (*_UNSET, "proved", *self.times())

    def times(self) -> tuple[str, ...]:
        """Since when carried, last carried, last lowered, lost."""
        return ("firm_ns", "kept_ns", "lowered_ns", "lost_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        self._lower(rows, context)
        load = reported(rows, "hook_load_t")
        height = column(context, device, "hook_height_m")
        fresh = np.flatnonzero(whether(~np.isnan(load), self._ratings.rated_t[device]))
        self._carry(device[fresh], rows.event_ns[fresh], load[fresh], height[fresh])
        lost_ns = self.lost_ns[device]
        stands = (lost_ns != NEVER) & (since_s(rows.event_ns, lost_ns) < p.memory_s)
        proved, none = stands & self.proved[device], np.zeros(m, dtype=np.bool_)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 2] = seconds(p.confirmed_hold_s)
        present_t = column(context, device, "hook_load_t")
        return Judgement(
            standing=levels(none, proved, proved),
            hold_ns=hold_ns,
            over=~stands,
            over_hold_ns=same(m, 0.0),
            known=whether(
                context.current.known[device], present_t, height, self._ratings.rated_t[device]
            ),
            onset_ns=np.where(stands, lost_ns, rows.event_ns),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        channels = (("hook_load_t", "t"), ("hook_height_m", "m"), ("hoist_command", ""))
        return (observed("lost_t", self.lost_t[device], "t"), *present(context, device, *channels))

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del context
        return "load_came_back" if self.lost_ns[device] == NEVER else "some_time_ago"

    def _lower(self, rows: Rows, context: Context) -> None:
        """Note which hooks are being lowered."""
        device, height = rows.device, reported(rows, "hook_height_m")
        with np.errstate(invalid="ignore"):
            lowers = (
                (column(context, device, "hoist_command") == -1)
                | (column(context, device, "hoist_speed_mps") < -MOVING_MPS)
                | (height < self.height_m[device] - LOWERED_M)
            )
        self.lowered_ns[device[lowers]] = rows.event_ns[lowers]
        fresh = ~np.isnan(height)
        self.height_m[device[fresh]] = height[fresh]

    def _carry(self, device: Devices, event_ns: Ints, load: Floats, height: Floats) -> None:
        """Take in one load of each device."""
        p, carried = self._p, self.carried_t[device]
        kept = load >= p.keep_share * carried
        firm = kept & (load <= carried / p.keep_share)
        low = ~kept & (load <= p.low_share * carried)
        slow = ~kept & ~low & (since_s(event_ns, self.kept_ns[device]) > p.collapse_s)
        lost = low & self._collapsed(device, event_ns, height)
        self._prove(device, load)
        self.lost_ns[device[lost]] = event_ns[lost]
        self.lost_t[device[lost]] = carried[lost]
        self.proved[device[lost]] = False
        follows = carried + CARRIED_SHARE * (load - carried)
        waits = ~kept & ~low & ~slow & ~np.isnan(carried)
        self.carried_t[device] = np.select([firm, waits], [follows, carried], load)
        anew = ~firm & ~waits
        self.firm_ns[device[anew]] = event_ns[anew]
        rises = kept | np.isnan(carried)
        self.lifted_t[device[anew]] = np.where(rises, load, np.nan)[anew]
        self.kept_ns[device[~waits]] = event_ns[~waits]

    def _collapsed(self, device: Devices, event_ns: Ints, height: Floats) -> Bools:
        """Whether loads that are gone went fast, from a steady load, high up, not being lowered."""
        p = self._p
        steady = since_s(self.kept_ns[device], self.firm_ns[device]) >= p.steady_s
        fast = since_s(event_ns, self.kept_ns[device]) <= p.collapse_s
        carried = self.carried_t[device]
        heavy = carried >= p.load_min_ratio * self._ratings.rated_t[device]
        heavy &= carried <= GROWN_MAX * self.lifted_t[device]
        lowered = since_s(event_ns, self.lowered_ns[device]) <= p.lowered_s
        return steady & fast & heavy & (height > p.height_min_m) & ~lowered

    def _prove(self, device: Devices, load: Floats) -> None:
        """One more low sample proves a loss; a load that is there again was never lost."""
        open_case = self.lost_ns[device] != NEVER
        there = load >= self.lost_t[device] / 2
        self.proved[device[open_case & ~there]] = True
        self.lost_ns[device[open_case & there]] = NEVER


_UNSET = ("carried_t", "lifted_t", "lost_t", "height_m")
"""State that begins as unknown."""
