"""Lift and escalator rules once more, for one device and one row at a time, in plain Python.

Written from what the modules say they do; see `tests.detectors.reference`.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from detectors import catalog
from domain.equipment import Equipment
from tests.detectors.reference import Device, Judged, Row, S, moves

SPECIAL = (2, 3, 4, 6)
Levels = tuple[bool, bool, bool]


class Judge(Protocol):
    """A reference of one detector for one device."""

    def judge(self, row: Row, device: Device) -> Judged:
        """What holds from a row on."""


class Since:
    """Since when something holds."""

    def __init__(self) -> None:
        self.at: int | None = None

    def take(self, row: Row, holds: bool) -> int:
        begun = row.event if self.at is None else self.at
        self.at = begun if holds else None
        return begun


def special(device: Device) -> bool:
    return device.get("service_mode") in SPECIAL


def active(device: Device, *keys: str) -> bool:
    return not device.codes.active.isdisjoint(keys)


def judged(
    row: Row,
    standing: bool | Levels,
    holds_s: float | tuple[float, float, float],
    *,
    known: bool,
    over: bool,
    over_s: float,
    since: int | None = None,
) -> Judged:
    return Judged(
        known=known,
        standing=standing if isinstance(standing, tuple) else (standing, False, False),
        holds_s=holds_s if isinstance(holds_s, tuple) else (holds_s, holds_s, holds_s),
        over=over,
        over_s=over_s,
        since=row.event if since is None else since,
    )


class StoppedOutsideZone:
    """`detectors.lift_stopped_outside_zone`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p = p
        zone_m, speed_mps = equipment.express_zone_m, equipment.rated_speed_mps
        self.express_s = max(40.0, zone_m / speed_mps + 15) if zone_m and speed_mps else 40.0
        self.since = Since()
        self.cut = self.lost = False
        self.back: int | None = None

    def judge(self, row: Row, device: Device) -> Judged:
        zone, moving = device.get("door_zone"), moves(device)
        self._follow(row, device)
        wrong = device.get("door_closed") == 0 or self._opened_here(device) or self.lost
        stands = (
            not moving
            and zone == 0
            and device.get("passenger_present") != 1
            and (not wrong or active(device, "gbt24476:04"))
            and device.get("mains_power") != 0
            and not special(device)
        )
        known = device.known and zone is not None
        begun = self.since.take(row, stands and known)
        hold_s = self.p.hold_s
        if self.back is not None:
            hold_s = max(hold_s, (self.back - begun) / S + self.p.relearn_s)
        return judged(
            row,
            stands,
            hold_s + (self.express_s if moving is None else 0),
            known=known,
            over=zone == 1 or bool(moving) or special(device),
            over_s=0 if special(device) else 10 if moving else 2,
            since=begun,
        )

    def _follow(self, row: Row, device: Device) -> None:
        mains, before = device.get("mains_power"), device.before
        if self.cut and mains == 1:
            self.back = row.event
        if mains is not None:
            self.cut = mains == 0
        stood = before.get("car_status") != 1 and not before.get("speed_mps")
        stands = moves(device) is False and stood
        if stands and before.get("door_zone") == 1 and device.get("door_zone") == 0:
            self.lost = True
        if moves(device) or device.get("door_zone") == 1:
            self.lost = False

    def _opened_here(self, device: Device) -> bool:
        history = device.history
        stop = history.stop or 0
        if moves(device) is None:
            stop = max(device.changed.get(name, 0) for name in ("door_zone", "car_position"))
        here = history.opened is not None and history.opened >= stop
        return here and history.closed - (history.opened or 0) >= 2 * S


