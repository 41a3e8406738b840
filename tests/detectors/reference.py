"""Every detector once more, for one device and one row at a time, in plain Python.

Written from what the modules of `detectors` say they do, not from how they do it: no arrays, no
rounds, no due times; unknown is ``None``. Every tick looks at everything.
"""

import statistics
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from detectors.boiler_low_water import BoilerLowWaterParameters
from detectors.codes import CodesParameters
from detectors.crane_overload import CraneOverloadParameters
from detectors.entrapment_scene import EntrapmentParameters
from domain.codes import CODES, Code, CodeClass
from domain.equipment import Equipment, Kind
from domain.instants import seconds

Found = tuple[str, str, str, str, int, int, bool]
"""Equipment, kind, level, phase, onset, detected, late."""

S = seconds(1)


@dataclass(slots=True, kw_only=True)
class Row:
    """What one row of one device says."""

    event: int
    received: int
    late: bool = False
    wrong: bool = False
    online: int = -1
    values: Mapping[str, float | None] = field(default_factory=dict)
    code: str | None = None
    active: bool = False


@dataclass(slots=True, kw_only=True)
class Judged:
    """What holds from a row on; one entry a level in ``standing`` and ``holds_s``."""

    known: bool
    standing: tuple[bool, bool, bool]
    holds_s: tuple[float, float, float]
    over: bool
    over_s: float
    since: int


@dataclass(slots=True)
class Timer:
    """Hold timers of one detector."""

    begun: list[int | None] = field(default_factory=lambda: [None, None, None])
    holds_s: tuple[float, float, float] = (0, 0, 0)
    over: int | None = None
    over_s: float = 0
    level: int = 0
    case: int = 0
    unknown_since: int | None = None

    def update(self, event: int, judged: Judged) -> None:
        if not judged.known:
            self.unknown_since = event if self.unknown_since is None else self.unknown_since
            return
        if self.unknown_since is not None:
            away = max(0, event - self.unknown_since)
            self.begun = [None if begun is None else begun + away for begun in self.begun]
            self.over = None if self.over is None else self.over + away
            self.unknown_since = None
        for stage, stands in enumerate(judged.standing):
            begun = self.begun[stage]
            self.begun[stage] = (judged.since if begun is None else begun) if stands else None
        # What stood nowhere cannot be over.
        ends = judged.over and (self.level > 0 or any(judged.standing))
        self.over = (event if self.over is None else self.over) if ends else None
        self.holds_s, self.over_s = judged.holds_s, judged.over_s

    def elapse(self, event: int) -> list[tuple[str, int, int]]:
        """Phase, level and onset of what happens by an event time."""
        if self.unknown_since is not None:
            return []
        found = []
        held = [
            stage + 1
            for stage, begun in enumerate(self.begun)
            if begun is not None and event - begun >= round(self.holds_s[stage] * S)
        ]
        if max(held, default=0) > self.level:
            if not self.level:
                self.case = min(begun for begun in self.begun if begun is not None)
            self.level = max(held)
            found.append(("raised", self.level, self.case))
        if self.level and self.over is not None and event - self.over >= round(self.over_s * S):
            found.append(("ended", self.level, self.over))
            self.begun, self.over, self.level = [None, None, None], None, 0
        return found


