"""Boiler and vessel detectors once more, for one device and one row at a time, in plain Python.

Written from what the modules say they do; see `tests.detectors.reference`.
"""

import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from detectors import catalog
from domain.equipment import Equipment, Kind
from tests.detectors.reference import Device, Judge, Judged, Row, S, _unknown
from tests.detectors.reference_pressure import (
    Limiter,
    Pressure,
    Sensor,
    Valve,
    ValveStuck,
    boils_c,
    fire_known,
    fires,
)

FAR_BACK = -(10**18)


def advisory(row: Row, stands: bool, *, over: bool, over_s: float, since: int | None) -> Judged:
    return Judged(
        known=True,
        standing=(stands, False, False),
        holds_s=(0, 0, 0),
        over=over,
        over_s=over_s,
        since=row.event if since is None else since,
    )


class Superheat:
    """`detectors.boiler_superheat`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        del equipment
        self.p = p
        self.present: float | None = None
        self.former: float | None = None
        self.span = self.sampled = 0
        self.usual = self.learned = 0.0
        self.usual_flue: float | None = None

    def judge(self, row: Row, device: Device) -> Judged:
        p = self.p
        self._peak(row)
        self._learn(row, device)
        excess = self._excess(device)
        if not device.known or excess is None or self.learned < p.warm_up_s:
            return _unknown(row)
        level, flue = device.get("water_level_mm"), device.get("flue_gas_temperature_c")
        hot = flue is not None and self.usual_flue is not None
        hot = hot and flue > self.usual_flue + p.flue_rise_k
        witness = hot or (level is not None and level <= p.low_level_mm)
        dry = fires(device) and excess > p.dry_excess_k and witness
        return Judged(
            known=True,
            standing=(excess > p.excess_k, dry, False),
            holds_s=(device.sampled_s(p.hold_s), device.sampled_s(p.dry_hold_s), 0),
            over=excess < p.excess_k / 2,
            over_s=p.over_hold_s,
            since=row.event,
        )

    def _peak(self, row: Row) -> None:
        pressure = row.values.get("steam_pressure_mpa")
        if pressure is None:
            return
        old = row.event - self.span
        if old >= self.p.lag_s * S:
            self.former = self.present if old < 2 * self.p.lag_s * S else None
            self.present, self.span = None, row.event
        self.present = pressure if self.present is None else max(self.present, pressure)

    def _excess(self, device: Device) -> float | None:
        steam = device.get("steam_temperature_c")
        peaks = [peak for peak in (self.present, self.former) if peak is not None]
        boils = boils_c(max(peaks)) if peaks else None
        pressure = device.get("steam_pressure_mpa")
        if steam is None or boils is None or pressure is None or pressure < 0.1:
            return None
        return steam - boils - max(self.usual, 0.0)

    def _learn(self, row: Row, device: Device) -> None:
        p = self.p
        if row.values.get("steam_temperature_c") is None or row.event <= self.sampled:
            return
        passed = (row.event - self.sampled) / S
        usable = self.sampled and passed <= p.step_max_s
        self.sampled = row.event
        excess = self._excess(device)
        if not usable or excess is None:
            return
        if self.learned >= p.warm_up_s and abs(excess) >= p.excess_k:
            return
        self.learned += passed
        gain = passed / min(self.learned, p.usual_s)
        self.usual += gain * (excess + max(self.usual, 0.0) - self.usual)
        flue = device.get("flue_gas_temperature_c")
        if fires(device) and flue is not None:
            usual = flue if self.usual_flue is None else self.usual_flue
            self.usual_flue = usual + gain * (flue - usual)


class Feed:
    """`detectors.boiler_feed`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p = p
        tph = equipment.rated_evaporation_tph
        self.none = p.flow_min_tph if tph is None else tph * p.flow_share
        self.lowest = 0.0
        self.dry: int | None = None
        self.empty: int | None = None

    def judge(self, row: Row, device: Device) -> Judged:
        p, level = self.p, device.get("water_level_mm")
        if not device.known or level is None:
            self.dry = self.empty = None
            return _unknown(row)
        pump, flow = device.get("feed_pump_on"), device.get("feed_water_flow_tph")
        if level > p.start_level_mm - p.margin_mm:
            self.dry = None
        elif self.dry is None or level >= self.lowest + p.rise_mm:
            self.dry, self.lowest = row.event, level
        else:
            self.lowest = min(self.lowest, level)
        runs = self.dry is not None and pump == 1 and flow is not None and flow <= self.none
        sampled = device.reported.get("feed_water_flow_tph", 0)
        runs = runs and sampled > device.changed.get("feed_pump_on", 0)
        self.empty = (row.event if self.empty is None else self.empty) if runs else None
        effect_s = p.start_hold_s if pump == 0 else p.effect_hold_s
        waits = ((self.dry, effect_s), (self.empty, p.flow_hold_s))
        stood = [at for at, s in waits if at is not None and row.event - at >= s * S]
        over = level > p.start_level_mm
        since = min(stood, default=None)
        return advisory(row, bool(stood), over=over, over_s=p.over_hold_s, since=since)


