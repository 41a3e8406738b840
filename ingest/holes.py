"""Holes in a device's numbering by the hour in which they were noticed."""

import msgspec

from domain.findings import Evidence
from domain.ledger import HOUR_NS, NOTHING_MISSING, Missing, SeqRange
from ingest.sequence import Sequence

HOUR_RANGES_MAX = 256
"""Ranges of missing numbers that one row lists; the count stays exact beyond it."""

Hole = tuple[int, str, int, int]
"""Received time that showed it, boot, first and last missing number."""


class Gaps(msgspec.Struct):
    """Holes of one device by the hour in which they were noticed.

    Parameters
    ----------
    open
        Holes that may still be filled.
    settled
        Holes whose numbers the decoder forgot: nothing can fill them any more. Kept while the hour
        has open ones, since its whole list is written again when they change.
    unlisted
        Missing items of the hour whose numbers were forgotten before they were seen here.
    forgotten
        Missing items over all hours that ``open`` does not hold.
    claimed_ns
        Noticed time of the newest hole that a standing finding claims; 0 = none stands.
    claimed_at_ns
        Awake time of that claim.
    """

    open: dict[int, list[Hole]] = msgspec.field(default_factory=dict)
    settled: dict[int, list[Hole]] = msgspec.field(default_factory=dict)
    unlisted: dict[int, int] = msgspec.field(default_factory=dict)
    forgotten: int = 0
    claimed_ns: int = 0
    claimed_at_ns: int = 0

    def scan(self, sequence: Sequence, hour: int) -> set[int]:
        """Take over the holes as they are now; return the hours in which something changed.

        Parameters
        ----------
        hour
            Where missing items count whose numbers were forgotten at once.
        """
        before, self.open = self.open, _holes(sequence)
        hours = before.keys() | self.open.keys()
        changed = {one for one in hours if before.get(one) != self.open.get(one)}
        for one in changed:
            given_up = [hole for hole in before.get(one, ()) if _forgotten(hole, sequence)]
            if given_up:
                self.settled.setdefault(one, []).extend(given_up)
                self.forgotten += _width(given_up)
        unseen = sequence.lost - self.forgotten - sum(map(_width, self.open.values()))
        self.forgotten += unseen
        if unseen > 0:
            self.unlisted[hour] = self.unlisted.get(hour, 0) + unseen
            changed.add(hour)
        return changed

    def missing(self, hour: int) -> Missing:
        """What is missing of an hour."""
        holes = [*self.settled.get(hour, ()), *self.open.get(hour, ())]
        count = _width(holes) + self.unlisted.get(hour, 0)
        listed = tuple(SeqRange(*hole[1:]) for hole in holes[:HOUR_RANGES_MAX])
        return Missing(count=count, ranges=listed) if count else NOTHING_MISSING

    def forget(self, before_hour: int) -> None:
        """Drop the lists of hours before one that nothing can change any more."""
        for past in (self.settled, self.unlisted):
            for hour in [h for h in past if h < before_hour and h not in self.open]:
                del past[hour]

    def unclaimed_ns(self) -> int | None:
        """Noticed time of the oldest hole that no finding claims yet."""
        times = (hole[0] for holes in self.open.values() for hole in holes)
        return min((noticed for noticed in times if noticed > self.claimed_ns), default=None)

    def newest_ns(self) -> int:
        """Noticed time of the newest hole."""
        return max(hole[0] for holes in self.open.values() for hole in holes)

    def evidence(self) -> tuple[Evidence, ...]:
        """How many items are missing, and the newest hole."""
        holes = [hole for found in self.open.values() for hole in found]
        noticed_ns, boot, first, last = max(holes)
        return (
            Evidence(name="missing_items", value=float(_width(holes))),
            Evidence(name="missing_range", value=f"{boot}: {first}-{last}", since_ns=noticed_ns),
        )


def _holes(sequence: Sequence) -> dict[int, list[Hole]]:
    """Holes of all boots by the hour in which they were noticed, oldest boot first."""
    by_hour: dict[int, list[Hole]] = {}
    for boot, numbers in sequence.boots.items():
        for first, last, noticed_ns in numbers.holes():
            by_hour.setdefault(noticed_ns // HOUR_NS, []).append((noticed_ns, boot, first, last))
    return by_hour


def _forgotten(hole: Hole, sequence: Sequence) -> bool:
    """Whether a hole can no longer be filled, because its numbers are not remembered."""
    _, boot, _, last = hole
    numbers = sequence.boots.get(boot)
    return numbers is None or last <= numbers.floor


def _width(holes: list[Hole]) -> int:
    return sum(last - first + 1 for _, _, first, last in holes)