class Device:
    """One device with everything that is known of it, and its findings."""

    def __init__(
        self, equipment: Equipment, parameters: Mapping[str, Mapping[str, float]] | None = None
    ) -> None:
        settings = parameters or {}
        self.equipment = equipment
        interval_s = equipment.report_interval_s or (
            300 if equipment.kind in (Kind.LIFT, Kind.ESCALATOR) else 60
        )
        self.limit = round(min(max(3 * interval_s, 60), 900) * S)
        self.found: list[Found] = []
        self.known = False
        self.values: dict[str, float | None] = {}
        self.before: Mapping[str, float | None] = {}
        self.kept: dict[str, float | None] = {}
        self.reported: dict[str, int] = {}
        self.changed: dict[str, int] = {}
        self.newest: int | None = None
        self.newest_received = 0
        self.heard: int | None = None
        self.silent = False
        self.late_at: int | None = None
        self.wrong_left = 0
        self.first = self.span = self.usual_span = 0
        self.interval = self.former_interval = 0
        self.codes = Codes(CodesParameters(**settings.get("codes", {})))
        self.history = History()
        self.judges = _judges(equipment, settings)
        self.timers = [Timer() for _ in self.judges]

    def get(self, channel: str) -> float | None:
        return self.values.get(channel)

    def take(self, row: Row) -> None:
        code = CODES.get(row.code or "")
        if row.late and row.event < (self.newest or 0):
            self._overtaken(row, code)
            return
        if row.late:
            self._recall(row)
        else:
            self._come_back(row)
            if row.online != 0:
                self._renew(row)
        before = dict(self.values)
        if not row.late and self.late_at is None:
            self._elapse(row.event, row.received)
        if row.online == 0:
            self._forget()
        else:
            self.known, self.heard = True, row.received
        if row.late:
            self.late_at = row.received
        hole = row.event - (self.newest or 0) > 60 * S
        if not row.late and self.late_at is not None and hole:
            self.history.aboard = self.history.seen_firmly = self.history.lost_sight = False
        self._apply(row)
        if code:
            self.codes.observe(code.key, row)
        self._judge(row, before)
        if not row.late and self.late_at is None:
            self._elapse(row.event, row.received)
        self._direct(row, code.key if code else None)

    def _overtaken(self, row: Row, code: Code | None) -> None:
        """Late data that newer rows have overtaken: only an alarm in it still matters."""
        self.heard = row.received
        if code and code.cls is CodeClass.ALARM:
            for kind, level, phase in self.codes.presses(code.key, row):
                self._find(kind, level, phase, row.event, row.received, late=True)
        if self.silent:
            self.silent = False
            self._find("device_offline", 1, "ended", row.received, row.received, late=True)

    def tick(self, now: int) -> None:
        if self.late_at is not None and now - self.late_at < 5 * S:
            return
        if self.late_at is not None:
            self._settle(now)
        if self.heard is None:
            return
        # The next message may still tell of the time that messages usually cover.
        passed = now - self.newest_received - max(self.span, self.usual_span)
        event = (self.newest or 0) + max(passed, 0)
        self._elapse(event, now)
        if now < self.heard + self.limit:
            return
        if not self.silent:
            self.silent = True
            self._find("device_offline", 1, "raised", self.heard, now)
        if self.known:
            before = dict(self.values)
            self._forget()
            self._judge(Row(event=event, received=now), before)

    def _come_back(self, row: Row) -> None:
        """Heard again after a silence: who was inside, unless trapped, may have left."""
        if self.known or row.received < (self.heard or 0) + self.limit:
            return
        trapped = any(
            kind.startswith("entrapment") and (timer.level or timer.begun != [None] * 3)
            for (kind, _), timer in zip(self.judges, self.timers, strict=True)
        )
        if not trapped:
            self.history.aboard = self.history.seen_firmly = self.history.lost_sight = False

    def _renew(self, row: Row) -> None:
        """A sign of life within the stale limit renews what has not changed."""
        heard = self.heard
        if not self.known and heard is not None and row.received < heard + self.limit:
            self.values, self.known = dict(self.kept), True

    def _recall(self, row: Row) -> None:
        """Late data that follows without a gap shows that the device was there all the time."""
        gap = -1 if self.newest is None else row.event - self.newest
        if not self.known and 0 <= gap <= self.limit:
            self.values, self.known = dict(self.kept), True

    def _forget(self) -> None:
        if self.known:
            self.kept = self.values
        self.values, self.known = {}, False

    def _apply(self, row: Row) -> None:
        for channel, value in row.values.items():
            if row.event < self.reported.get(channel, 0):
                continue
            if value != self.get(channel):
                self.changed[channel] = row.event
            self.values[channel], self.reported[channel] = value, row.event
        if self.newest is None or row.event >= self.newest:
            self._measure(row)
            self.newest, self.newest_received = row.event, row.received

    def _measure(self, row: Row) -> None:
        """Time that messages cover, and time between rows."""
        if row.received != self.newest_received:
            self.usual_span, self.first = self.span, row.event
        self.span = min(row.event - self.first, 300 * S)
        if self.newest is not None and row.event > self.newest:
            self.former_interval, self.interval = self.interval, row.event - self.newest

    def sampled_s(self, hold_s: float) -> float:
        """Hold of at least one further sample of a gauge that samples evenly."""
        even = abs(self.interval - self.former_interval) <= 0.25 * self.interval
        if even and 0 < self.interval <= 15 * S:
            return max(hold_s, int(self.interval * 1.2) / S)
        return hold_s

    def _judge(self, row: Row, before: Mapping[str, float | None]) -> None:
        self.before = before
        if self.equipment.kind is Kind.LIFT:
            self.history.observe(row, self, before)
        for (_, judge), timer in zip(self.judges, self.timers, strict=True):
            timer.update(row.event, judge.judge(row, self))

    def _elapse(self, event: int, now: int, *, late: bool = False) -> None:
        for (kind, _), timer in zip(self.judges, self.timers, strict=True):
            for phase, level, onset in timer.elapse(event):
                self._find(kind, level, phase, onset, now, late=late)

    def _settle(self, now: int) -> None:
        """Late data is over: what still stands at its end is claimed as late."""
        self.late_at = None
        end = self.newest or 0
        self._elapse(end, now, late=True)
        standing = self.codes.claims(None, Row(event=end, received=now), self.get("service_mode"))
        for kind, level, phase in standing:
            self._find(kind, level, phase, end, now, late=True)

    def _direct(self, row: Row, key: str | None) -> None:
        for kind, level, phase in self.codes.claims(key, row, self.get("service_mode")):
            self._find(kind, level, phase, row.event, row.received, late=row.late)
        if not row.late and row.online != 0:
            self._clock(row)
        if self.silent and row.online != 0:
            self.silent = False
            self._find("device_offline", 1, "ended", row.received, row.received, late=row.late)

    def _clock(self, row: Row) -> None:
        if row.wrong:
            if not self.wrong_left:
                self._find("clock_wrong", 1, "raised", row.event, row.received)
            self.wrong_left = 3
        elif self.wrong_left:
            self.wrong_left -= 1
            if not self.wrong_left:
                self._find("clock_wrong", 1, "ended", row.event, row.received)

    def _find(
        self, kind: str, level: int, phase: str, onset: int, now: int, *, late: bool = False
    ) -> None:
        word = ("advisory", "suspected", "confirmed")[level - 1]
        self.found.append((self.equipment.id, kind, word, phase, onset, now, late))