class Flame:
    """`detectors.boiler_flame`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p, self.rated = p, equipment.rated_pressure_mpa
        self.stage: float | None = None
        self.since = self.row = self.gap = self.said = 0
        self.sharp = False
        self.tries: list[int] = []
        self.irregular: int | None = None
        self.sensed = False

    def judge(self, row: Row, device: Device) -> Judged:
        p = self.p
        stage, flame = device.get("burner_stage"), device.get("flame_on")
        known = device.known and stage is not None
        close = row.event - self.row <= p.purge_min_s / 2 * S
        if not close:
            self.gap = row.event
        close = close and self.said >= self.gap
        if row.values.get("burner_stage") is not None:
            self.said = row.event
        self._excuse(row)
        if stage is not None and known and stage != self.stage:
            self._move(row, device, stage, close=close)
            self.sharp = close
        self.row = max(self.row, row.event)
        if not known:
            return _unknown(row)
        self.sensed |= stage in (3, 4) and flame == 1
        ghost = flame == 1 and stage in (0, 5)
        out = flame == 0 and stage in (3, 4) and self.sensed
        recent = self._recent(row.event)
        stands_s = 0 if recent else p.out_hold_s if out else p.ghost_hold_s
        return Judged(
            known=True,
            standing=(recent or ghost or out, False, False),
            holds_s=(stands_s, 0, 0),
            over=not (recent or ghost or out),
            over_s=p.out_hold_s,
            since=row.event,
        )

    def _move(self, row: Row, device: Device, stage: float, *, close: bool) -> None:
        p, before = self.p, self.stage
        if stage == 2 and before is not None:
            self.tries = [*self.tries[-7:], row.event]
        if stage in (3, 4):
            self.tries = []
        short = before == 1 and close and self.sharp and row.event - self.since < p.purge_min_s * S
        if stage in (2, 3, 4) and ((before in (0, 5) and close) or short):
            self.irregular = row.event
        if stage == 5 and before is not None and (before in (1, 2) or self._no_reason(device)):
            self.irregular = row.event
        self.stage, self.since = stage, row.event

    def _no_reason(self, device: Device) -> bool:
        pressure, level = device.get("steam_pressure_mpa"), device.get("water_level_mm")
        if pressure is None or level is None or self.rated is None:
            return False
        right = pressure < self.rated and level > self.p.low_level_mm
        return right and device.get("low_water") in (0, None)

    def _excuse(self, row: Row) -> None:
        purge = row.values.get("burner_stage") == 1 and self.irregular is not None
        if purge and 0 < (self.irregular or 0) - row.event <= 300 * S:
            self.irregular = None

    def _recent(self, event: int) -> bool:
        p = self.p
        tries = [at for at in self.tries if event - at <= p.tries_s * S]
        if len(tries) >= p.tries_max:
            return True
        if self.irregular is None:
            return False
        return bool(p.settle_s * S <= event - self.irregular <= p.remember_s * S)


class Hunting:
    """`detectors.boiler_hunting`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p, self.rated = p, equipment.rated_pressure_mpa
        self.tph = equipment.rated_evaporation_tph
        self.flows: list[float] = []
        self.means: list[float | None] = []
        self.way = 0
        self.extreme: float | None = None
        self.extreme_at = self.extreme_fire = 0
        self.turns: list[tuple[int, float, bool]] = []
        self.starts: list[int] = []
        self.fired = False

    def judge(self, row: Row, device: Device) -> Judged:
        if fire_known(device):
            if fires(device) and not self.fired:
                self.starts = [*self.starts[-15:], row.event]
            self.fired = fires(device)
        sample = row.values.get("steam_pressure_mpa")
        if sample is not None and row.event > self.extreme_at:
            self._follow(row.event, sample, device)
        pressure = device.get("steam_pressure_mpa")
        if not device.known or pressure is None or not fire_known(device):
            return _unknown(row)
        hunts = self._hunts(row.event) and self._dense(device)
        return advisory(row, hunts, over=not hunts, over_s=self.p.over_hold_s, since=None)

    def _follow(self, event: int, sample: float, device: Device) -> None:
        p = self.p
        moves = self.extreme is None
        if self.extreme is not None:
            gone = sample - self.extreme
            if self.way and -gone * self.way >= p.swing_min_mpa:
                driven = self.extreme_at - self.extreme_fire <= p.response_s * S
                self.turns = [*self.turns[-11:], (self.extreme_at, self.extreme, driven)]
                mean = statistics.fmean(self.flows) if self.flows else None
                self.means, self.flows = [*self.means[-11:], mean], []
                self.way, moves = -self.way, True
            elif not self.way and abs(gone) >= p.swing_min_mpa:
                self.way = 1 if gone > 0 else -1
            moves = moves or gone * self.way > 0
        flow = device.get("steam_flow_tph")
        if flow is not None and self.tph is not None:
            self.flows.append(flow / self.tph)
        if moves:
            self.extreme, self.extreme_at = sample, event
        changed = max(device.changed.get("flame_on", 0), device.changed.get("burner_stage", 0))
        if changed <= self.extreme_at + p.lead_s * S:
            self.extreme_fire = changed

    def _hunts(self, event: int) -> bool:
        p, turns = self.p, self.turns
        if len(turns) < 12 or not all(driven for *_, driven in turns):
            return False
        periods = [turns[i + 2][0] - turns[i][0] for i in range(10)]
        swings = [abs(turns[i + 1][1] - turns[i][1]) for i in range(11)]
        if min(periods) < p.period_min_s * S or max(periods) > p.period_max_s * S:
            return False
        if max(periods) > p.period_ratio * min(periods) or event - turns[-1][0] > 2 * max(periods):
            return False
        if self._load_drives():
            return False
        starts = [at for at in self.starts if event - at <= 3600 * S]
        wide = self.rated is not None and min(swings) >= p.band_share * self.rated
        return bool(wide or len(starts) > p.starts_max)

    def _dense(self, device: Device) -> bool:
        turns = self.turns
        periods = [turns[i + 2][0] - turns[i][0] for i in range(10)]
        return min(periods) >= 4 * max(device.interval, device.former_interval)

    def _load_drives(self) -> bool:
        if None in self.means:
            return False
        more = []
        for i in range(11):
            falls = 1 if self.turns[i + 1][1] < self.turns[i][1] else -1
            more.append(((self.means[i + 1] or 0.0) - (self.means[i] or 0.0)) * falls)
        return bool(statistics.fmean(more) > self.p.load_share)


