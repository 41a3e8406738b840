"""Lifts: trips, jerk-limited motion, doors, passengers, level switch, presence sensor, counters.

Structure of arrays over the fleet. Motion and the level switch are evaluated together for all
moving cars; a car's change of phase (a few a step in a whole district) is handled one by one.
Sources of the figures: elevators.md 6.1 and 6.2; all are defaults of the simulation, none a rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from simulators.clock import STEP_S
from simulators.motion import Runs, plan

DOOR_ZONE_M = 0.2
"""Half of the unlocking zone: the level switch is on within so much of a floor."""

DOOR_S = 3.0
"""Time the door takes to open, and to close."""

DWELL_S = (3.0, 8.0)
"""Range of the time a door stays open before anybody boards."""

BOARDING_S = 1.0
"""Time one person takes to board or leave."""

REOPEN_SHARE = 0.04
"""Probability that a closing door opens again."""

PRESENCE_HOLD_S = 10.0
"""The presence sensor stays on so long after the last person left."""

START_DELAY_S = 0.6
"""Brake release after the door closed."""

STOP_DECELERATION_MPS2 = 1.4
"""Deceleration of a stop between floors."""

CREEP_SPEED_MPS = 0.3
"""Inspection and re-levelling speed."""

PERSON_KG = (75.0, 12.0)
"""Mean and spread of one person's mass."""

HOUR_WEIGHTS = (0.2, 0.1, 0.1, 0.1, 0.2, 0.5, 1.0, 2.0, 2.0, 1.3, 1.0, 1.3,
                1.5, 1.2, 1.0, 1.0, 1.3, 2.0, 2.0, 1.6, 1.2, 1.0, 0.7, 0.4)  # fmt: skip
"""Demand by hour of the day over the day's mean: two-way peaks at 07-09 and 17-20."""

TRIPS_PER_CALL = 1.7
"""Runs one call takes on average: often an empty one to the caller, then the ride."""

FROM_LOBBY_SHARE = 0.5
"""Share of calls that come from the main floor."""

TO_LOBBY_SHARE = 0.7
"""Share of the other calls that go there."""

NOBODY_S = float("-inf")


class Phase(IntEnum):
    """What a car is doing. `HELD` lasts until a script ends it."""

    IDLE = 0
    OPENING = 1
    OPEN = 2
    CLOSING = 3
    STARTING = 4
    MOVING = 5
    STOPPING = 6
    HELD = 7