class Codes:
    """`detectors.codes`."""

    def __init__(self, p: CodesParameters) -> None:
        self.p = p
        self.active: set[str] = set()
        self.claimed: set[str] = set()
        self.alarm: int | None = None
        self.alarm_claimed: int | None = None

    def observe(self, key: str, row: Row) -> None:
        match CODES[key].cls:
            case CodeClass.FAULT if row.active:
                self.active.add(key)
            case CodeClass.FAULT:
                self.active.discard(key)
            case CodeClass.NONE if row.active:
                self.active.clear()
            case CodeClass.ALARM if row.active:
                self.alarm = row.event

    def claims(self, key: str | None, row: Row, mode: float | None) -> list[tuple[str, int, str]]:
        found = []
        kinds = {str(CODES[active].kind) for active in self.active}
        for kind in kinds - self.claimed:
            if mode != 2 and not row.late:
                self.claimed.add(kind)
                found.append((kind, 1, "raised"))
        for kind in self.claimed - kinds:
            self.claimed.remove(kind)
            found.append((kind, 1, "ended"))
        return found + (self.presses(key, row) if key else [])

    def presses(self, key: str, row: Row) -> list[tuple[str, int, str]]:
        last = self.alarm_claimed
        if CODES[key].cls is not CodeClass.ALARM or not row.active:
            return []
        if last is not None and abs(row.event - last) < round(self.p.alarm_repeat_s * S):
            return []
        self.alarm_claimed = row.event
        return [("alarm_button", 2, "raised")]