class Balance:
    """`detectors.boiler_balance`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p, self.tph = p, equipment.rated_evaporation_tph
        self.begun: int | None = None
        self.row = 0
        self.flow: tuple[float | None, float | None] = (None, None)
        self.totals = [0.0, 0.0]
        self.counted = 0.0
        self.moved = [False, False]
        self.pumped = False
        self.usual = self.sum = 0.0
        self.blocks = -1.0
        self.since: int | None = None

    def judge(self, row: Row, device: Device) -> Judged:
        p = self.p
        flow = (device.get("feed_water_flow_tph"), device.get("steam_flow_tph"))
        if row.event > self.row:
            self._integrate(row.event, flow)
        pumped = device.get("feed_pump_on") == 1
        age = 0 if self.begun is None else row.event - self.begun
        stops = self.pumped and not pumped and age >= p.block_s * S
        if self.begun is not None and (stops or age >= 8 * p.block_s * S):
            self._close(age)
            self.begun, self.totals, self.counted = row.event, [0.0, 0.0], 0.0
            self.moved = [False, False]
        self.pumped = pumped
        if not device.known or None in flow or self.tph is None:
            return _unknown(row)
        leaks = self.sum > p.limit_h
        since = self.since if leaks else None
        return advisory(row, leaks, over=self.sum <= 0, over_s=p.over_hold_s, since=since)

    def _integrate(self, event: int, flow: tuple[float | None, float | None]) -> None:
        passed = (event - self.row) / S
        if self.row and None not in self.flow and passed <= self.p.gap_max_s:
            self.counted += passed
            for side in (0, 1):
                self.totals[side] += (self.flow[side] or 0.0) * (passed / 3600)
        for side in (0, 1):
            now, before = flow[side], self.flow[side]
            if now is not None and before is not None and now != before:
                self.moved[side] = True
        self.flow, self.row = flow, event
        self.begun = event if self.begun is None else self.begun

    def _close(self, age: int) -> None:
        p, hours = self.p, self.counted / 3600
        if self.blocks < 0:
            self.blocks = 0.0
            return
        alive = all(m or t == 0 for m, t in zip(self.moved, self.totals, strict=True))
        if not alive or self.counted * 2 * S < age or not hours or self.tph is None:
            return
        share = (self.totals[0] - self.totals[1]) / (self.tph * hours)
        young = self.blocks < p.warm_up_blocks
        grown = self.sum + (share - self.usual - p.slack_share) * hours
        self.sum = 0.0 if young else min(max(grown, 0.0), 2 * p.limit_h)
        if self.sum <= 0:
            self.since = None
        elif self.since is None:
            self.since = self.begun
        if young or abs(share - self.usual) <= 3 * p.slack_share:
            self.blocks += 1
            gain = 1 / self.blocks if young else hours / p.usual_h
            self.usual += gain * (share - self.usual)


class Fouling:
    """`detectors.boiler_fouling`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        self.p, self.tph = p, equipment.rated_evaporation_tph
        self.load: int | None = None
        self.load_at = 0
        self.row = self.day = 0
        self.sums: dict[int, tuple[float, float]] = {}
        self.known: dict[int, tuple[float, float, int]] = {}

    def judge(self, row: Row, device: Device) -> Judged:
        p = self.p
        if not self.day:
            self.day = row.event
        elif row.event - self.day >= self.p.period_s * S:
            self._close(row.event)
        self._sample(row, device)
        load = self._class(device)
        if load != self.load:
            self.load, self.load_at = load, row.event
        judged = [
            recent - clean for recent, clean, days in self.known.values() if days >= p.periods_min
        ]
        if not device.known or not judged:
            return _unknown(row)
        rise = max(0.0, *judged)
        over = rise < p.rise_k / 2
        return advisory(row, rise > p.rise_k, over=over, over_s=p.over_hold_s, since=None)

    def _class(self, device: Device) -> int | None:
        stage, flow = device.get("burner_stage"), device.get("steam_flow_tph")
        if not fires(device):
            return None
        if stage is not None:
            return {3: 0, 4: 1}.get(int(stage))
        if flow is None or self.tph is None:
            return None
        return 2 + min(max(math.floor(flow / self.tph * 4), 0), 3)

    def _sample(self, row: Row, device: Device) -> None:
        if row.values.get("flue_gas_temperature_c") is None or row.event <= self.row:
            return
        passed = min((row.event - self.row) / S, self.p.gap_max_s)
        first, self.row = not self.row, row.event
        boils = boils_c(device.get("steam_pressure_mpa"))
        flue = device.get("flue_gas_temperature_c")
        if first or self.load is None or boils is None or flue is None:
            return
        if row.event - self.load_at < self.p.settle_s * S:
            return
        total, time = self.sums.get(self.load, (0.0, 0.0))
        self.sums[self.load] = (total + (flue - boils) * passed, time + passed)

    def _close(self, event: int) -> None:
        p = self.p
        for load, (total, time) in self.sums.items():
            if time < p.period_min_s:
                continue
            mean = total / time
            recent, clean, days = self.known.get(load, (-1e9, 0.0, 0))
            if mean - recent > p.step_k:
                self.known[load] = (mean, mean, 1)
                continue
            recent += (mean - recent) / 2
            self.known[load] = (
                recent,
                min(clean + p.forget_k * p.period_s / 86_400, recent),
                days + 1,
            )
        self.sums, self.day = {}, event


