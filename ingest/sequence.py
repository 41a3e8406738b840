"""Which items are duplicates, and how many are missing, by the device's own numbering."""

from bisect import bisect_right
from collections.abc import Iterator

import msgspec

RANGES_MAX = 256
"""Unbroken runs of numbers remembered per boot. Below the oldest one it is no longer known which
numbers arrived: such an item counts as new, because a doubled row is better than a lost one."""

BOOTS_MAX = 4
"""Boots of one device whose numbers are remembered: a buffer may hold items of the last one."""

KEYS_MAX = 1_024
"""Items without boot and number that are remembered per device: two full arrays."""

KEY_BYTES = 8
"""Size of the digest that stands for such an item."""

GAP_MAX = 1_000_000
"""A wider gap is a counter that was set anew, not that many lost items."""


class Numbers(msgspec.Struct):
    """Numbers of one boot that arrived, as unbroken runs.

    Parameters
    ----------
    starts, ends
        First and last number of each run, rising.
    floor
        Up to here it is no longer known which numbers arrived; -1 when everything is known.
    missing_below
        Missing numbers below ``floor``.
    noticed_ns
        For each run, received time of the item that showed the hole before it; 0 where there is no
        hole that counts. An item that extends the newest run changes nothing here.
    """

    starts: list[int]
    ends: list[int]
    floor: int = -1
    missing_below: int = 0
    noticed_ns: list[int] = msgspec.field(default_factory=lambda: [0])

    def holds(self, seq: int) -> bool:
        """Whether a number is known to have arrived."""
        run = bisect_right(self.starts, seq) - 1
        return run >= 0 and seq <= self.ends[run]

    def holes(self) -> Iterator[tuple[int, int, int]]:
        """Missing numbers above ``floor``: first, last, and received time that showed the hole."""
        before = self.floor
        for start, end, noticed_ns in zip(self.starts, self.ends, self.noticed_ns, strict=True):
            if _gap(before, start):
                yield before + 1, start - 1, noticed_ns
            before = end

    def arrive(self, seq: int, received_at_ns: int = 0) -> int | None:
        """Take a number in that came at a received time.

        Returns
        -------
        int or None
            Change in the count of missing numbers; ``None`` for a duplicate.
        """
        ends = self.ends
        if seq == ends[-1] + 1:
            ends[-1] = seq
            return 0
        run = bisect_right(self.starts, seq) - 1
        if run >= 0 and seq <= ends[run]:
            return None
        if seq <= self.floor:
            return self._below()
        before = ends[run] if run >= 0 else self.floor
        after = self.starts[run + 1] if run + 1 < len(ends) else -1
        self._insert(run, seq, received_at_ns)
        return _gap(before, seq) + _gap(seq, after) - _gap(before, after)

    def _below(self) -> int:
        filled = min(1, self.missing_below)
        self.missing_below -= filled
        return -filled

    def _insert(self, run: int, seq: int, received_at_ns: int) -> None:
        starts, ends = self.starts, self.ends
        extends = run >= 0 and ends[run] == seq - 1
        if run + 1 < len(starts) and starts[run + 1] == seq + 1:
            if extends:
                ends[run] = ends.pop(run + 1)
                del starts[run + 1], self.noticed_ns[run + 1]
            else:
                starts[run + 1] = seq
        elif extends:
            ends[run] = seq
        else:
            starts.insert(run + 1, seq)
            ends.insert(run + 1, seq)
            # Both parts of a hole that is split were noticed when the whole was.
            split = run + 1 < len(self.noticed_ns)
            self.noticed_ns.insert(run + 1, self.noticed_ns[run + 1] if split else 0)
            self._notice(run + 2, received_at_ns)
        self._notice(run + 1, received_at_ns)
        if len(starts) > RANGES_MAX:
            self.missing_below += _gap(self.floor, starts.pop(0))
            self.floor = ends.pop(0)
            del self.noticed_ns[0]

    def _notice(self, run: int, received_at_ns: int) -> None:
        """Remember when the hole before a run was noticed, if there is one that counts."""
        if run >= len(self.starts):
            return
        before = self.ends[run - 1] if run else self.floor
        hole = _gap(before, self.starts[run])
        self.noticed_ns[run] = (self.noticed_ns[run] or received_at_ns) if hole else 0


class Sequence(msgspec.Struct):
    """Everything remembered of one device to recognise duplicates and count gaps.

    Parameters
    ----------
    lost
        Items missing now, over all boots; of a forgotten boot they stay counted.
    boots
        Numbers by boot, newest boot last.
    keys
        Digests of recent items that boot and number do not identify, `KEY_BYTES` each.
    next_key
        Where the next digest goes once ``keys`` is full.
    """

    lost: int = 0
    boots: dict[str, Numbers] = msgspec.field(default_factory=dict)
    keys: bytearray = msgspec.field(default_factory=bytearray)
    next_key: int = 0

    def numbered(self, boot: str, seq: int, received_at_ns: int = 0) -> bool:
        """Take in an item that boot and number identify; say whether it is new."""
        numbers = self.boots.get(boot)
        if numbers is None:
            self.boots[boot] = Numbers([seq], [seq])
            if len(self.boots) > BOOTS_MAX:
                del self.boots[next(iter(self.boots))]
            return True
        change = numbers.arrive(seq, received_at_ns)
        if change is None:
            return False
        self.lost += change
        return True

    def holds(self, boot: str, seq: int) -> bool:
        """Whether an item that boot and number identify is known to have arrived."""
        numbers = self.boots.get(boot)
        return numbers is not None and numbers.holds(seq)

    def keyed(self, key: bytes) -> bool:
        """Take in an item that its digest identifies; say whether it is new."""
        found = self.keys.find(key)
        while found >= 0 and found % KEY_BYTES:
            found = self.keys.find(key, found + 1)
        if found >= 0:
            return False
        if len(self.keys) < KEYS_MAX * KEY_BYTES:
            self.keys += key
        else:
            self.keys[self.next_key : self.next_key + KEY_BYTES] = key
            self.next_key = (self.next_key + KEY_BYTES) % (KEYS_MAX * KEY_BYTES)
        return True


def _gap(before: int, after: int) -> int:
    """Numbers between two that arrived; none when there is no such pair or the gap is absurd."""
    if before < 0 or after < 0:
        return 0
    width = after - before - 1
    return width if width <= GAP_MAX else 0