class History:
    """`detectors.lift_history`."""

    def __init__(self) -> None:
        self.stop: int | None = None
        self.run: int | None = None
        self.opened: int | None = None
        self.closed = self.rose = 0
        self.boarded: int | None = None
        self.vanished: int | None = None
        self.aboard = self.seen_firmly = self.lost_sight = self.ghost = self.stuck = False
        self.quiet_cycles = self.failed_cycles = 0
        self.status: int | None = None
        self.intervals = (0, 0)
        self.tells = 0

    def observe(self, row: Row, device: Device, before: Mapping[str, float | None]) -> None:
        door, door_was = device.get("door_closed"), before.get("door_closed")
        there, there_was = device.get("passenger_present"), before.get("passenger_present")
        opens = door == 0 and door_was != 0
        if door_was == 1 and there_was == 1:
            self.seen_firmly |= row.event - max(self.rose, self.closed) >= 20 * S
        if self.run is not None and door_was != 0 and there_was == 1:
            self.aboard |= row.event - max(self.rose, self.closed) >= 5 * S
        if opens:
            self.opened, self.seen_firmly = row.event, False
            self.aboard = self.ghost = False
        if door == 1 and door_was != 1:
            self.closed = row.event
            self.failed_cycles += self.opened is not None and row.event - self.opened < 2 * S
        off = device.get("mains_power") == 0
        if there == 0 and there_was == 1:
            self.vanished = row.event
        if opens or there == 1:
            self.vanished = None
        cut = off and self.vanished is not None and row.event - self.vanished <= 5 * S
        loses = (there is None and there_was == 1) or cut
        blind = there is None or (there == 0 and off)
        self.lost_sight = blind and not opens and (self.lost_sight or loses)
        if there == 1 and there_was != 1:
            self.rose = row.event
        if there == 1 and there_was == 0:
            self._appears(row.event, door)
        if None not in (there, there_was) and there != there_was:
            self.quiet_cycles = 0
        else:
            self.quiet_cycles += opens
        self.stuck = self.quiet_cycles >= 10 and row.event - self.rose >= 1800 * S
        moving = moves(device)
        likely = True if moving is None and device.get("door_zone") == 0 else moving
        self._move(row.event, likely)
        self._sample(row, device, before)

    def _sample(self, row: Row, device: Device, before: Mapping[str, float | None]) -> None:
        names = ("car_status", "door_zone", "door_closed", "passenger_present")
        said = [name for name in names if row.values.get(name) is not None]
        if not said or (self.status is not None and row.event < self.status):
            return
        whole = all(name in said or device.get(name) is None for name in names)
        step = 0 if self.status is None else row.event - self.status
        self.intervals = (step if whole else 0, self.intervals[0])
        if any(before.get(name) not in (None, row.values[name]) for name in said):
            self.tells = max(self.tells - 1, 0) if whole else 2
        self.status = row.event

    @property
    def sampled(self) -> int:
        """Time between snapshots of a terminal that tells of no change between them, else 0."""
        return 0 if self.tells else min(self.intervals)

    def _appears(self, event: int, door: float | None) -> None:
        """Somebody walked in, moved again, or nobody is there."""
        if door == 0 or (self.closed and event - self.closed <= 20 * S):
            self.boarded = event
            return
        boarded_here = self.boarded is not None and self.boarded >= (self.opened or 0)
        inside = self.aboard or self.seen_firmly or boarded_here
        self.ghost |= door == 1 and not inside

    def _move(self, event: int, moving: bool | None) -> None:
        if moving:
            self.failed_cycles = 0
        self.stop = (event if self.stop is None else self.stop) if moving is False else None
        self.run = (event if self.run is None else self.run) if moving else None


def moves(device: Device) -> bool | None:
    """Whether a car runs, by status or speed, whichever was reported last; standing wins a tie."""
    says = {}
    if (status := device.get("car_status")) is not None:
        says["car_status"] = status != 0
    if (speed := device.get("speed_mps")) is not None:
        says["speed_mps"] = abs(speed) >= 0.05
    if not says:
        return False if device.get("door_zone") == 1 else None
    last = max(device.reported[channel] for channel in says)
    return all(says[channel] for channel in says if device.reported[channel] == last)