class Zero:
    """`detectors.vessel_lock.VesselZero`."""

    def __init__(self, p: Any) -> None:
        self.p, self.zero = p, 0.0
        self.opened: int | None = None
        self.level: tuple[float | None, int] = (None, 0)
        self.vented: float | None = None

    def above(self, row: Row, device: Device) -> float | None:
        pressure = device.get("internal_pressure_mpa")
        open_ = device.get("door_closed") == 0
        self.opened = (row.event if self.opened is None else self.opened) if open_ else None
        if self.opened is not None and row.values.get("internal_pressure_mpa") is not None:
            long = row.event - self.opened >= self.p.zero_after_s * S
            switches = (device.get("lock_engaged"), device.get("vent_open"))
            most = self.p.zero_far_mpa if switches == (0, 1) else self.p.zero_max_mpa
            if long and pressure is not None and abs(pressure) <= most:
                self.zero = pressure
        above = None if pressure is None else pressure - self.zero
        self._follow(row, device, above)
        return above

    def _follow(self, row: Row, device: Device, above: float | None) -> None:
        vents = device.get("vent_open") == 1
        if not vents:
            self.vented = above
        level = self.level[0]
        near = above is not None and level is not None and abs(above - level) <= self.p.settled_mpa
        fresh = row.values.get("internal_pressure_mpa") is not None
        if not vents or (fresh and not near):
            self.level = above, row.event

    def settled(self, row: Row, device: Device, above: float | None) -> bool:
        if above is None or self.vented is None or device.get("vent_open") != 1:
            return False
        shut = device.get("door_closed") == 1 or self.opened == row.event
        stands = row.event - self.level[1] >= self.p.settled_s * S
        return shut and stands and above <= self.p.settled_share * self.vented


