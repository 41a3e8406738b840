"""Rules of a boiler's pressure once more, for one device and one row at a time, in plain Python.

Written from what the modules say they do; see `tests.detectors.reference`.
"""

import math
import statistics
from typing import Any

from detectors.steam import saturation_c, saturation_mpa
from domain.equipment import Equipment
from tests.detectors.reference import Device, Judged, Row, S, _may_fire, _tolerance, _unknown


def set_mpa(equipment: Equipment) -> float | None:
    rated, limit = equipment.rated_pressure_mpa, equipment.safety_valve_set_mpa
    if limit is None and rated is not None:
        factor = 1.04 if rated <= 5.9 else 1.05
        return rated + 0.03 if rated <= 0.8 else factor * rated
    return limit


def fires(device: Device) -> bool:
    flame, stage = device.get("flame_on"), device.get("burner_stage")
    return flame == 1 if flame is not None else stage in (3, 4)


def fire_known(device: Device) -> bool:
    return device.get("flame_on") is not None or device.get("burner_stage") is not None


def boils_c(gauge_mpa: float | None) -> float | None:
    if gauge_mpa is None:
        return None
    found = float(saturation_c(gauge_mpa))  # type: ignore[arg-type]  # a number is an array too
    return None if math.isnan(found) else found


class Trace:
    """`detectors.boiler_samples.PressureTrace`."""

    def __init__(self) -> None:
        self.samples: list[tuple[int, float]] = []
        self.shifted = False
        self.jumped: int | None = None
        self.coarse = 0.0

    def push(self, row: Row) -> float | None:
        """Take in a row; return by how much the pressure jumped."""
        value, jumped = row.values.get("steam_pressure_mpa"), None
        if value is None or (self.samples and row.event <= self.samples[-1][0]):
            return None
        if self.samples:
            at, before = self.samples[-1]
            step = value - before
            jumps = abs(step) > max(0.025 * ((row.event - at) / S), 1.5 * self.coarse)
            if step:
                larger = 1.2 * max(self.coarse, 0.001) if self.coarse else 0.04
                self.coarse = min(abs(step), 0.04, larger)
            self.shifted = jumps or (self.shifted and step == 0)
            if jumps:
                self.jumped, jumped = at, step
        self.samples = [*self.samples[-15:], (row.event, value)]
        return jumped

    def steady(self) -> bool:
        newest = self.samples[-1][0] if self.samples else 0
        recent = self.jumped is not None and newest - self.jumped <= 10 * S
        return not recent and not self.shifted

    def line(self) -> tuple[float, float] | None:
        """Slope and fitted pressure."""
        newest = self.samples[-1][0] if self.samples else 0
        window = [((at - newest) / S, mpa) for at, mpa in self.samples if newest - at <= 10 * S]
        if len(window) < 3 or window[0][0] > -3:
            return None
        times, values = zip(*window, strict=True)
        found = statistics.linear_regression(times, values)
        return found.slope, found.intercept


class Steam:
    """`detectors.boiler_witness.SteamWitness`."""

    def __init__(self) -> None:
        self.usual = self.recent = self.learned = self.recent_s = 0.0
        self.sampled = 0

    def low(self, warm_up_s: float = 1_800) -> float:
        return self.usual - self.recent if self.learned >= warm_up_s else 0.0

    def learn(self, off: float, passed: float) -> None:
        odd = abs(self.low()) > 1
        self.learned += passed
        self.recent_s += passed
        usual_s = 864_000 if odd else min(self.learned, 86_400)
        self.usual += (off - self.usual) * passed / usual_s
        self.recent += (off - self.recent) * passed / min(self.recent_s, 300)


class Burner:
    """`detectors.boiler_witness.BurnerWitness`."""

    def __init__(self) -> None:
        self.usual, self.scatter, self.count = [0.0, 0.0], [0.0, 0.0], [0, 0]
        self.off: tuple[float | None, float | None] = (None, None)
        self.switched = 0

    def learn(self, row: Row, device: Device) -> None:
        sort, pressure = _switching(device), device.get("steam_pressure_mpa")
        near = row.event - device.reported.get("steam_pressure_mpa", 0) <= 5 * S
        if sort is None or pressure is None or not near or row.event <= self.switched:
            return
        learned, off = self.count[sort] >= 3, pressure - self.usual[sort]
        away = off if learned else self.off[1]
        odd = away is not None and abs(away) > 0.02
        if learned or not odd:
            self.count[sort] = min(self.count[sort] + 1, 200)
            gain = 1 / 2_000 if odd else 1 / self.count[sort]
            self.usual[sort] += gain * off
            far = 0.0 if self.count[sort] == 1 else abs(off)
            self.scatter[sort] += gain * (far - self.scatter[sort])
        if learned and self.scatter[sort] <= 0.01:
            self.off, self.switched = (self.off[1], off), row.event

    def known(self, event: int) -> float:
        former, newest = self.off
        if former is None or newest is None or event - self.switched > 1_800 * S:
            return 0.0
        return 1.25 * newest if former * newest > 0 else 0.0