class Entrapment:
    """`detectors.entrapment`, one case."""

    def __init__(self, equipment: Equipment, p: EntrapmentParameters, *, at_level: bool) -> None:
        self.p, self.at_level = p, at_level
        self.case_since: int | None = None
        zone_m, speed_mps = equipment.express_zone_m, equipment.rated_speed_mps
        self.express_s = max(40.0, zone_m / speed_mps + 15) if zone_m and speed_mps else 40.0

    def judge(self, row: Row, device: Device) -> Judged:
        p = self.p
        known = device.known and device.get("door_zone") is not None
        known = known and not (self.at_level and self._waits(device))
        judged_mode = device.get("service_mode") not in (2, 3, 4, 6)
        moving, open_ = moves(device), device.get("door_closed") == 0
        extra = self._corroboration(row.event, device)
        case = self._at_level(device) if self.at_level else self._off_level(device, extra)
        person = self._person(device)
        exists = case is not None and judged_mode and not moving and person is not None
        weight, hold_s, confirm_s = case or (0.0, 0.0, 0.0)
        odds = p.prior + weight + (person or 0) + extra
        suspected = exists and odds >= p.suspected_log_odds
        early = extra > 0 and odds >= p.confirmed_log_odds
        confirmed = suspected and (early or odds + p.long_stand >= p.confirmed_log_odds)
        at_floor = self.at_level or device.get("door_zone") == 1
        opened = open_ and (at_floor or not extra)
        left = device.get("passenger_present") == 0
        opened = opened or (not self.at_level and left and self._wrong_zone(device))
        waits_s = self.express_s if moving is None else 0.0
        since = row.event if self.case_since is None else self.case_since
        self.case_since = since if exists and known else None
        confirm_s = p.corroborated_hold_s if early else confirm_s
        return Judged(
            known=known,
            standing=(False, suspected, confirmed),
            holds_s=(0, hold_s + waits_s, confirm_s + waits_s),
            over=opened or bool(moving) or not judged_mode,
            over_s=2 if opened else 10 if moving else 0,
            since=since,
        )

    def _off_level(self, device: Device, extra: float) -> tuple[float, float, float] | None:
        p = self.p
        if device.get("door_zone") != 0 or (self._wrong_zone(device) and not extra):
            return None
        return p.off_level, p.off_level_hold_s, p.confirm_hold_s

    def _at_level(self, device: Device) -> tuple[float, float, float] | None:
        p, history = self.p, device.history
        if device.get("door_zone") != 1 or device.get("door_closed") != 1:
            return None
        if device.get("service_mode") == 0:
            return None
        if not self._sees(device):
            return None
        interval_s = history.sampled / S if self._slow(device) else 0
        least_s, most_s = interval_s * p.suspected_samples, interval_s * p.confirmed_samples
        weight, hold_s, confirm_s = self._story(device)
        return weight, max(hold_s, least_s), max(confirm_s, most_s)

    def _slow(self, device: Device) -> bool:
        return device.history.sampled >= self.p.fast_sampling_s * S

    def _sees(self, device: Device) -> bool:
        history, kept_shut = device.history, self._kept_shut(device)
        firmly = kept_shut and history.seen_firmly and not self._slow(device)
        blind = (kept_shut or self._boarded(device)) and history.lost_sight
        return device.get("passenger_present") == 1 or firmly or blind

    def _story(self, device: Device) -> tuple[float, float, float]:
        p, history = self.p, device.history
        if self._kept_shut(device):
            return p.kept_shut, p.door_kept_shut_hold_s, p.confirm_hold_s
        if self._boarded(device):
            return p.boarded, p.boarded_hold_s, p.boarded_confirm_hold_s
        lively = history.boarded is not None and history.quiet_cycles < 3 and not history.ghost
        story = p.stayed if lively else p.stuck_sensor
        return story, p.stayed_hold_s, p.boarded_confirm_hold_s

    def _wrong_zone(self, device: Device) -> bool:
        """A door that is or was open for a while at this stop shows that it is a floor."""
        history = device.history
        was_open = history.closed - (history.opened or 0) >= 2 * S
        return device.get("door_closed") == 0 or (self._opened_here(device) and was_open)

    def _stop(self, device: Device) -> int:
        if moves(device) is not None:
            return device.history.stop or 0
        return max(device.changed.get(name, 0) for name in ("door_zone", "car_position"))

    def _opened_here(self, device: Device) -> bool:
        opened = device.history.opened
        return opened is not None and opened >= self._stop(device)

    def _kept_shut(self, device: Device) -> bool:
        history = device.history
        return history.aboard and not history.stuck and not self._opened_here(device)

    def _boarded(self, device: Device) -> bool:
        history = device.history
        return self._opened_here(device) and (history.boarded or 0) >= (history.opened or 0)

    def _waits(self, device: Device) -> bool:
        """Who keeps still behind a shut door is out of sight, not out of the car."""
        stands = device.get("door_zone") == 1 and device.get("door_closed") == 1
        mode = device.get("service_mode")
        inside = self._kept_shut(device) or self._boarded(device)
        return (
            stands
            and not moves(device)
            and mode not in (0, 2, 3, 4, 6)
            and inside
            and not self._sees(device)
            and not self._slow(device)
        )

    def _person(self, device: Device) -> float | None:
        p, there = self.p, device.get("passenger_present")
        heavy = there is None and (device.get("load_kg") or 0) > p.load_min_kg
        reasons = {
            p.person_sensed: there == 1,
            p.person_weighed: heavy,
            p.person_before_unknown: device.history.lost_sight,
            p.person_latched: device.history.seen_firmly,
        }
        return max((weight for weight, holds in reasons.items() if holds), default=None)

    def _corroboration(self, event: int, device: Device) -> float:
        p, alarm = self.p, device.codes.alarm
        since = (device.history.stop or 0) - 5 * S
        pressed = alarm is not None and event - alarm <= 600 * S and alarm >= since
        return (
            pressed * p.alarm
            + bool(device.codes.active) * p.fault
            + (device.get("mains_power") == 0) * p.mains_off
            + (device.history.failed_cycles >= 2) * p.failed_door
        )