class Lock:
    """`detectors.vessel_lock.VesselLock`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        del equipment
        self.p, self.zero = p, Zero(p)

    def judge(self, row: Row, device: Device) -> Judged:
        p, above = self.p, self.zero.above(row, device)
        lock = device.get("lock_engaged")
        if not device.known or above is None or lock is None:
            return _unknown(row)
        loose = lock == 0 and device.get("door_closed") != 0
        loose = loose and not self.zero.settled(row, device, above)
        hold_s = device.sampled_s(p.hold_s)
        return Judged(
            known=True,
            standing=(False, loose and above > p.pressure_mpa, loose and above > p.confirmed_mpa),
            holds_s=(0, hold_s, hold_s),
            over=not loose or above <= p.pressure_mpa,
            over_s=p.over_hold_s,
            since=row.event,
        )


class Interlock:
    """`detectors.vessel_lock.VesselInterlock`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        del equipment
        self.p, self.zero = p, Zero(p)
        self.door: float | None = None
        self.lock: float | None = None
        self.opening: int | None = None
        self.waiting: int | None = None
        self.waiting_mpa = 0.0
        self.wrong = self.wrong_at = 0
        self.calm: int | None = None
        self.bridged = False

    def judge(self, row: Row, device: Device) -> Judged:
        p, above = self.p, self.zero.above(row, device)
        door, lock = device.get("door_closed"), device.get("lock_engaged")
        unlocks = self._switch(row, door, lock)
        pressed = above is not None and above > p.pressure_mpa
        self._judge_opening(row, device, above)
        if self.waiting is not None:
            self._wait(row, device, above)
        forced = self.bridged and door == 1 and pressed
        if self.zero.opened is not None and lock == 1:
            since = max(self.zero.opened, device.changed.get("lock_engaged", 0))
            forced = forced or row.event - since >= p.bridged_hold_s * S
        if (unlocks and device.get("vent_open") == 0) or forced:
            self._blame(row.event, 1)
        calm = (door != 0 and lock != 0) or (above is not None and not pressed)
        calm = calm and not forced
        self.calm = (row.event if self.calm is None else self.calm) if calm else None
        if self.calm is not None and row.event - self.calm >= p.over_hold_s * S:
            self.wrong = 0
        if not device.known or (door is None and lock is None):
            return _unknown(row)
        return Judged(
            known=True,
            standing=(self.wrong == 1, self.wrong == 2, self.wrong == 3),
            holds_s=(0, 0, 0),
            over=self.wrong == 0,
            over_s=0,
            since=self.wrong_at if self.wrong else row.event,
        )

    def _switch(self, row: Row, door: float | None, lock: float | None) -> bool:
        opens, unlocks = self.door == 1 and door == 0, self.lock == 1 and lock == 0
        self.bridged |= opens and lock == 1
        if None not in (lock, self.lock) and lock != self.lock:
            self.bridged = False
        if opens or unlocks:
            self.opening = row.event
        self.door = self.door if door is None else door
        self.lock = self.lock if lock is None else lock
        return unlocks

    def _judge_opening(self, row: Row, device: Device, above: float | None) -> None:
        p = self.p
        if self.opening is None:
            return
        sampled = device.reported.get("internal_pressure_mpa", 0)
        near = abs(self.opening - sampled) <= p.fresh_s * S
        if near and above is not None:
            if above > p.pressure_mpa and self.zero.settled(row, device, above):
                if self.waiting is None:
                    self.waiting, self.waiting_mpa = self.opening, above
            elif above > p.pressure_mpa:
                self._blame(self.opening, 2 if self._stuck(row, device) else 3)
            self.opening = None
        elif row.event - self.opening > p.fresh_s * S:
            self.opening = None

    def _wait(self, row: Row, device: Device, above: float | None) -> None:
        p, opened, waiting = self.p, self.zero.opened, self.waiting or 0
        shown = math.nan if above is None else above
        if opened is None:
            self.waiting_mpa = shown
            if row.event - waiting >= p.wait_s * S:
                self._blame(waiting, 2)
                self.waiting = None
            elif device.get("lock_engaged") == 1:
                self.waiting = None
            return
        seen = device.reported.get("internal_pressure_mpa", 0) >= opened
        if seen and self.waiting_mpa - shown >= p.collapse_mpa:
            self._blame(waiting, 3)
            self.waiting = None
        elif row.event - opened >= p.collapse_s * S:
            self._blame(waiting, 0 if seen else 2)
            self.waiting = None

    def _stuck(self, row: Row, device: Device) -> bool:
        vent = device.changed.get("vent_open", 0)
        vented = device.get("vent_open") == 1 and row.event - vent >= self.p.vent_s * S
        return vented and device.changed.get("internal_pressure_mpa", 0) < vent

    def _blame(self, event: int, level: int) -> None:
        self.wrong_at = self.wrong_at if self.wrong else event
        self.wrong = max(self.wrong, level)


