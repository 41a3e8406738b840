"""Stories of one device in virtual time, told to the production decoder-free bank.

story = LiftStory()
story.at(0, car_status=1, door_zone=False)
story.at(20, car_status=0)
story.until(200)
assert story.levels() == [...]
"""

from collections.abc import Mapping, Sequence
from typing import Any

from detectors.bank import Bank
from domain.equipment import Equipment, Fleet, Kind, build_fleet
from domain.findings import Finding
from domain.instants import NS_PER_S, seconds
from domain.readings import Quality, Stream
from tests.support.batches import make_batch

T0 = 1_780_000_000 * NS_PER_S

PARKED: Mapping[str, Any] = {
    "service_mode": 1,
    "car_status": 0,
    "door_zone": True,
    "door_closed": True,
    "passenger_present": False,
    "car_position": "1",
    "mains_power": True,
}


class Story:
    """Rows of one device at seconds from the start, with the journal's ticks in between."""

    def __init__(
        self,
        equipment: Equipment,
        *,
        parameters: Any = None,
        lag_s: float = 0.0,
        heartbeat_s: int = 0,
    ) -> None:
        self.kind = equipment.kind
        self.fleet: Fleet = build_fleet(1, [equipment])
        self.bank = Bank(self.fleet, parameters)
        self.findings: list[Finding] = []
        self.lag_s = lag_s
        self._position = 0
        self._texts: dict[str, int] = {}
        self._ticked_s = -1
        self._heartbeat_s = heartbeat_s

    def at(
        self, t_s: float, *, received_s: float | None = None, quality: int = 0, **values: Any
    ) -> "Story":
        """Report channels at an event time; received later by the story's lag."""
        return self._row(t_s, received_s, {"v": values, "quality": quality})

    def code(
        self,
        t_s: float,
        key: str,
        *,
        active: bool = True,
        received_s: float | None = None,
        quality: int = 0,
    ) -> "Story":
        """Report a code."""
        row = {"code": key, "active": active, "stream": Stream.FAULT, "quality": quality}
        return self._row(t_s, received_s, row)

    def alive(self, t_s: float, *, online: bool = True) -> "Story":
        """Report a sign of life, or the last will."""
        return self._row(t_s, None, {"online": int(online), "stream": Stream.ALIVE})

    def until(self, t_s: float) -> "Story":
        """Let the journal tick every second up to a received time."""
        while self._ticked_s + 1 <= t_s:
            self._ticked_s += 1
            self._position += 1
            self.findings += self.bank.tick(T0 + seconds(self._ticked_s), self._position)
            if self._heartbeat_s and self._ticked_s and self._ticked_s % self._heartbeat_s == 0:
                self._take({"online": 1, "stream": Stream.ALIVE}, self._ticked_s, self._ticked_s)
        return self

    def away(self, t_s: float) -> "Story":
        """Stop the journal until a received time: our own outage."""
        self._ticked_s = int(t_s) - 1
        return self

    def levels(self, *kinds: str) -> list[tuple[str, str, float, float]]:
        """Raised findings as (kind, level, onset in s, detected in s)."""
        return [
            (f.kind.value, f.level.value, _s(f.onset_ns), _s(f.detected_at_ns))
            for f in self.findings
            if f.phase == "raised" and (not kinds or f.kind in kinds)
        ]

    def ended(self) -> list[tuple[str, str]]:
        """Ended findings as (kind, reason)."""
        return [(f.kind.value, f.reason) for f in self.findings if f.phase == "ended"]

    def _row(self, t_s: float, received_s: float | None, row: dict[str, Any]) -> "Story":
        received = t_s + self.lag_s if received_s is None else received_s
        self.until(received - 1e-9)
        self._take(row, t_s, received)
        return self

    def _take(self, row: dict[str, Any], t_s: float, received_s: float) -> None:
        self._position += 1
        row |= {
            "id": self.fleet.ids[self.kind][0],
            "t": T0 + seconds(t_s),
            "received_at_ns": T0 + seconds(received_s),
            "position": self._position,
        }
        ids = self.fleet.ids[self.kind]
        self.findings += self.bank.step(make_batch(self.kind, [row], ids=ids, texts=self._texts))


def lift(**registry: Any) -> Story:
    """A lift that is parked at time 0 with nobody in it."""
    names = ("lag_s", "parameters", "heartbeat_s")
    options = {name: registry.pop(name) for name in names if name in registry}
    story = Story(Equipment(id="L1", kind=Kind.LIFT, **registry), **options)
    return story.at(0, **PARKED)


def ride(story: Story, t_s: float, run_s: float) -> Story:
    """Somebody boards at ``t_s``, and the car runs ``run_s`` from 8 s later, door closed."""
    story.at(t_s, door_closed=False)
    story.at(t_s + 2, passenger_present=True)
    story.at(t_s + 6, door_closed=True)
    story.at(t_s + 8, car_status=1, car_direction=1, door_zone=False)
    return story.until(t_s + 8 + run_s)


def leave(story: Story, t_s: float) -> Story:
    """The door opens, the passenger leaves, the door closes; presence holds for 10 s more."""
    story.at(t_s, door_closed=False)
    story.at(t_s + 7, door_closed=True)
    return story.at(t_s + 13, passenger_present=False)


def only(levels: Sequence[tuple[str, str, float, float]]) -> tuple[str, str, float, float]:
    """The one entry."""
    (entry,) = levels
    return entry


LATE = int(Quality.LATE)


def _s(instant_ns: int) -> float:
    return round((instant_ns - T0) / NS_PER_S, 3)
