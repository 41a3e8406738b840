"""Crane detectors and duty counters once more, for one crane and one row at a time."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors.crane_brake import CraneBrakeParameters
from detectors.crane_duty import CraneDutyParameters
from detectors.crane_limiter import CraneLimiterParameters
from detectors.crane_load_cell import CraneLoadCellParameters
from detectors.crane_lost_load import CraneLostLoadParameters
from detectors.crane_overload import CraneOverloadParameters
from detectors.crane_shock import CraneShockParameters
from detectors.crane_side_pull import CraneSidePullParameters
from detectors.crane_wind import CraneWindParameters
from domain.equipment import Equipment
from tests.detectors.reference import CraneOverload, Device, Judge, Judged, Row, S, _unknown

NO: tuple[bool, bool, bool] = (False, False, False)


def crane_judges(
    equipment: Equipment, settings: Mapping[str, Mapping[str, float]]
) -> list[tuple[str, Judge]]:
    """Judges of one crane by the kind of incident that they claim."""
    cell = CraneLoadCellParameters(**settings.get("crane_load_cell", {}))
    limiter = CraneLimiterParameters(**settings.get("crane_limiter", {}))
    shock = CraneShockParameters(**settings.get("crane_shock", {}))
    pull = CraneSidePullParameters(**settings.get("crane_side_pull", {}))
    brake = CraneBrakeParameters(**settings.get("crane_brake", {}))
    lost = CraneLostLoadParameters(**settings.get("crane_lost_load", {}))
    wind = CraneWindParameters(**settings.get("crane_wind", {}))
    return [
        ("limiter_defeated", Limiter(equipment, limiter)),
        ("shock_load", Shock(equipment, shock)),
        ("side_pull", SidePull(equipment, pull)),
        ("brake_slip", Brake(equipment, brake)),
        ("lost_load", LostLoad(equipment, lost)),
        ("load_cell_drift", Drift(equipment, cell)),
        ("sensor_stuck", Stuck(cell)),
        ("wind_over_limit", Wind(equipment, wind)),
    ]


def _rated_t(equipment: Equipment) -> float | None:
    if equipment.rated_load_t is not None:
        return equipment.rated_load_t
    return max((capacity for _, capacity in equipment.load_chart), default=None)


def _capacity_t(equipment: Equipment, radius_m: float | None) -> float | None:
    chart = CraneOverload(equipment, CraneOverloadParameters())
    return chart._capacity_t(radius_m)


def _middle(loads: Sequence[float]) -> float:
    return loads[-1] if len(loads) < 3 else statistics.median(loads[-3:])


class Limiter:
    """`detectors.crane_limiter`."""

    def __init__(self, equipment: Equipment, p: CraneLimiterParameters) -> None:
        self.equipment, self.p = equipment, p
        self.loads: list[float] = []
        self.heights: list[tuple[int, float]] = []
        self.radii: list[tuple[int, float]] = []

    def judge(self, row: Row, device: Device) -> Judged:
        p = self.p
        load = row.values.get("hook_load_t")
        if load is not None:
            self.loads.append(load)
        for channel, places in (("hook_height_m", self.heights), ("radius_m", self.radii)):
            place = row.values.get(channel)
            if place is not None and (not places or row.event > places[-1][0]):
                places.append((row.event, place))
        capacity = _capacity_t(self.equipment, device.get("radius_m"))
        speed = device.get("hoist_speed_mps")
        speed = self._speed(self.heights, row.event) if speed is None else speed
        command = device.get("hoist_command")
        if not device.known or device.get("hook_load_t") is None or capacity is None:
            return _unknown(row)
        if speed is None and command is None:
            return _unknown(row)
        out = self._speed(self.radii, row.event)
        onward = command == 1 if speed is None else speed > p.rise_min_mps
        onward = onward or (out is not None and out > p.out_min_mps)
        ratio = _middle(self.loads) / capacity
        return Judged(
            known=True,
            standing=(False, False, onward and ratio > p.limit_ratio),
            holds_s=(0, 0, device.sampled_s(p.hold_s)),
            over=not onward or ratio < p.over_ratio,
            over_s=p.over_hold_s,
            since=row.event,
        )

    def _speed(self, places: list[tuple[int, float]], event: int) -> float | None:
        if len(places) < 2:
            return None
        (before, start), (after, end) = places[-2:]
        if (after - before) / S > 15 or (event - after) / S > 15:
            return None
        return (end - start) / ((after - before) / S)


class Wind:
    """`detectors.crane_wind`."""

    def __init__(self, equipment: Equipment, p: CraneWindParameters) -> None:
        self.equipment, self.p = equipment, p
        self.gust = self.mean = self.last = 0.0
        self.count = self.began = self.at = self.used = 0

    def judge(self, row: Row, device: Device) -> Judged:
        p, limit = self.p, self.equipment.wind_limit_mps
        wind = row.values.get("wind_speed_mps")
        if wind is not None and row.event > self.at:
            self._average(row.event, wind)
        load, command = device.get("hook_load_t"), device.get("hoist_command")
        rated = _rated_t(self.equipment)
        loaded = load is not None and rated is not None and load > p.loaded_ratio * rated
        if loaded or command in (1, -1) or (load is None and command is None):
            self.used = row.event
        used = (row.event - self.used) / S < p.parked_s
        unknown = limit is None or device.get("wind_speed_mps") is None
        if limit is None or unknown or not device.known or self.count < 2:
            return _unknown(row)
        mean = self.mean if (self.at - self.began) / S >= p.mean_s else 0.0
        gusty = self.gust > limit
        return Judged(
            known=True,
            standing=(gusty or mean > p.warn_share * limit, gusty and used, used and mean > limit),
            holds_s=(0, 0, 0),
            over=mean < p.over_mean_share * limit and self.gust < p.over_gust_share * limit,
            over_s=p.over_hold_s,
            since=row.event,
        )

    def _average(self, event: int, wind: float) -> None:
        apart = (event - self.at) / S
        if self.count == 0 or apart > 60:
            self.count, self.began, lesser = 0, event, wind
        else:
            lesser = min(wind, self.last)
        apart = min(apart, 60)
        self.count += 1
        self.last, self.at = wind, event
        gust = 1.0 if self.count <= 2 else 1 - math.exp(-apart / self.p.gust_s)
        share = max(1 - math.exp(-apart / self.p.mean_s), 1 / self.count)
        self.gust += gust * (lesser - self.gust)
        self.mean += (1.0 if self.count <= 2 else share) * (lesser - self.mean)


class Brake:
    """`detectors.crane_brake`."""

    def __init__(self, equipment: Equipment, p: CraneBrakeParameters) -> None:
        self.equipment, self.p = equipment, p
        self.held: int | None = None
        self.heights: list[float] = []
        self.reference = 0.0
        self.radius: float | None = None
        self.last: float | None = None
        self.step: float | None = None
        self.resolution = 0.0
        self.noise, self.heard = 0.01, 0
        self.void = False

    def judge(self, row: Row, device: Device) -> Judged:
        p, rated = self.p, _rated_t(self.equipment)
        brake, command = device.get("hoist_brake_closed"), device.get("hoist_command")
        load, height = device.get("hook_load_t"), device.get("hook_height_m")
        told = not (brake is None and command is None)
        known = device.known and told and None not in (load, height, rated)
        held = known and brake != 0 and command not in (1, -1)
        held = held and (load or 0) > p.loaded_ratio * (rated or 0)
        gap = device.interval > max(2.5 * device.former_interval, p.gap_s * S)
        if held and (self.held is None or gap):
            self.held, self.heights, self.void, self.step = row.event, [height or 0], False, None
            self.reference, self.last, self.radius = height or 0, height, device.get("radius_m")
        if held and self.last is not None and height is not None and self._deaf(device):
            moved = height - self.last
            self.reference, self.last = self.reference + moved, self.last + moved
            self.heights = [at + moved for at in self.heights]
        if not held:
            self.held = None
        told_height = row.values.get("hook_height_m")
        # A hold that began at this very instant has taken the height in already.
        if told_height is not None and self.held != row.event:
            self._measure(row, told_height, device, held=held)
        if not known:
            return _unknown(row)
        return self._judged(row, device, held=held)

    def _deaf(self, device: Device) -> bool:
        return device.interval > max(2.5 * device.former_interval, self.p.deaf_s * S)

    def _judged(self, row: Row, device: Device, *, held: bool) -> Judged:
        p = self.p
        noise = p.deviations * self.noise
        own = max(p.steps * self.resolution, noise)
        sag = self.reference - self._height(max)
        recent = self.heights[-3:]
        drop = max(p.drop_m, min(own, 2 * p.drop_m), noise)
        falls = len(recent) == 3 and min(recent[0] - recent[1], recent[1] - recent[2]) >= drop
        slips = held and not self.void
        limits = [max(limit, own) for limit in (p.slip_m, p.slide_m, p.fall_m)]
        standing = [slips and sag >= limit for limit in limits]
        return Judged(
            known=True,
            standing=(standing[0], standing[1], standing[2] or (slips and falls)),
            holds_s=(device.sampled_s(p.hold_s), 0, 0),
            over=not held,
            over_s=p.over_hold_s,
            since=row.event,
        )

    def _height(self, extreme: object) -> float:
        recent = self.heights[-3:]
        if len(recent) == 3:
            return statistics.median(recent)
        return max(recent, default=math.nan) if extreme is max else min(recent)

    def _measure(self, row: Row, height: float, device: Device, *, held: bool) -> None:
        step = None if self.last is None else height - self.last
        if step:
            self.resolution = min(self.resolution or math.inf, abs(step))
        self.last = height
        if not held or self.held is None:
            return
        if step is not None and self.step is not None:
            self.heard += 1
            change = min(abs(step - self.step), 0.1) * (1 / 1.954)
            self.noise += max(0.02, 1 / (self.heard + 5)) * (change - self.noise)
        self.step = step
        self.heights.append(height)
        self._follow((row.event - self.held) / S, height, device)

    def _follow(self, held_s: float, height: float, device: Device) -> None:
        p = self.p
        alone = device.get("hoist_brake_closed") is None
        sag = self.reference - self._height(max)
        settles = held_s <= (p.command_settle_s if alone else p.settle_s)
        settles = settles and (alone or abs(sag) <= p.settle_m)
        radius = device.get("radius_m")
        luffs = None not in (radius, self.radius) and abs((radius or 0) - (self.radius or 0)) > 0.05
        self.radius = radius
        if not settles and not luffs and sag < -0.3:
            self.void = True
        if settles:
            self.reference = self._height(min)
        if luffs:
            self.reference, self.heights = height, [height]


class Shock:
    """`detectors.crane_shock`."""

    def __init__(self, equipment: Equipment, p: CraneShockParameters) -> None:
        self.equipment, self.p = equipment, p
        self.slack: int | None = None
        self.first: int | None = None
        self.samples: list[tuple[int, float]] = []
        self._settled = 0
        self.shock: int | None = None
        self.severe = False

    def judge(self, row: Row, device: Device) -> Judged:
        p, rated = self.p, _rated_t(self.equipment)
        load = row.values.get("hook_load_t")
        if load is not None and rated is not None:
            self._take(row.event, load, rated, device)
        if not device.known or rated is None:
            return _unknown(row)
        stands = self.shock is not None and (row.event - self.shock) / S < p.memory_s
        return Judged(
            known=True,
            standing=(stands, stands and self.severe, False),
            holds_s=(0, 0, 0),
            over=not stands,
            over_s=0,
            since=self.shock if stands and self.shock is not None else row.event,
        )

    def _take(self, event: int, load: float, rated: float, device: Device) -> None:
        p = self.p
        if load <= p.slack_ratio * rated:
            self.slack, self.first = event, None
            return
        if self.first is None and self.slack is not None:
            if (event - self.slack) / S <= p.interval_max_s:
                self.first, self.samples = event, []
            self.slack = None
        if self.first is None:
            return
        self.samples.append((event, load))
        age = (event - self.first) / S
        plateau = [t for at, t in self.samples if (at - self.first) / S >= p.plateau_s]
        ready = age >= p.verdict_s and len(plateau) >= p.samples_min
        lowered = device.get("hoist_command") == -1
        if ready and not lowered:
            self._settled = len(plateau)
            self._read(sum(plateau) / len(plateau), rated, device)
        if ready or lowered or age > 10:
            self.first = None

    def _read(self, plateau: float, rated: float, device: Device) -> None:
        p, first = self.p, self.first or 0
        early = [(at, t) for at, t in self.samples if (at - first) / S < p.plateau_s][:32]
        rises = [t for at, t in self.samples if (at - first) / S <= p.rise_s]
        swing = self._swing([((at - first) / S, t) for at, t in early], plateau)
        light = plateau < p.plateau_min_ratio * rated
        if max(rises) < plateau or swing <= (p.shock_ratio - 1) * plateau or light:
            return
        capacity = _capacity_t(self.equipment, device.get("radius_m")) or math.nan
        self.severe = plateau + swing > p.severe_ratio * capacity
        self.shock = next(at for at, t in early if t == max(t for _, t in early))

    def _swing(self, early: list[tuple[float, float]], plateau: float) -> float:
        begin = next((k for k, (_, load) in enumerate(early) if load >= plateau), len(early))
        off = [(at - early[begin][0], load - plateau) for at, load in early[begin:]]
        seen = max((abs(t) for _, t in off), default=0.0)
        loads = [t for _, t in self.samples]
        steps = [abs(b - a) for a, b in zip([0.0, *loads], loads, strict=False) if a != b]
        seen -= min(steps, default=0.0) if len(early) >= 10 else 0.0
        if len(off) < 10 or 4 * seen <= (self.p.shock_ratio - 1) * plateau:
            return seen
        settled = loads[len(loads) - self._settled :]
        mean = sum(settled) / len(settled)
        noise = max(0.0, sum(t * t for t in settled) / len(settled) - mean**2)
        return max(seen, _peak(np.array(off), noise))


def _peak(off: "np.ndarray", noise: float) -> float:
    """Least first peak of the damped oscillations that fit about as well as the best one."""
    at, target = off.T
    fastest = 2 * math.pi / 2.08 / (at[-1] / (len(at) - 1))
    fits = []
    for omega in 2 * math.pi * np.arange(1.6, 5.25, 0.1):
        for tau in (0.15, 0.25, 0.4, 0.65, 1.0, 2.0):
            fade = np.exp(-at / tau)
            waves = np.array([fade * np.cos(omega * at), fade * np.sin(omega * at)]).T
            square = waves.T @ waves
            if omega > fastest or not np.linalg.det(square) > 1e-6 * square[0, 0] * square[1, 1]:
                continue
            a, b = np.linalg.solve(square, waves.T @ target)
            left = float(((target - waves @ [a, b]) ** 2).sum())
            turn = math.atan(omega * tau)
            late = (turn - math.atan2(a, b)) / omega
            height = math.hypot(a, b)
            fits.append((left, height, height * math.sin(turn) * math.exp(-late / tau)))
    best, amplitude, _ = min(fits, default=(math.inf, 0.0, 0.0))
    if not math.sqrt(best / len(at)) <= 0.1 * amplitude:
        return 0.0
    noise = max(noise, best / max(len(at) - 4, 1))
    return min(peak for left, _, peak in fits if left <= best + 4 * noise)


class SidePull:
    """`detectors.crane_side_pull`."""

    PLACES = ("trolley_position_m", "bridge_position_m", "radius_m")

    def __init__(self, equipment: Equipment, p: CraneSidePullParameters) -> None:
        self.equipment, self.p = equipment, p
        self.floor: float | None = None
        self.load: float | None = None
        self.places: list[float | None] = [None] * 3
        self.dragged = 0.0
        self.side = 0
        self.taut: int | None = None
        self.slack = 0
        self.angle: int | None = None
        self.pull: int | None = None

    def judge(self, row: Row, device: Device) -> Judged:
        p, rated = self.p, _rated_t(self.equipment)
        load, height = row.values.get("hook_load_t"), device.get("hook_height_m")
        if load is not None and height is not None and rated is not None:
            self._take(row.event, load, height, rated, device)
        if not device.known or None in (height, device.get("hook_load_t"), rated):
            return _unknown(row)
        drags = self.dragged >= p.drag_m
        stands = self.pull is not None or drags
        return Judged(
            known=True,
            standing=(stands, False, False),
            holds_s=(0 if drags else p.hold_s, 0, 0),
            over=not stands,
            over_s=p.over_hold_s,
            since=row.event if self.pull is None else self.pull,
        )

    def _take(self, event: int, load: float, height: float, rated: float, device: Device) -> None:
        p = self.p
        taut = load > p.taut_ratio * rated
        since = event if self.taut is None else self.taut
        low = self.floor is not None and height - self.floor <= p.lift_m
        low = low and (self.taut is not None or (event - self.slack) / S <= 12)
        grounded = taut and low and (event - since) / S <= 60
        self.taut = since if grounded else None
        if taut and not grounded:
            self.floor = None
        sway = device.get("sway_deg")
        leans = grounded and sway is not None and abs(sway) > p.angle_deg
        side = (1 if (sway or 0) > 0 else -1) if leans else 0
        again = leans and side == self.side and self.angle is not None
        self.angle = (self.angle if again else event) if leans else None
        self.pull, self.side = self.angle if again else None, side
        places = [device.get(name) for name in self.PLACES]
        pairs = zip(places, self.places, strict=True)
        moved = [abs(now - then) for now, then in pairs if now is not None and then is not None]
        if grounded and self.load is not None and load - self.load > 0.01 * rated:
            self.dragged += max(moved, default=0.0)
        if not grounded:
            self.dragged = 0.0
        if not taut:
            self.floor, self.slack = height, event
        self.load, self.places = load, places


class LostLoad:
    """`detectors.crane_lost_load`."""

    def __init__(self, equipment: Equipment, p: CraneLostLoadParameters) -> None:
        self.equipment, self.p = equipment, p
        self.carried: float | None = None
        self.lifted = math.nan
        self.firm = self.kept = self.lowered = 0
        self.height: float | None = None
        self.lost: int | None = None
        self.lost_t = 0.0
        self.proved = False

    def judge(self, row: Row, device: Device) -> Judged:
        p, rated = self.p, _rated_t(self.equipment)
        told = row.values.get("hook_height_m")
        speed = device.get("hoist_speed_mps")
        sinks = told is not None and self.height is not None and told < self.height - 0.02
        if device.get("hoist_command") == -1 or (speed or 0) < -0.02 or sinks:
            self.lowered = row.event
        self.height = self.height if told is None else told
        load, height = row.values.get("hook_load_t"), device.get("hook_height_m")
        if load is not None and rated is not None:
            self._take(row.event, load, height, rated)
        if not device.known or None in (device.get("hook_load_t"), height, rated):
            return _unknown(row)
        stands = self.lost is not None and (row.event - self.lost) / S < p.memory_s
        proved = stands and self.proved
        return Judged(
            known=True,
            standing=(False, proved, proved),
            holds_s=(0, 0, p.confirmed_hold_s),
            over=not stands,
            over_s=0,
            since=self.lost if stands and self.lost is not None else row.event,
        )

    def _take(self, event: int, load: float, height: float | None, rated: float) -> None:
        p, carried = self.p, self.carried
        if self.lost is not None:
            self.proved = self.proved or load < self.lost_t / 2
            self.lost = None if load >= self.lost_t / 2 else self.lost
        if carried is None:
            self.carried, self.firm, self.kept, self.lifted = load, event, event, load
            return
        keeps, gone = load >= p.keep_share * carried, load <= p.low_share * carried
        if keeps and load <= carried / p.keep_share:
            self.carried, self.kept = carried + 0.2 * (load - carried), event
            return
        if not keeps and gone and self._collapsed(event, height, rated):
            self.lost, self.lost_t, self.proved = event, carried, False
        if keeps or gone or (event - self.kept) / S > p.collapse_s:
            self.lifted = load if keeps else math.nan
            self.carried, self.firm, self.kept = load, event, event

    def _collapsed(self, event: int, height: float | None, rated: float) -> bool:
        p = self.p
        return (
            (self.kept - self.firm) / S >= p.steady_s
            and (event - self.kept) / S <= p.collapse_s
            and (self.carried or 0) >= p.load_min_ratio * rated
            and (self.carried or 0) <= 1.5 * self.lifted
            and height is not None
            and height > p.height_min_m
            and (event - self.lowered) / S > p.lowered_s
        )


class Drift:
    """`detectors.crane_load_cell`: the zero."""

    def __init__(self, equipment: Equipment, p: CraneLoadCellParameters) -> None:
        self.equipment, self.p = equipment, p
        self.zero: float | None = None
        self.top = self.excess = 0.0
        self.at = 0
        self.low: int | None = None
        self.empty = False

    def judge(self, row: Row, device: Device) -> Judged:
        rated = _rated_t(self.equipment)
        load = row.values.get("hook_load_t")
        if load is not None and rated is not None and row.event > self.at:
            self._take(row.event, load, rated)
        known = device.known and None not in (device.get("hook_load_t"), rated, self.zero)
        if not known:
            return _unknown(row)
        return Judged(
            known=True,
            standing=(self.excess >= self.p.persist_s, False, False),
            holds_s=(0, 0, 0),
            over=self.excess <= 0,
            over_s=0,
            since=row.event,
        )

    def _take(self, event: int, load: float, rated: float) -> None:
        p, step = self.p, min((event - self.at) / S, 30)
        self.at = event
        jump = p.jump_ratio * rated
        if self.zero is None and abs(load) <= jump:
            self.zero, self.empty = load, True
        if not self.empty:
            self._set_down(event, load, rated)
        elif self.zero is not None and load - self.zero > jump:
            self.top, self.empty = 0.0, False
        elif self.zero is not None:
            self.zero += (1 - math.exp(-step / 60)) * (load - self.zero)
            off = min(max(abs(self.zero) / (p.drift_ratio * rated) - 1, -1), 1)
            self.excess = min(max(self.excess + off * step, 0), p.persist_s)

    def _set_down(self, event: int, load: float, rated: float) -> None:
        p, jump, base = self.p, self.p.jump_ratio * rated, self.zero or 0.0
        self.top = max(self.top, load)
        back = self.zero is not None and load - self.zero <= jump
        fallen = load - base <= (self.top - base) / 2 and self.top - base > jump
        low = fallen and abs(load) <= p.empty_ratio * rated
        self.low = (event if self.low is None else self.low) if low else None
        settled = self.low is not None and (event - self.low) / S >= p.settle_s
        if settled and not back:
            self.zero = load
        if back or settled:
            self.empty, self.low = True, None


class Stuck:
    """`detectors.crane_load_cell`: the reading."""

    def __init__(self, p: CraneLoadCellParameters) -> None:
        self.p = p
        self.load: float | None = None
        self.changed = 0
        self.strokes = 0
        self.turn: float | None = None
        self.way = 0

    def judge(self, row: Row, device: Device) -> Judged:
        load, height = row.values.get("hook_load_t"), row.values.get("hook_height_m")
        if load is not None and load != self.load:
            self.load, self.changed, self.strokes = load, row.event, 0
        if height is not None:
            self._stroke(height)
        if not device.known or None in (device.get("hook_load_t"), device.get("hook_height_m")):
            return _unknown(row)
        return Judged(
            known=True,
            standing=(self.strokes >= self.p.strokes, False, False),
            holds_s=(self.p.stuck_s, 0, 0),
            over=self.strokes == 0,
            over_s=0,
            since=self.changed,
        )

    def _stroke(self, height: float) -> None:
        step = 0.0 if self.turn is None else height - self.turn
        if self.turn is None or step * self.way > 0:
            self.turn = height
        elif abs(step) >= self.p.stroke_m:
            self.turn, self.way, self.strokes = height, 1 if step > 0 else -1, self.strokes + 1


@dataclass(slots=True)
class Duty:
    """`detectors.crane_duty` for one crane: every sample of a cycle is kept."""

    equipment: Equipment
    p: CraneDutyParameters = field(default_factory=CraneDutyParameters)
    cycles: int = 0
    uncertain: int = 0
    overloads: int = 0
    full: float = 0.0
    peak: float = 0.0
    tare: float = 0.0
    at: int = 0
    loads: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    cycle: list[float] = field(default_factory=list)
    capacity: float = math.inf
    began: int | None = None
    off: int | None = None
    origin: float | None = None
    carrying: bool = False
    moved: bool = False
    touched: bool = False

    def take(self, event: int, load: float, state: Mapping[str, float | None]) -> None:
        """Take in one load, with everything that is known at that moment."""
        p, rated = self.p, _rated_t(self.equipment)
        if rated is None or event <= self.at:
            return
        if self.at and (event - self.at) / S > p.gap_s:
            self._bridge(load, rated)
        self.loads = [*self.loads[-2:], load]
        smooth = _middle(self.loads)
        above = smooth > max(p.lift_ratio * rated, self.tare + p.lift_above_tare_ratio * rated)
        if self.began is None and above:
            self.began, self.cycle, self.raw, self.origin = event, [], [], None
            self.capacity, self.moved = math.inf, False
        elif self.began is None:
            share = 1 - math.exp(-min((event - self.at) / S, 30) / 60)
            tare = self.tare + share * (smooth - self.tare)
            self.tare = min(max(tare, -0.5 * rated), 0.5 * rated)
        if self.began is not None:
            self._go_on(event, load, smooth, rated, state, above=above)
        self.at = event

    def _bridge(self, load: float, rated: float) -> None:
        near = abs(load - self.loads[-1]) <= 0.05 * rated
        self.touched = self.touched or self.carrying
        if self.carrying and not near:
            self._count(self.at, rated)
        if not (self.carrying and near):
            self._forget()
        self.loads = []

    def _go_on(
        self,
        event: int,
        load: float,
        smooth: float,
        rated: float,
        state: Mapping[str, float | None],
        *,
        above: bool,
    ) -> None:
        p = self.p
        capacity = _capacity_t(self.equipment, state.get("radius_m"))
        self.capacity = min(self.capacity, math.inf if capacity is None else capacity)
        self.raw.append(load)
        self.cycle.append(smooth)
        height, command = state.get("hook_height_m"), state.get("hoist_command")
        self.origin = height if self.origin is None else self.origin
        if height is not None and self.origin is not None and abs(height - self.origin) > 0.1:
            self.moved = True
        if command in (1, -1) or (height is None and command is None):
            self.moved = True
        if not self.carrying:
            stood = (event - (self.began or 0)) / S >= p.lift_s
            self.carrying = above and stood and self.moved
            if not above:
                self._forget()
                return
        low = max(p.off_ratio * rated, self.tare + p.off_ratio * rated)
        off = self.carrying and smooth <= max(low, p.off_share * statistics.median(self.cycle))
        self.off = (event if self.off is None else self.off) if off else None
        if self.off is not None and (event - self.off) / S >= p.off_s:
            self._count(self.off, rated)
            self.tare = min(max(smooth, -0.5 * rated), 0.5 * rated)
            self._forget()

    def _count(self, end: int, rated: float) -> None:
        if end - (self.began or 0) < round(self.p.cycle_min_s * S):
            return
        load = max(statistics.median(self.cycle) - self.tare, 0.0)
        self.cycles += 1
        self.uncertain += self.touched
        self.overloads += load > self.capacity
        self.full += (load / rated) ** 3
        self.peak = max(self.peak, max(self.raw) / rated)

    def _forget(self) -> None:
        self.began = self.off = None
        self.carrying = self.touched = False
