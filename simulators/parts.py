"""Parts of a world that are simulated apart, each in a process of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.equipment import Equipment, Kind
from simulators.scenario import FleetSize

ORDER = (Kind.LIFT, Kind.BOILER, Kind.CRANE, Kind.ESCALATOR, Kind.VESSEL)
"""Kinds in the order of a world's devices."""

PART_DEVICES: Mapping[Kind, int] = {
    Kind.LIFT: 250,
    Kind.BOILER: 100,
    Kind.CRANE: 100,
    Kind.ESCALATOR: 500,
    Kind.VESSEL: 200,
}
"""Devices of one part: enough that array operations pay, few enough to share out over processes."""

PART_LIFTS_MAX = 1_000
"""Most lifts of one part: two parts share a large fleet until they are so large. Lifts step five
times a second, so that the fixed cost of a step counts most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Slots of each kind that one part simulates.

    Parameters
    ----------
    number
        0 for a whole world; the parts of a world count from 1.
    """

    number: int
    slots: Mapping[Kind, range]

    @classmethod
    def whole(cls, fleet: FleetSize) -> "Part":
        """All devices of a fleet."""
        return cls(number=0, slots={kind: range(fleet.of(kind)) for kind in ORDER})

    def of(self, equipment: Sequence[Equipment], fleet: FleetSize) -> tuple[Equipment, ...]:
        """Rows of the part, of the rows of the whole world."""
        rows: list[Equipment] = []
        first = 0
        for kind in ORDER:
            slots = self.slots[kind]
            rows += equipment[first + slots.start : first + slots.stop]
            first += fleet.of(kind)
        return tuple(rows)

    def first_devices(self) -> dict[Kind, int]:
        """Place of each kind's first device among the devices of the part."""
        places: dict[Kind, int] = {}
        place = 0
        for kind in ORDER:
            places[kind] = place
            place += len(self.slots[kind])
        return places


def parts(fleet: FleetSize) -> tuple[Part, ...]:
    """Parts of a fleet, the same ones whoever simulates them: one kind each, in world order."""
    ranges = [
        (kind, range(start, min(start + size, fleet.of(kind))))
        for kind in ORDER
        for size in (_devices(kind, fleet),)
        for start in range(0, fleet.of(kind), size)
    ]
    return tuple(
        Part(
            number=number,
            slots={kind: slots if kind is own else range(0) for kind in ORDER},
        )
        for number, (own, slots) in enumerate(ranges, start=1)
    )


def _devices(kind: Kind, fleet: FleetSize) -> int:
    """Devices of a part of one kind."""
    size = PART_DEVICES[kind]
    if kind is not Kind.LIFT:
        return size
    return max(size, min(-(-fleet.lifts // 2), PART_LIFTS_MAX))
