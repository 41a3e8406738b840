"""Which items are duplicates, and how many are missing, by the device's own numbering."""

from enum import Enum

import msgspec

MISSING_MAX = 4_096
"""Missing numbers remembered per boot; older ones stay counted as lost."""

BOOTS_MAX = 4
"""Boots of one device whose numbers are remembered: a buffer may hold items of the last one."""

KEYS_MAX = 256
"""Items without a number that are remembered per device to recognise duplicates."""

_RESTART_JUMP = 1_000_000


class Arrival(Enum):
    """What an item is by its number."""

    FRESH = 0
    DUPLICATE = 1


class Numbers(msgspec.Struct):
    """Numbers of one boot: everything from ``low`` to ``high`` arrived, but for ``missing``.

    Parameters
    ----------
    forgotten
        Missing numbers no longer remembered one by one.
    """

    low: int
    high: int
    missing: set[int]
    forgotten: int = 0

    def arrive(self, seq: int) -> Arrival:
        """Take a number in."""
        if seq > self.high:
            self._jump(seq)
        elif seq in self.missing:
            self.missing.remove(seq)
        elif seq >= self.low:
            return Arrival.DUPLICATE
        else:
            self._miss(range(seq + 1, self.low))
            self.low = seq
        return Arrival.FRESH

    @property
    def lost(self) -> int:
        """Numbers not seen between the first and the newest one."""
        return len(self.missing) + self.forgotten

    def _jump(self, seq: int) -> None:
        gap = range(self.high + 1, seq)
        # A jump this far is a counter that was set anew, not that many lost items.
        if len(gap) <= _RESTART_JUMP:
            self._miss(gap)
        else:
            self.low = seq
        self.high = seq

    def _miss(self, gap: range) -> None:
        self.missing.update(gap[-MISSING_MAX:])
        self.forgotten += max(0, len(gap) - MISSING_MAX)
        excess = len(self.missing) - MISSING_MAX
        if excess > 0:
            for seq in sorted(self.missing)[:excess]:
                self.missing.remove(seq)
            self.forgotten += excess


class Sequence(msgspec.Struct):
    """Everything remembered of one device to recognise duplicates and count gaps.

    Parameters
    ----------
    boots
        Numbers by boot, newest boot last; items without a boot use the empty one.
    keys
        Digests of recent items that number or boot do not identify, oldest first.
    dropped_lost
        Lost numbers of boots no longer remembered.
    """

    boots: dict[str, Numbers] = msgspec.field(default_factory=dict)
    keys: list[int] = msgspec.field(default_factory=list)
    dropped_lost: int = 0

    @property
    def lost(self) -> int:
        """Items missing now, over all boots."""
        return self.dropped_lost + sum(numbers.lost for numbers in self.boots.values())

    def numbered(self, boot: str, seq: int) -> Arrival:
        """Take in an item with boot and number: the two identify it."""
        numbers = self.boots.get(boot)
        if numbers is None:
            self._new_boot(boot, seq)
            return Arrival.FRESH
        return numbers.arrive(seq)

    def keyed(self, key: int, seq: int) -> Arrival:
        """Take in an item without a boot: ``key`` identifies it, ``seq`` (or -1) counts gaps."""
        if key in self.keys:
            return Arrival.DUPLICATE
        self.keys.append(key)
        if len(self.keys) > KEYS_MAX:
            del self.keys[0]
        if seq >= 0 and self.numbered("", seq) is Arrival.DUPLICATE:
            # The number was used before with another time: the device started anew.
            self.dropped_lost += self.boots.pop("").lost
            self._new_boot("", seq)
        return Arrival.FRESH

    def _new_boot(self, boot: str, seq: int) -> None:
        self.boots[boot] = Numbers(low=seq, high=seq, missing=set())
        if len(self.boots) > BOOTS_MAX:
            oldest = next(iter(self.boots))
            self.dropped_lost += self.boots.pop(oldest).lost