def _tolerance(limit: float) -> float:
    """TSG 11-2020 as `detectors.boiler_pressure` quotes it."""
    if limit <= 0.5:
        return 0.015
    if limit <= 2.3:
        return 0.03 * limit
    return 0.07 if limit <= 7 else 0.01 * limit


def _may_fire(device: Device) -> bool:
    flame, stage = device.get("flame_on"), device.get("burner_stage")
    if flame is not None:
        return flame == 1
    return stage in (None, 2, 3, 4)


class BoilerLowWater:
    """`detectors.boiler_low_water`."""

    def __init__(self, equipment: Equipment, p: BoilerLowWaterParameters) -> None:
        del equipment
        self.p = p

    def judge(self, row: Row, device: Device) -> Judged:
        p = self.p
        flame, stage = device.get("flame_on"), device.get("burner_stage")
        level, switch = device.get("water_level_mm"), device.get("low_water")
        if not device.known or (flame is None and stage is None):
            return _unknown(row)
        if level is None and switch is None:
            return _unknown(row)
        firing = flame == 1 if flame is not None else stage in (3, 4)
        causes_s = [device.sampled_s(p.switch_hold_s)] if switch == 1 else []
        if level is not None and level <= p.low_low_level_mm:
            causes_s.append(device.sampled_s(p.low_low_hold_s))
        alarm = level is not None and level <= p.alarm_level_mm
        low = level is not None and level <= p.low_level_mm
        low_s = p.contradicted_hold_s if switch == 0 else p.low_hold_s
        normal = switch != 1 and (level is None or level >= p.normal_level_mm)
        return Judged(
            known=True,
            standing=(firing and alarm, firing and low, firing and bool(causes_s)),
            holds_s=(
                device.sampled_s(p.alarm_hold_s),
                device.sampled_s(low_s),
                min(causes_s, default=0),
            ),
            over=not firing or normal,
            over_s=p.over_hold_s,
            since=row.event,
        )