class MovedWithDoorOpen:
    """`detectors.lift_moved_with_door_open`."""

    def __init__(self, p: Any) -> None:
        self.p = p
        self.moved = self.ran = False
        self.runs = 0

    def judge(self, row: Row, device: Device) -> Judged:
        zone, door, moving = device.get("door_zone"), device.get("door_closed"), moves(device)
        faulty = active(device, "gbt24476:01", "gbt24476:05")
        if moving and not self.ran and door == 0:
            self.runs += 1
        if door == 1:
            self.runs = 0
        self.ran = bool(moving)
        left = device.before.get("door_zone") == 1 and device.before.get("door_closed") == 0
        free = moving is not False and device.get("mains_power") != 0
        if door == 0 and zone == 0 and (moving or (left and (free or faulty))):
            self.moved = True
        believed = device.history.closed != 0 and self.runs <= 1
        if not believed or door == 1 or (zone == 1 and not moving) or special(device):
            self.moved = False
        moved = self.moved
        inside = device.get("passenger_present") == 1
        return judged(
            row,
            (moved, moved and (inside or faulty), moved and inside and faulty),
            self.p.hold_s,
            known=device.known and zone is not None and door is not None,
            over=door == 1 or (zone == 1 and not moving) or special(device),
            over_s=0 if special(device) else 2,
        )