# Plain integers: members of an enumeration are slow to look up and to compare.
_IDLE, _OPENING, _OPEN, _CLOSING, _STARTING, _MOVING, _STOPPING, _HELD = map(int, Phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftDesign:
    """What one lift is.

    Parameters
    ----------
    floors_m
        Heights of its floors over the lowest one, rising.
    labels
        What the car shows at each floor; some controllers send numbers, some texts.
    lobby
        Index of the main floor.
    trips_per_day
        Mean demand (ISO 25745-2 categories).
    """

    floors_m: tuple[float, ...]
    labels: tuple[str | int, ...]
    lobby: int
    rated_speed_mps: float
    acceleration_mps2: float
    jerk_mps3: float
    trips_per_day: float
    report_interval_s: float


class Lifts:
    """The state of n lifts.

    Parameters
    ----------
    designs
        One per lift, in slot order.
    rng
        Decides demand, dwell, people and counters.
    start_hour
        Hour of the day at the world's start, for the demand.
    """

    def __init__(
        self, designs: Sequence[LiftDesign], rng: np.random.Generator, *, start_hour: float
    ) -> None:
        n = len(designs)
        self.designs = tuple(designs)
        self._rng = rng
        self._start_hour = start_hour
        self.phase: NDArray[np.int8] = np.zeros(n, dtype=np.int8)
        self.phase_end_s = np.full(n, np.inf)
        self.floor_m = _padded([design.floors_m for design in designs])
        self.floor = np.array([design.lobby for design in designs], dtype=np.int32)
        self.position_m = self.floor_m[np.arange(n), self.floor].copy()
        self.speed_mps = np.zeros(n)
        self.direction: NDArray[np.int8] = np.zeros(n, dtype=np.int8)
        self.at_zone = np.ones(n, dtype=bool)
        self.people = np.zeros(n, dtype=np.int32)
        self.load_kg = np.zeros(n)
        self.seen_s = np.full(n, NOBODY_S)
        self.service_mode = np.ones(n, dtype=np.int32)
        self.mains = np.ones(n, dtype=bool)
        self.trips = rng.integers(10_000, 900_000, n)
        self.door_cycles = (self.trips * rng.uniform(1.0, 1.2, n)).astype(np.int64)
        self.served = np.zeros(n, dtype=np.int64)
        self.running_s = self.trips * rng.uniform(8.0, 20.0, n)
        self._runs = Runs(n)
        self._run_start_s = np.zeros(n)
        self._run_from_m = self.position_m.copy()
        self._run_to_m = self.position_m.copy()
        self._arrive = np.full(n, Phase.OPENING, dtype=np.int8)
        self._origin = self.floor.copy()
        self._target = self.floor.copy()
        self._group = np.zeros(n, dtype=np.int32)
        self.next_call_s = np.array([self._gap_s(design, 0.0) for design in designs])
        self.accepting = np.ones(n, dtype=bool)
        self.stop_armed = np.zeros(n, dtype=bool)
        self.door_jammed = np.zeros(n, dtype=bool)
        self.start_jammed = np.zeros(n, dtype=bool)
        self.door_held = np.zeros(n, dtype=bool)
        self.presence_forced = np.zeros(n, dtype=bool)
        self.presence_blind = np.zeros(n, dtype=bool)
        self.goods_kg = np.zeros(n)
        self.door_forced_open = np.zeros(n, dtype=bool)
        self.stop_empty = np.zeros(n, dtype=bool)
        self.level_lost = np.zeros(n, dtype=bool)
        self._ride: dict[int, tuple[int, int | None]] = {}

    def __len__(self) -> int:
        """Return the number of lifts."""
        return len(self.designs)

    def ride(self, slot: int, people: int, *, target: int | None = None) -> None:
        """Have ``people`` board at the car's next stand, for ``target`` or a far floor."""
        self._ride[slot] = (people, target)
        self.next_call_s[slot] = 0.0

    def neighbour_floor(self, slot: int) -> int:
        """Floor above the car, or below it when there is none."""
        floor = int(self.floor[slot])
        return floor + 1 if floor + 1 < len(self.designs[slot].floors_m) else floor - 1

    def ride_pending(self, slot: int) -> bool:
        """Whether a ride asked for has not begun to board yet."""
        return slot in self._ride

    def drop_ride(self, slot: int) -> None:
        """Forget a ride asked for."""
        self._ride.pop(slot, None)

    def creep(self, slot: int, to_m: float, now_s: float, *, arrive: Phase = Phase.HELD) -> None:
        """Run slowly to a height and take up ``arrive`` there."""
        self._arrive[slot] = arrive
        self._start_run(slot, to_m, now_s, speed_mps=CREEP_SPEED_MPS)

    def run_empty(self, slot: int, to_m: float, now_s: float, *, arrive: Phase) -> None:
        """Send an idle car to a height at rated speed and take up ``arrive`` there."""
        self._arrive[slot] = arrive
        self._start_run(slot, to_m, now_s)

    def far_height(self, slot: int) -> float:
        """Height of the floor farthest from the car."""
        return float(self.floor_m[slot, self._far_floor(slot, int(self.floor[slot]))])

    def open_here(self, slot: int, now_s: float) -> None:
        """Open the door where the car stands; whoever is inside leaves."""
        self._target[slot] = self.floor[slot]
        self._begin_opening(slot, now_s)

    def relevel(self, slot: int, now_s: float) -> None:
        """Run slowly to the nearest floor, open, and let people out."""
        self._target[slot] = self.floor[slot]
        floor_m = float(self.floor_m[slot, self.floor[slot]])
        if abs(floor_m - self.position_m[slot]) > DOOR_ZONE_M:
            self.creep(slot, floor_m, now_s, arrive=Phase.OPENING)
        else:
            self._begin_opening(slot, now_s)

    def stand(self, slot: int) -> None:
        """Hold the car where it is until a script releases it."""
        self._set(slot, _HELD, float("inf"))

    def release(self, slot: int) -> None:
        """Let a held, empty car answer calls again."""
        self._set(slot, _IDLE, float("inf"))

    def step(self, now_s: float) -> None:
        """Advance all lifts to ``now_s``, one step after the last one."""
        self._move(now_s)
        over = now_s >= self.phase_end_s - 1e-9
        over &= ~(self.door_held & (self.phase == _OPEN))
        for slot in over.nonzero()[0]:
            self._finish(int(slot), now_s)
        calling = (self.phase == _IDLE) & (now_s >= self.next_call_s) & self.accepting
        for slot in calling.nonzero()[0]:
            self._take_call(int(slot), now_s)
        self.seen_s[self.people > 0] = now_s

    def present(self, now_s: float) -> NDArray[np.bool_]:
        """Presence sensor of each car: on while somebody is inside and for the hold-off after."""
        seen = (now_s - self.seen_s < PRESENCE_HOLD_S) & ~self.presence_blind
        return seen | self.presence_forced

    def _move(self, now_s: float) -> None:
        moving = (self.phase == _MOVING).nonzero()[0]
        if moving.size:
            covered, speed, _ = self._runs.at(moving, now_s - self._run_start_s[moving])
            way = self.direction[moving]
            self.position_m[moving] = self._run_from_m[moving] + way * covered
            self.speed_mps[moving] = way * speed
            self._stop_where_armed(moving, now_s)
        stopping = (self.phase == _STOPPING).nonzero()[0]
        if stopping.size:
            before = np.abs(self.speed_mps[stopping])
            after = np.maximum(before - STOP_DECELERATION_MPS2 * STEP_S, 0.0)
            way = self.direction[stopping]
            self.position_m[stopping] += way * (before + after) / 2.0 * STEP_S
            self.speed_mps[stopping] = way * after
        changed = np.concatenate([moving, stopping])
        if changed.size:
            self.running_s[changed] += STEP_S
            self._sense_level(changed)

    def _sense_level(self, slots: NDArray[np.intp]) -> None:
        distance = np.abs(self.floor_m[slots] - self.position_m[slots, None])
        self.floor[slots] = distance.argmin(axis=1)
        self.at_zone[slots] = distance.min(axis=1) <= DOOR_ZONE_M

    def _stop_where_armed(self, moving: NDArray[np.intp], now_s: float) -> None:
        armed = np.where(self.people[moving] > 0, self.stop_armed[moving], self.stop_empty[moving])
        for slot in moving[armed]:
            speed = abs(float(self.speed_mps[slot]))
            rest_m = self.position_m[slot] + self.direction[slot] * (
                speed**2 / (2.0 * STOP_DECELERATION_MPS2)
            )
            clearance_m = float(np.abs(self.floor_m[slot] - rest_m).min())
            if speed > 0.4 and clearance_m > 3.0 * DOOR_ZONE_M:  # noqa: PLR2004 - any real motion
                self.stop_armed[slot] = self.stop_empty[slot] = False
                self._set(int(slot), _STOPPING, now_s + speed / STOP_DECELERATION_MPS2)

    def _finish(self, slot: int, now_s: float) -> None:
        phase = int(self.phase[slot])
        if phase == _OPENING:
            self._exchange_people(slot, now_s)
        elif phase == _OPEN:
            self._set(slot, _CLOSING, now_s + DOOR_S)
        elif phase == _CLOSING:
            self._door_closed(slot, now_s)
        elif phase == _STARTING:
            self._start_ride(slot, now_s)
        elif phase == _MOVING:
            self._arrived(slot, now_s)
        elif phase == _STOPPING:
            self.speed_mps[slot] = 0.0
            self.direction[slot] = 0
            self._set(slot, _HELD, float("inf"))

    def _take_call(self, slot: int, now_s: float) -> None:
        design = self.designs[slot]
        floors = len(design.floors_m)
        here = int(self.floor[slot])
        self.next_call_s[slot] = now_s + self._gap_s(design, now_s)
        if slot in self._ride:
            people, target = self._ride.pop(slot)
            origin = here
            if target is None or target == here:
                target = self._far_floor(slot, here)
        else:
            people = 1 + min(int(self._rng.geometric(0.6)) - 1, 4)
            from_lobby = self._rng.random() < FROM_LOBBY_SHARE
            origin = design.lobby if from_lobby else int(self._rng.integers(floors))
            target = self._other_floor(origin, floors, design.lobby)
        self._group[slot], self._origin[slot], self._target[slot] = people, origin, target
        if origin == here:
            self._begin_opening(slot, now_s)
        else:
            self._arrive[slot] = _OPENING
            self._start_run(slot, float(self.floor_m[slot, origin]), now_s)

    def _far_floor(self, slot: int, here: int) -> int:
        floors_m = np.array(self.designs[slot].floors_m)
        return int(np.abs(floors_m - floors_m[here]).argmax())

    def _other_floor(self, origin: int, floors: int, lobby: int) -> int:
        if origin != lobby and self._rng.random() < TO_LOBBY_SHARE:
            return lobby
        other = int(self._rng.integers(floors - 1))
        return other + (other >= origin)

    def _begin_opening(self, slot: int, now_s: float) -> None:
        self.door_cycles[slot] += 1
        self._set(slot, _OPENING, now_s + DOOR_S)

    def _exchange_people(self, slot: int, now_s: float) -> None:
        moved = 0
        if self.people[slot] and self.floor[slot] == self._target[slot]:
            moved += int(self.people[slot])
            self._seat(slot, 0)
        elif self._group[slot] and self.floor[slot] == self._origin[slot]:
            moved += int(self._group[slot])
            self._seat(slot, int(self._group[slot]))
            self._group[slot] = 0
        dwell_s = self._rng.uniform(*DWELL_S) + BOARDING_S * moved
        self._set(slot, _OPEN, now_s + dwell_s)

    def _seat(self, slot: int, people: int) -> None:
        mean, spread = PERSON_KG
        self.people[slot] = people
        self.load_kg[slot] = float(np.sum(self._rng.normal(mean, spread, people)))

    def _door_closed(self, slot: int, now_s: float) -> None:
        if self._rng.random() < REOPEN_SHARE:
            self._begin_opening(slot, now_s)
        elif self.people[slot]:
            self._set(slot, _STARTING, now_s + START_DELAY_S)
        else:
            self._set(slot, _IDLE, float("inf"))

    def _start_ride(self, slot: int, now_s: float) -> None:
        if self.start_jammed[slot]:
            self.stand(slot)
            return
        self._arrive[slot] = _OPENING
        self._start_run(slot, float(self.floor_m[slot, self._target[slot]]), now_s)

    def _start_run(
        self, slot: int, to_m: float, now_s: float, *, speed_mps: float | None = None
    ) -> None:
        design = self.designs[slot]
        way_m = to_m - float(self.position_m[slot])
        run = plan(
            max(abs(way_m), 1e-3),
            speed_mps=speed_mps or design.rated_speed_mps,
            acceleration_mps2=design.acceleration_mps2,
            jerk_mps3=design.jerk_mps3,
        )
        self._runs.put(slot, run)
        self._run_start_s[slot] = now_s
        self._run_from_m[slot], self._run_to_m[slot] = self.position_m[slot], to_m
        self.direction[slot] = 1 if way_m > 0 else -1
        self.trips[slot] += 1
        self.served[slot] += speed_mps is None
        self._set(slot, _MOVING, now_s + run.duration_s)

    def _arrived(self, slot: int, now_s: float) -> None:
        self.position_m[slot] = self._run_to_m[slot]
        self.speed_mps[slot] = 0.0
        self.direction[slot] = 0
        self._sense_level(np.array([slot]))
        if self.door_jammed[slot] and self.people[slot]:
            self.stand(slot)
        elif self._arrive[slot] == _OPENING:
            self._begin_opening(slot, now_s)
        else:
            self._set(slot, int(self._arrive[slot]), float("inf"))

    def _set(self, slot: int, phase: int, end_s: float) -> None:
        self.phase[slot] = phase
        self.phase_end_s[slot] = end_s

    def _gap_s(self, design: LiftDesign, now_s: float) -> float:
        hour = int(self._start_hour + now_s / 3600.0) % 24
        calls_per_day = design.trips_per_day * HOUR_WEIGHTS[hour] / TRIPS_PER_CALL
        return float(self._rng.exponential(86_400.0 / calls_per_day))


def _padded(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    width = max((len(row) for row in rows), default=1)
    table = np.full((len(rows), width), np.inf)
    for slot, row in enumerate(rows):
        table[slot, : len(row)] = row
    return table