def _switching(device: Device) -> int | None:
    before, now = device.before.get("burner_stage"), device.get("burner_stage")
    lit_before, lit = device.before.get("flame_on"), device.get("flame_on")
    if (before, now) == (4, 3):
        return 0
    if before in (3, 4) and now == 0:
        return 1
    return 1 if now is None and (lit_before, lit) == (1, 0) else None


class View:
    """`detectors.boiler_sight.PressureView`."""

    def __init__(self, equipment: Equipment) -> None:
        self.limit = set_mpa(equipment)
        rated = equipment.rated_pressure_mpa
        self.rated = self.limit if rated is None else rated
        self.trace, self.steam, self.burner = Trace(), Steam(), Burner()

    def take(self, row: Row, device: Device) -> None:
        jumped = self.trace.push(row)
        if jumped is not None:
            first, second = self.burner.off
            self.burner.off = (
                None if first is None else first + jumped,
                None if second is None else second + jumped,
            )
            self.steam.recent_s = 0.0
        self.burner.learn(row, device)
        self._learn_steam(row, device)

    def _learn_steam(self, row: Row, device: Device) -> None:
        steam = self.steam
        if row.values.get("steam_temperature_c") is None or row.event <= steam.sampled:
            return
        before, steam.sampled = steam.sampled, row.event
        passed = (row.event - before) / S
        pressure, shown = device.get("steam_pressure_mpa"), device.get("steam_temperature_c")
        boils = boils_c(pressure)
        if not before or passed > 120 or pressure is None or shown is None or boils is None:
            return
        real = pressure - self.off(pressure, row.event)
        if pressure >= 0.1 and self.rated is not None and real <= self.rated:
            steam.learn(shown - boils, passed)

    def off(self, pressure: float, event: int, p: Any = None) -> float:
        """How much too high a pressure is shown."""
        denied_k, warm_up_s = (1.0, 1_800) if p is None else (p.denied_k, p.warm_up_s)
        low, boils = self.steam.low(warm_up_s), boils_c(pressure)
        if abs(low) <= denied_k or event - self.steam.sampled > 120 * S or boils is None:
            return 0.0
        real = float(saturation_mpa(boils - low))  # type: ignore[arg-type]  # as above
        one, other = pressure - real, self.burner.known(event)
        if math.isnan(one) or one * other <= 0:
            return 0.0
        return math.copysign(min(abs(one), abs(other)), one)


class Pressure:
    """`detectors.boiler_pressure`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p, self.view = p, View(equipment)

    def judge(self, row: Row, device: Device) -> Judged:
        p, view = self.p, self.view
        view.take(row, device)
        shown, rated, limit = device.get("steam_pressure_mpa"), view.rated, view.limit
        if not device.known or shown is None or rated is None or limit is None:
            return _unknown(row)
        off = view.off(shown, row.event, p)
        pressure = shown - off
        fitted, ahead_s = self._forecast(limit, off)
        beyond = fitted > rated * (1 + p.margin) and _may_fire(device)
        soon = beyond and ahead_s < p.forecast_confirmed_s
        near = min(_tolerance(limit), (limit - rated) / 2)
        return Judged(
            known=True,
            standing=(
                pressure > rated,
                beyond and ahead_s < p.forecast_suspected_s,
                soon or (pressure >= limit - near and view.trace.steady()),
            ),
            holds_s=(p.advisory_hold_s, 0, 0 if soon else device.sampled_s(p.limit_hold_s)),
            over=pressure < rated * p.over_share,
            over_s=p.over_hold_s,
            since=row.event,
        )

    def _forecast(self, limit: float, off: float) -> tuple[float, float]:
        p, line = self.p, self.view.trace.line()
        if line is None:
            return 0.0, math.inf
        slope, fitted = line[0], line[1] - off
        rises = p.slope_min_mpa_per_min <= slope * 60 <= p.slope_max_mpa_per_min
        if not rises or not self.view.trace.steady():
            return fitted, math.inf
        return fitted, max(0.0, (limit - fitted) / slope)


class Sensor:
    """`detectors.boiler_sensor`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p, self.view = p, View(equipment)

    def judge(self, row: Row, device: Device) -> Judged:
        p, view = self.p, self.view
        view.take(row, device)
        pressure = device.get("steam_pressure_mpa")
        told = row.event - view.steam.sampled <= 120 * S
        if not device.known or pressure is None or not told:
            return _unknown(row)
        off, cold = view.off(pressure, row.event, p), view.steam.low(p.warm_up_s)
        wrong = abs(off) > p.off_mpa
        return Judged(
            known=True,
            standing=(wrong or cold > p.cold_k, False, False),
            holds_s=(p.hold_s if wrong else p.cold_hold_s, 0, 0),
            over=abs(off) < p.off_mpa / 2 and cold < p.cold_k / 2,
            over_s=p.over_hold_s,
            since=row.event,
        )


