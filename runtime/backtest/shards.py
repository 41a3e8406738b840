"""Disjoint sets of devices that are judged apart, each in a process of its own."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from domain.equipment import Equipment, Kind
from runtime.backtest.columns import Part

ROWS_SHARE = {Kind.LIFT: 3.0, Kind.BOILER: 10.0, Kind.CRANE: 5.0}
"""Rows of a device against those of a kind not named here, roughly: it balances the shards."""

SHARD_DEVICES = 500
"""Devices of one kind from which on it pays to share them out (measured)."""


def split(equipment: Iterable[Equipment], count: int) -> list[tuple[Equipment, ...]]:
    """Split a registry into at most ``count`` shards of about the same work.

    Devices of one area stay together, so that a cause which they share is seen; so do those of one
    gateway, whose messages speak of several. Within a shard the order is the registry's.
    """
    groups = sorted(_groups(equipment), key=lambda group: (-_work(group), group[0][0]))
    shards: list[list[tuple[int, Equipment]]] = [[] for _ in range(max(count, 1))]
    loads = [0.0] * len(shards)
    for group in groups:
        lightest = loads.index(min(loads))
        shards[lightest] += group
        loads[lightest] += _work(group)
    return [tuple(e for _, e in sorted(shard, key=lambda one: one[0])) for shard in shards if shard]


_Group = list[tuple[int, Equipment]]


def _work(group: _Group) -> float:
    return sum(ROWS_SHARE.get(equipment.kind, 1.0) for _, equipment in group)


def _groups(equipment: Iterable[Equipment]) -> Iterable[_Group]:
    """Devices with their place, joined by what they share."""
    joined = _Joined()
    rows = list(enumerate(equipment))
    for _, one in rows:
        first, *others = _bonds(one)
        for other in others:
            joined.join(first, other)
    groups: defaultdict[_Bond, _Group] = defaultdict(list)
    for place, one in rows:
        groups[joined.root(_bonds(one)[0])].append((place, one))
    return groups.values()


_Bond = tuple[str, str]


def _bonds(one: Equipment) -> list[_Bond]:
    bonds = [("area", one.area_path), ("gateway", one.gateway_id)]
    return [bond for bond in bonds if bond[1]] or [("device", one.id)]


class _Joined:
    """Disjoint sets."""

    def __init__(self) -> None:
        self._parents: dict[_Bond, _Bond] = {}

    def root(self, bond: _Bond) -> _Bond:
        parent = self._parents.get(bond, bond)
        while parent != bond:
            grandparent = self._parents.get(parent, parent)
            self._parents[bond] = grandparent
            bond, parent = parent, grandparent
        return bond

    def join(self, one: _Bond, other: _Bond) -> None:
        self._parents[self.root(one)] = self.root(other)


def together(parts: Sequence[Part], kind: Kind, count: int) -> list[list[Part]]:
    """Parts of one kind that are played together, in at most ``count`` shards.

    A round of many devices costs hardly more than one of few, so a kind is only shared out when it
    has `SHARD_DEVICES` or more for every shard.
    """
    sizes = [len(part.ids[kind.value]) for part in parts]
    count = max(1, min(count, sum(sizes) // SHARD_DEVICES, len(parts)))
    shards: list[list[Part]] = [[] for _ in range(count)]
    loads = [0] * count
    for part, size in sorted(zip(parts, sizes, strict=True), key=lambda one: -one[1]):
        lightest = loads.index(min(loads))
        shards[lightest].append(part)
        loads[lightest] += size
    return [shard for shard in shards if shard]