class OverTravel:
    """`detectors.lift_over_travel`; ends are ``{1: top, 2: bottom}``."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p, self.rated_floors = p, equipment.floors
        self.label: float | None = None
        self.ends: dict[int, float] = {}
        self.turns = {1: 0, 2: 0}
        self.floors = 0
        self.heading = 0
        self.ran = self.reached = self.beyond = False
        self.since = Since()

    def judge(self, row: Row, device: Device) -> Judged:
        zone, moving = device.get("door_zone"), moves(device)
        self._travel(device, moving)
        at_end = self._at_end(self.heading)
        ran = self.ran or bool(moving)
        leaves = self.reached and zone == 0 and ran
        self.beyond = (self.beyond or leaves) and at_end and zone != 1
        self.reached = at_end and (zone == 1 or (self.reached and zone is None))
        self.ran = bool(moving)
        shown = self._at_end(int(device.get("car_direction") or 0))
        stands = moving is False and zone == 0 and not special(device) and (self.beyond or shown)
        inside, faulty = device.get("passenger_present") == 1, active(device, "gbt24476:01")
        suspected = stands and inside and (self.beyond or faulty)
        placed = zone is not None and device.get("car_position") is not None
        known = device.known and placed and moving is not None
        return judged(
            row,
            (stands, suspected, suspected and self.beyond and faulty),
            (self.p.hold_s, self.p.hold_s, self.p.confirm_hold_s),
            known=known,
            over=zone == 1 or bool(moving) or special(device),
            over_s=0 if special(device) else 10 if moving else 2,
            since=self.since.take(row, stands and known),
        )

    def _travel(self, device: Device, moving: bool | None) -> None:
        direction, speed = device.get("car_direction"), device.get("speed_mps") or 0
        if moving and direction in (1, 2):
            self.heading = int(direction or 0)
        elif moving and abs(speed) >= 0.05:
            self.heading = 1 if speed > 0 else 2
        label = device.get("car_position")
        if label is None:
            return
        if self.label not in (None, label) and self.heading:
            self._learn(float(self.label or 0), label)
        self.label = label

    def _learn(self, left: float, entered: float) -> None:
        ahead = self.heading
        behind = 3 - ahead
        if not self.ends:
            self.ends, self.floors = {ahead: entered, behind: left}, 2
            self.turns = {1: 0, 2: 0}
            return
        if self.ends[behind] == left:
            self.turns[behind] += 1
        for end, passed, label in ((ahead, left, entered), (behind, entered, left)):
            if self.ends[end] == passed:
                self.ends[end], self.turns[end] = label, 0
                self.floors += 1

    def _at_end(self, direction: int) -> bool:
        if not direction or self.ends.get(direction) is None:
            return False
        whole = self.rated_floors is not None and self.floors >= self.rated_floors
        believed = whole or self.turns[direction] >= self.p.turns_min
        return believed and self.ends[direction] == self.label


class DoorHeldOpen:
    """`detectors.lift_door_held_open`."""

    def __init__(self, p: Any) -> None:
        self.p = p
        self.open, self.alone = Since(), Since()
        self.ran_open = False
        self.long_share = 0.0

    def judge(self, row: Row, device: Device) -> Judged:
        p, zone, door = self.p, device.get("door_zone"), device.get("door_closed")
        moving, nobody = moves(device), device.get("passenger_present") == 0
        quiet = special(device) or device.get("service_mode") == 0
        opened = device.history.opened
        if door == 1 and device.before.get("door_closed") == 0 and opened and not quiet:
            long = row.event - opened >= p.hold_s * S
            self.long_share += 0.02 * (long - self.long_share)
        self.ran_open = (self.ran_open or bool(moving)) and door != 1
        known = device.known and door is not None and zone is not None
        stands = door == 0 and moving is False and zone == 1 and not quiet and not self.ran_open
        stands = stands and device.get("mains_power") != 0
        begun = self.open.take(row, stands and known)
        alone = self.alone.take(row, stands and known and nobody)
        hold_s = p.attended_hold_s
        if nobody:
            hold_s = min(hold_s, (alone - begun) / S + p.hold_s)
        if self.long_share > p.parks_open_share:
            hold_s = max(hold_s, p.parked_hold_s)
        return judged(
            row,
            stands,
            hold_s,
            known=known,
            over=door == 1 or bool(moving) or quiet,
            over_s=0 if quiet else 10 if moving and door == 0 else 2,
            since=begun,
        )


class DoorCycling:
    """`detectors.lift_door_cycling`."""

    def __init__(self, p: Any) -> None:
        self.p = p
        self.opened: list[int] = []
        self.bursts = False

    def judge(self, row: Row, device: Device) -> Judged:
        door, moving = device.get("door_closed"), bool(moves(device))
        if moving or special(device):
            self.opened, self.bursts = [], False
        elif door == 0 and device.before.get("door_closed") == 1:
            if row.event - device.history.closed >= self.p.quiet_s * S:
                self.opened = []
            self.opened.append(row.event)
            last = self.opened[-int(self.p.cycles) :]
            whole = len(last) == int(self.p.cycles)
            self.bursts = whole and last[-1] - last[0] <= self.p.window_s * S
        self.bursts = self.bursts and door != 1
        return judged(
            row,
            self.bursts,
            0,
            known=device.known and door is not None,
            over=door == 1 or moving or special(device),
            over_s=0 if special(device) else 10 if moving else self.p.quiet_s,
        )


class OutOfService:
    """`detectors.lift_out_of_service`."""

    def __init__(self, p: Any) -> None:
        self.p = p
        self.excused = False

    def judge(self, row: Row, device: Device) -> Judged:
        mode, mains = device.get("service_mode"), device.get("mains_power")
        if mode == 1:
            self.excused = False
        if mode in (*SPECIAL, 5) or mains == 0:
            self.excused = True
        return judged(
            row,
            mode == 0 and mains != 0,
            self.p.excused_hold_s if self.excused else self.p.hold_s,
            known=device.known and mode not in (None, 7),
            over=mode != 0,
            over_s=5,
        )


class PowerFailure:
    """`detectors.lift_power_failure`."""

    def __init__(self, p: Any) -> None:
        self.p = p
        self.off: int | None = None

    def judge(self, row: Row, device: Device) -> Judged:
        mode, mains = device.get("service_mode"), device.get("mains_power")
        off, known = mains == 0 or mode == 5, device.known and (mode == 5 or mains is not None)
        begun = row.event if self.off is None else self.off
        if off:
            self.off = begun
        elif known:
            self.off = None
        return judged(
            row,
            off and mode != 2,
            self.p.hold_s,
            known=known,
            over=not off or mode == 2,
            over_s=0 if mode == 2 else self.p.over_hold_s,
            since=begun,
        )


class Handrail:
    """One handrail of `detectors.escalator_handrail_speed`."""

    def __init__(self, p: Any, channel: str) -> None:
        self.p, self.channel = p, channel
        self.deviation: float | None = None
        self.at = 0
        self.stops = self.wears = 0
        self.stuck = False

    def take(self, row: Row, device: Device, *, runs: bool, stood: bool) -> None:
        p, rail = self.p, device.get(self.channel)
        if rail is not None:
            self.stuck |= stood and abs(rail) > p.stuck_mps
            self.stuck &= abs(rail) >= 0.05
        if not runs or self.stuck:
            self.deviation, self.stops, self.wears = None, 0, 0
            return
        if row.values.get(self.channel) is None or row.event <= self.at:
            return
        x = abs(rail or 0) / abs(device.get("speed_mps") or 0) - 1
        gain = 1 - math.exp(-(row.event - self.at) / S / p.smoothing_s)
        before = x if self.deviation is None else self.deviation
        self.deviation, self.at = before + gain * (x - before), row.event
        permitted = -p.measuring_error <= self.deviation <= p.fast_permitted + p.measuring_error
        self.stops = self.stops + 1 if abs(self.deviation) >= p.stop_deviation else 0
        self.wears = 0 if permitted else self.wears + 1


class HandrailSpeed:
    """`detectors.escalator_handrail_speed`."""

    def __init__(self, p: Any) -> None:
        self.p = p
        self.rails = [Handrail(p, f"handrail_speed_{side}_mps") for side in ("left", "right")]
        self.run, self.stand, self.off, self.stop = Since(), Since(), Since(), Since()

    def judge(self, row: Row, device: Device) -> Judged:
        p, speed = self.p, device.get("speed_mps")
        fast = speed is not None and abs(speed) >= p.speed_min_mps
        slow = speed is not None and abs(speed) < 0.05
        run, stand = self.run.take(row, fast), self.stand.take(row, slow)
        runs = fast and row.event - run >= p.start_s * S
        for rail in self.rails:
            rail.take(row, device, runs=runs, stood=slow and row.event - stand >= 10 * S)
        mechanic = device.get("service_mode") == 2
        stop = any(rail.stops >= p.samples_min for rail in self.rails) and runs and not mechanic
        wear = any(rail.wears >= p.samples_min for rail in self.rails) and runs and not mechanic
        sees = any(device.get(rail.channel) is not None for rail in self.rails)
        known = device.known and speed is not None and sees
        begun = self.off.take(row, (stop or wear) and known)
        stop_s = (self.stop.take(row, stop and known) - begun) / S + p.stop_hold_s
        measured = any(rail.deviation is not None for rail in self.rails)
        right = all(rail.wears == 0 for rail in self.rails)
        return judged(
            row,
            (stop or wear, stop, False),
            (stop_s if stop else p.wear_hold_s, stop_s + p.running_on_s, 0),
            known=known,
            over=not fast or mechanic or (measured and right),
            over_s=10,
            since=begun,
        )


def lift_judges(
    equipment: Equipment, settings: Mapping[str, Mapping[str, float]]
) -> list[tuple[str, Judge]]:
    """Rules of one lift by the kind of incident that they claim."""
    p = {
        kind: catalog.parameters_of(f"lift_{kind}", settings)
        for kind in (
            "stopped_outside_zone",
            "moved_with_door_open",
            "over_travel",
            "door_held_open",
            "door_cycling",
            "out_of_service",
            "power_failure",
        )
    }
    return [
        ("stopped_outside_zone", StoppedOutsideZone(equipment, p["stopped_outside_zone"])),
        ("moved_with_door_open", MovedWithDoorOpen(p["moved_with_door_open"])),
        ("over_travel", OverTravel(equipment, p["over_travel"])),
        ("door_held_open", DoorHeldOpen(p["door_held_open"])),
        ("door_cycling", DoorCycling(p["door_cycling"])),
        ("out_of_service", OutOfService(p["out_of_service"])),
        ("power_failure", PowerFailure(p["power_failure"])),
    ]


def escalator_judges(settings: Mapping[str, Mapping[str, float]]) -> list[tuple[str, Judge]]:
    """Rules of one escalator."""
    p = catalog.parameters_of("escalator_handrail_speed", settings)
    return [("handrail_speed", HandrailSpeed(p))]