class ZeroSensor:
    """`detectors.vessel_lock.VesselSensor`."""

    def __init__(self, equipment: Equipment, p: Any) -> None:
        del equipment
        self.p, self.zero = p, Zero(p)

    def judge(self, row: Row, device: Device) -> Judged:
        above, most = self.zero.above(row, device), self.p.zero_max_mpa
        if not device.known or above is None:
            return _unknown(row)
        far = abs(self.zero.zero)
        over_s = self.p.over_hold_s
        return advisory(row, far > most, over=far < most / 2, over_s=over_s, since=None)


_JUDGES: Mapping[Kind, tuple[tuple[str, str, Callable[[Equipment, Any], Judge]], ...]] = {
    Kind.BOILER: (
        ("overpressure", "boiler_pressure", Pressure),
        ("sensor_drift", "boiler_sensor", Sensor),
        ("limiter_defeated", "boiler_limiter", Limiter),
        ("safety_valve_lifted", "boiler_valve", Valve),
        ("safety_valve_stuck", "boiler_valve_stuck", ValveStuck),
        ("overheating", "boiler_superheat", Superheat),
        ("feed_pump_failure", "boiler_feed", Feed),
        ("flame_sequence", "boiler_flame", Flame),
        ("pressure_hunting", "boiler_hunting", Hunting),
        ("tube_leak", "boiler_balance", Balance),
        ("flue_fouling", "boiler_fouling", Fouling),
    ),
    Kind.VESSEL: (
        ("lock_not_engaged", "vessel_lock", Lock),
        ("interlock_bypassed", "vessel_lock", Interlock),
        ("sensor_drift", "vessel_lock", ZeroSensor),
    ),
}


def further_judges(
    equipment: Equipment, settings: Mapping[str, Mapping[str, float]]
) -> list[tuple[str, Judge]]:
    """References of boilers and vessels by the kind of incident that they claim."""
    return [
        (kind, make(equipment, catalog.parameters_of(name, settings)))
        for kind, name, make in _JUDGES.get(equipment.kind, ())
    ]