class CraneOverload:
    """`detectors.crane_overload`."""

    def __init__(self, equipment: Equipment, p: CraneOverloadParameters) -> None:
        self.equipment, self.p = equipment, p
        self.samples: list[tuple[int, float]] = []
        self.since: int | None = None

    def judge(self, row: Row, device: Device) -> Judged:
        p = self.p
        load = row.values.get("hook_load_t")
        if load is not None and (not self.samples or row.event >= self.samples[-1][0]):
            self.samples = [*self.samples[-2:], (row.event, load)]
        capacity = self._capacity_t(device.get("radius_m"))
        if not device.known or device.get("hook_load_t") is None or capacity is None:
            self.since = None
            return _unknown(row)
        limit = p.overload_ratio * capacity
        ratio, last = self._load_t() / capacity, self.samples[-1][1] / capacity
        exceeds = max(ratio, last) > p.overload_ratio
        if self.since is None:
            begun = [row.event]
            for at, sample in reversed(self.samples):
                if sample <= limit:
                    break
                begun.append(at)
            self.since = begun[-1]
        judged = Judged(
            known=True,
            standing=(False, False, exceeds),
            holds_s=(0, 0, self._hold_s(self.since, last > p.overload_ratio)),
            over=ratio < p.over_ratio and not last > p.overload_ratio,
            over_s=p.over_hold_s,
            since=self.since,
        )
        self.since = self.since if exceeds else None
        return judged

    def _hold_s(self, since: int, last_exceeds: bool) -> float:
        p = self.p
        newest = self.samples[-1][0]
        previous = self.samples[-2][0] if len(self.samples) > 1 else None
        interval = 0 if previous is None else newest - previous
        neighbours = previous is not None and since <= previous and interval >= p.neighbour_s * S
        loads = [load for _, load in self.samples[-2:]]
        neighbours = neighbours and max(loads) <= p.neighbour_ratio * min(loads)
        three = len(self.samples) > 2 and since <= self.samples[-3][0]
        if last_exceeds and (neighbours or (three and newest - since >= p.span_s * S)):
            return 0
        if not last_exceeds:
            return 1e6
        return min(max(interval / S * p.lone_intervals, p.lone_hold_s), p.lone_hold_max_s)

    def _load_t(self) -> float:
        loads = [load for _, load in self.samples]
        return loads[-1] if len(loads) < 3 else statistics.median(loads)

    def _capacity_t(self, radius_m: float | None) -> float | None:
        chart, rated_t = self.equipment.load_chart, self.equipment.rated_load_t
        if not chart:
            return rated_t
        if radius_m is None:
            return max(capacity for _, capacity in chart) if rated_t is None else rated_t
        right = bisect_right([radius for radius, _ in chart], radius_m)
        if right in (0, len(chart)):
            return chart[min(right, len(chart) - 1)][1]
        (near, most), (far, least) = chart[right - 1 : right + 1]
        return most + (least - most) * (radius_m - near) / (far - near)


def _unknown(row: Row) -> Judged:
    return Judged(
        known=False,
        standing=(False, False, False),
        holds_s=(0, 0, 0),
        over=False,
        over_s=0,
        since=row.event,
    )


class Judge(Protocol):
    """A reference of one detector for one device."""

    def judge(self, row: Row, device: Device) -> Judged:
        """Say what holds from a row on."""


def _judges(
    equipment: Equipment, settings: Mapping[str, Mapping[str, float]]
) -> list[tuple[str, Judge]]:
    """Judges of one device by the kind of incident that they claim."""
    # The two modules of references refer to each other.
    from tests.detectors.reference_boiler import further_judges  # noqa: PLC0415
    from tests.detectors.reference_crane import crane_judges  # noqa: PLC0415
    from tests.detectors.reference_lift import escalator_judges, lift_judges  # noqa: PLC0415

    match equipment.kind:
        case Kind.LIFT:
            lift = EntrapmentParameters(**settings.get("entrapment", {}))
            return [
                ("entrapment_off_level", Entrapment(equipment, lift, at_level=False)),
                ("entrapment_at_level", Entrapment(equipment, lift, at_level=True)),
                *lift_judges(equipment, settings),
            ]
        case Kind.ESCALATOR:
            return escalator_judges(settings)
        case Kind.BOILER:
            water = BoilerLowWaterParameters(**settings.get("boiler_low_water", {}))
            return [
                ("low_water_firing", BoilerLowWater(equipment, water)),
                *further_judges(equipment, settings),
            ]
        case Kind.VESSEL:
            return further_judges(equipment, settings)
        case Kind.CRANE:
            crane = CraneOverloadParameters(**settings.get("crane_overload", {}))
            return [
                ("overload", CraneOverload(equipment, crane)),
                *crane_judges(equipment, settings),
            ]
        case _:
            return []