class Limiter:
    """`detectors.boiler_limiter`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p, self.view = p, View(equipment)
        self.rated = self.view.rated

    def judge(self, row: Row, device: Device) -> Judged:
        p = self.p
        self.view.take(row, device)
        pressure, level = device.get("steam_pressure_mpa"), device.get("water_level_mm")
        switch = device.get("low_water")
        by_pressure = pressure is not None and self.rated is not None
        if not device.known or not fire_known(device):
            return _unknown(row)
        if not by_pressure and level is None and switch is None:
            return _unknown(row)
        # What is not known is above nothing.
        shown, rated = pressure or 0.0, self.rated or 0.0
        above = by_pressure and shown - self.view.off(shown, row.event, p) > rated * p.trip_ratio
        below = switch == 1 or (level is not None and level <= p.low_low_level_mm)
        burns = fires(device)
        proven = above and self.view.trace.steady()
        hold_s = device.sampled_s(p.hold_s)
        return Judged(
            known=True,
            standing=(False, False, burns and (proven or below)),
            holds_s=(0, 0, hold_s),
            over=not burns or not (above or below),
            over_s=p.over_hold_s,
            since=row.event,
        )


class Valve:
    """`detectors.boiler_valve`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p, self.view = p, View(equipment)
        self.limit = self.view.limit

    def judge(self, row: Row, device: Device) -> Judged:
        self.view.take(row, device)
        lifted, pressure = device.get("safety_valve_lifted"), device.get("steam_pressure_mpa")
        if not device.known or lifted is None:
            return _unknown(row)
        by_hand = False
        if pressure is not None and self.limit is not None:
            real = pressure - min(self.view.off(pressure, row.event), 0.0)
            by_hand = real < self.limit - _tolerance(self.limit) - self.view.trace.coarse / 2
        hold_s = device.sampled_s(self.p.lift_hold_s)
        return Judged(
            known=True,
            standing=(lifted == 1, lifted == 1 and not by_hand, False),
            holds_s=(hold_s, hold_s, 0),
            over=lifted == 0,
            over_s=self.p.over_hold_s,
            since=row.event,
        )


class ValveStuck:
    """`detectors.boiler_valve_stuck`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.equipment, self.p, self.view = equipment, p, View(equipment)
        self.limit = self.view.limit
        self.approach: float | None = None
        self.idle = self.idle_fire = 0.0
        self.seen: int | None = None

    def judge(self, row: Row, device: Device) -> Judged:
        p = self.p
        self.view.take(row, device)
        self._count(row, device)
        pressure, lifted = device.get("steam_pressure_mpa"), device.get("safety_valve_lifted")
        line = self.view.trace.line()
        slope = None if line is None else line[0]
        if pressure is not None:
            pressure -= self.view.off(pressure, row.event, p)
        if pressure is not None and self.limit is not None and pressure < self.limit and line:
            self.approach = slope
        if not device.known or pressure is None or self.limit is None:
            return _unknown(row)
        least = p.knee_share * max(self.approach or 0.0, 0.0)
        if not fires(device):
            least = -p.cooling_mpa_per_min / 60
        knee = slope is None or slope < least
        most = self.limit + max(_tolerance(self.limit), 0.03 * self.limit)
        above = pressure > most
        sticks = lifted == 0 or (not knee and lifted is None)
        leaks = lifted == 1 and pressure < self.limit * p.reseat_share
        simmers = self.idle >= p.idle_s and self.idle_fire > p.idle_duty * self.idle
        sticks = sticks and above and self.view.trace.steady()
        stuck_s = max(p.shut_hold_s if knee else p.stuck_hold_s, device.sampled_s(0))
        leak_s = 0.0 if simmers else device.sampled_s(p.leak_hold_s)
        return Judged(
            known=True,
            standing=(leaks or simmers, False, sticks),
            holds_s=(leak_s, 0, stuck_s),
            over=pressure < self.limit and not leaks and not simmers,
            over_s=p.over_hold_s,
            since=row.event,
        )

    def _count(self, row: Row, device: Device) -> None:
        p, rated = self.p, self.view.rated
        tph = self.equipment.rated_evaporation_tph
        flow, pressure = device.get("steam_flow_tph"), device.get("steam_pressure_mpa")
        known = None not in (flow, pressure, rated, tph)
        idle = known and flow <= tph * p.idle_flow_share
        idle = idle and pressure >= rated * p.idle_pressure_share
        if not idle:
            self.idle = self.idle_fire = 0.0
        passed = 0.0 if self.seen is None else (row.event - self.seen) / S
        if idle and 0 < passed <= p.idle_gap_s:
            self.idle += passed
            self.idle_fire += passed * fires(device)
        if self.idle > 2 * p.idle_s:
            self.idle, self.idle_fire = self.idle / 2, self.idle_fire / 2
        self.seen = row.event if self.seen is None else max(self.seen, row.event)
