"""Boilers: pressure and water by physics, burner and pump by their controls, demand in batches.

Vectorised over the fleet. The physics is `simulators.steam`; bands and times are defaults of the
simulation for small gas-fired shell boilers (industrial.md 1.2-1.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from simulators.steam import ATMOSPHERE_MPA, BoilerSize, rates, saturation_temperature_c

FIRE_ON_BELOW_MPA = 0.18
"""Burner starts when the pressure is so far below the rated one."""

HIGH_FIRE_BELOW_MPA = 0.10
"""Low fire turns high when the pressure is so far below the rated one."""

LOW_FIRE_BELOW_MPA = 0.05
"""High fire turns low when the pressure is this close to the rated one."""

FIRE_OFF_BELOW_MPA = 0.03
"""Burner stops when the pressure is this close to the rated one."""

PURGE_S = 20.0
PILOT_S = 5.0

HIGH_FIRE = 1.1
LOW_FIRE = 0.4
"""Heat over the rated heat."""

PUMP_ON_MM = -40.0
PUMP_OFF_MM = 40.0
"""Saw-tooth of the on/off feed pump."""

PUMP_CAPACITY = 1.5
"""Feed flow over the rated evaporation."""

PUMP_RUNNING_SHARE = 0.4
"""Probability that a pump runs at the start."""

LOW_WATER_MM = -60.0
"""Independent low-water switch; the limiter locks the burner out on it."""

OVERPRESSURE_TRIP = 1.01
"""The pressure limiter locks out at so many times the rated pressure."""

VALVE_ABOVE_MPA = 0.03
"""First safety valve over the rated pressure up to 0.8 MPa (TSG 11-2020); 1.04 times above that."""

VALVE_POP = 1.03
"""A safety valve is fully open this far above its set pressure."""

VALVE_RESEAT = 0.95
"""It closes this far below it."""

VALVE_CAPACITY = 1.25
"""Relief flow over the rated evaporation at the set pressure."""

SWELL_MM = 6.0
"""Level rises by so much when the draw goes from nothing to rated."""

SHRINK_MM_S_PER_MPA = 3_000.0
"""Level falls by so much per MPa/s of pressure rise: bubbles collapse."""

DRY_FROM_MM = -120.0
DRY_OVER_MM = 150.0
"""Heating surface falls dry from this level on, all of it so far below."""

DRY_STEAM_C = 25.0
DRY_FLUE_C = 150.0
"""Steam above saturation, and hotter flue gas, with all heating surface dry."""

STEAM_LAG_S = (3.0, 40.0)
"""Range of the time constant of a steam thermometer: bare element to heavy pocket."""

FEED_C = 60.0
WATER_KJ_PER_KG_K = 4.19

DEMAND_LAG_S = 8.0
BATCH_S = (60.0, 400.0)
"""Range of the time between two changes of demand."""


class Stage(IntEnum):
    """Burner stages; the numbers are contract.md's."""

    OFF = 0
    PURGE = 1
    PILOT = 2
    LOW = 3
    HIGH = 4
    LOCK_OUT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerDesign:
    """What one boiler is; ``safety_valve_mpa`` is gauge."""

    size: BoilerSize
    safety_valve_mpa: float
    report_interval_s: float


def safety_valve_set_mpa(rated_mpa: float) -> float:
    """Lower set pressure of TSG 11-2020 for drums up to 5.9 MPa, gauge."""
    low = rated_mpa <= 0.8  # noqa: PLR2004 - edge of the rule's first band
    return round(rated_mpa + VALVE_ABOVE_MPA if low else 1.04 * rated_mpa, 3)


class Boilers:
    """The state of n boilers; pressures are gauge."""

    def __init__(self, designs: Sequence[BoilerDesign], rng: np.random.Generator) -> None:
        n = len(designs)
        sizes = [design.size for design in designs]
        self.designs = tuple(designs)
        self._rng = rng
        self._now_s = 0.0
        self.rated_mpa = _column([size.rated_mpa for size in sizes])
        self.valve_set_mpa = _column([design.safety_valve_mpa for design in designs])
        self.rated_kgps = _column([size.evaporation_tph / 3.6 for size in sizes])
        self._heat_rated_kw = _column([size.heat_kw for size in sizes])
        self._water_normal_m3 = _column([size.water_m3 for size in sizes])
        self._total_m3 = self._water_normal_m3 + _column([size.steam_m3 for size in sizes])
        self._metal_kg = _column([size.metal_kg for size in sizes])
        self._surface_m2 = _column([size.surface_m2 for size in sizes])
        self.pressure_mpa = self.rated_mpa - rng.uniform(0.06, 0.15, n)
        level_m = rng.uniform(PUMP_ON_MM, PUMP_OFF_MM, n) / 1000.0
        self.water_m3 = self._water_normal_m3 + level_m * self._surface_m2
        self.stage: NDArray[np.int8] = rng.choice([Stage.LOW, Stage.HIGH], n).astype(np.int8)
        self._stage_end_s = np.full(n, np.inf)
        self.pump_on = rng.random(n) < PUMP_RUNNING_SHARE
        self.demand_target = rng.uniform(0.4, 0.9, n)
        self.demand = self.demand_target.copy()
        self._next_batch_s = rng.uniform(0.0, BATCH_S[1], n)
        self.valve_open = np.zeros(n, dtype=bool)
        self.steam_kgps = self.demand * self.rated_kgps
        self.feed_kgps = np.zeros(n)
        self.pressure_rate = np.zeros(n)
        self.flue_c = rng.uniform(140.0, 180.0, n)
        self.outlet_blocked = np.zeros(n, dtype=bool)
        self.burner_stuck = np.zeros(n, dtype=bool)
        self.valve_stuck = np.zeros(n, dtype=bool)
        self.pump_failed = np.zeros(n, dtype=bool)
        self.limiter_bypassed = np.zeros(n, dtype=bool)
        self.demand_held = np.zeros(n, dtype=bool)
        self.drain_kgps = np.zeros(n)
        self.process_kgps = self.steam_kgps.copy()
        self.valve_leak = np.zeros(n)
        self.superheat_c = np.zeros(n)
        self.flue_offset_c = np.zeros(n)
        self.manual = np.zeros(n, dtype=bool)
        self.flame_forced: NDArray[np.int8] = np.full(n, -1, dtype=np.int8)
        self.pump_silent = np.zeros(n, dtype=bool)
        shortest_s, longest_s = STEAM_LAG_S
        self._steam_lag_s = np.exp(rng.uniform(np.log(shortest_s), np.log(longest_s), n))
        self.shown_steam_c = self.steam_c.copy()

    def __len__(self) -> int:
        """Return the number of boilers."""
        return len(self.designs)

    @property
    def level_mm(self) -> NDArray[np.float64]:
        """Indicated level about the centre: water volume, swell with draw, shrink with pressure."""
        still = (self.water_m3 - self._water_normal_m3) / self._surface_m2 * 1000.0
        swell = SWELL_MM * (self.steam_kgps / self.rated_kgps - 0.6)
        return still + swell - SHRINK_MM_S_PER_MPA * self.pressure_rate

    @property
    def low_water(self) -> NDArray[np.bool_]:
        """Independent low-water switch."""
        return self.level_mm < LOW_WATER_MM

    @property
    def flame(self) -> NDArray[np.bool_]:
        """Flame signal: on from pilot to high fire, unless a fault says otherwise."""
        burning = (self.stage >= Stage.PILOT) & (self.stage <= Stage.HIGH)
        return np.where(self.flame_forced >= 0, self.flame_forced > 0, burning)

    @property
    def pump_signal(self) -> NDArray[np.bool_]:
        """Pump contact: on while it is called, unless the motor does not start."""
        return self.pump_on & ~self.pump_silent

    @property
    def dry(self) -> NDArray[np.float64]:
        """Share of the heating surface that is dry, from the level."""
        return np.clip((DRY_FROM_MM - self.level_mm) / DRY_OVER_MM, 0.0, 1.0)

    @property
    def steam_c(self) -> NDArray[np.float64]:
        """Steam temperature: saturated, and above that over a dry heating surface under fire."""
        saturated = saturation_temperature_c(self.pressure_mpa + ATMOSPHERE_MPA)
        return saturated + self.superheat_c + DRY_STEAM_C * self.dry * self.flame

    def prime(self, slot: int, *, below_rated_mpa: float, level_mm: float) -> None:
        """Put a boiler into high fire at a pressure and level, with its pump off."""
        self.pressure_mpa[slot] = self.rated_mpa[slot] - below_rated_mpa
        self.water_m3[slot] = (
            self._water_normal_m3[slot] + level_mm / 1000.0 * self._surface_m2[slot]
        )
        self.stage[slot] = Stage.HIGH
        self.pump_on[slot] = False

    def ignite(self, slot: int) -> None:
        """Start the burner's sequence if it does not burn."""
        if not self.flame[slot] and self.stage[slot] != Stage.PURGE:
            self._enter(slot, Stage.PURGE, self._now_s + PURGE_S)

    def take_over(self, slot: int, stage: Stage) -> None:
        """Set the burner by hand; until `hand_back` only the limiters move it."""
        self.manual[slot] = True
        if self.stage[slot] != Stage.LOCK_OUT:
            self._enter(slot, stage, np.inf)

    def hand_back(self, slot: int) -> None:
        """Give the burner back to its control, through a new start if it is off."""
        self.manual[slot] = False
        if self.stage[slot] in (Stage.PURGE, Stage.PILOT):
            self._enter(slot, Stage.OFF, np.inf)

    def reset(self, slot: int) -> None:
        """Somebody resets a lock-out."""
        if self.stage[slot] == Stage.LOCK_OUT:
            self._enter(slot, Stage.OFF, np.inf)

    def step(self, now_s: float) -> None:
        """Advance all boilers to ``now_s``."""
        dt_s = now_s - self._now_s
        self._now_s = now_s
        if dt_s <= 0.0:
            return
        self._draw(now_s, dt_s)
        self._feed()
        self._fire(now_s)
        self._valve()
        self._balance(dt_s)
        self._flue(dt_s)

    def _draw(self, now_s: float, dt_s: float) -> None:
        for slot in ((now_s >= self._next_batch_s) & ~self.demand_held).nonzero()[0]:
            self.demand_target[slot] = self._rng.uniform(0.3, 0.95)
            self._next_batch_s[slot] = now_s + self._rng.uniform(*BATCH_S)
        self.demand += (self.demand_target - self.demand) * (1.0 - np.exp(-dt_s / DEMAND_LAG_S))
        self.demand[self.outlet_blocked] = 0.0

    def _feed(self) -> None:
        level_mm = self.level_mm
        self.pump_on = np.where(self.pump_on, level_mm < PUMP_OFF_MM, level_mm < PUMP_ON_MM)
        running = self.pump_on & ~self.pump_failed
        self.feed_kgps = np.where(running, PUMP_CAPACITY * self.rated_kgps, 0.0)

    def _fire(self, now_s: float) -> None:
        below_mpa = self.rated_mpa - self.pressure_mpa
        burning = (self.stage == Stage.LOW) | (self.stage == Stage.HIGH)
        auto = ~self.manual
        low, high = auto & (self.stage == Stage.LOW), auto & (self.stage == Stage.HIGH)
        self.stage[low & (below_mpa > HIGH_FIRE_BELOW_MPA)] = Stage.HIGH
        self.stage[high & (below_mpa < LOW_FIRE_BELOW_MPA)] = Stage.LOW
        self.stage[auto & burning & (below_mpa < FIRE_OFF_BELOW_MPA)] = Stage.OFF
        self.stage[burning & self.burner_stuck] = Stage.HIGH
        trip = self.low_water | (self.pressure_mpa > OVERPRESSURE_TRIP * self.rated_mpa)
        self.stage[trip & burning & ~self.limiter_bypassed] = Stage.LOCK_OUT
        starting = auto & (self.stage == Stage.OFF) & (below_mpa > FIRE_ON_BELOW_MPA)
        # Until the water is back, the low-water limiter lets no start begin or go on.
        dry = self.low_water & ~self.limiter_bypassed
        halted = auto & dry & ((self.stage == Stage.PURGE) | (self.stage == Stage.PILOT))
        self.stage[halted], self._stage_end_s[halted] = Stage.OFF, np.inf
        for slot in (starting & ~dry).nonzero()[0]:
            self._enter(int(slot), Stage.PURGE, now_s + PURGE_S)
        for slot in ((now_s >= self._stage_end_s) & ~burning).nonzero()[0]:
            if self.stage[slot] == Stage.PURGE:
                self._enter(int(slot), Stage.PILOT, now_s + PILOT_S)
            else:
                self._enter(int(slot), Stage.LOW, np.inf)

    def _enter(self, slot: int, stage: Stage, end_s: float) -> None:
        self.stage[slot] = stage
        self._stage_end_s[slot] = end_s

    def _valve(self) -> None:
        reseat_mpa = VALVE_RESEAT * self.valve_set_mpa
        opens = np.where(
            self.valve_open,
            self.pressure_mpa > reseat_mpa,
            self.pressure_mpa >= self.valve_set_mpa,
        )
        self.valve_open = opens & ~self.valve_stuck
        lift = np.clip(
            0.5 + 0.5 * (self.pressure_mpa / self.valve_set_mpa - 1.0) / (VALVE_POP - 1.0), 0.3, 1.0
        )
        relief = VALVE_CAPACITY * lift * self.pressure_mpa / self.valve_set_mpa
        process = self.demand * np.clip(self.pressure_mpa / (0.5 * self.rated_mpa), 0.0, 1.0)
        self.process_kgps = self.rated_kgps * process
        lost = np.where(self.valve_open, relief, self.valve_leak)
        self.steam_kgps = self.process_kgps + self.rated_kgps * lost

    def _balance(self, dt_s: float) -> None:
        share = np.select(
            [self.stage == Stage.HIGH, self.stage == Stage.LOW], [HIGH_FIRE, LOW_FIRE], 0.0
        )
        n = len(self)
        self.pressure_rate, water_rate = rates(
            pressure_mpa=self.pressure_mpa + ATMOSPHERE_MPA,
            water_m3=self.water_m3,
            total_m3=self._total_m3,
            metal_kg=self._metal_kg,
            heat_kw=share * self._heat_rated_kw,
            feed_kgps=self.feed_kgps,
            feed_kj_per_kg=np.full(n, FEED_C * WATER_KJ_PER_KG_K),
            steam_kgps=self.steam_kgps,
            drain_kgps=self.drain_kgps,
        )
        self.pressure_mpa = np.maximum(self.pressure_mpa + self.pressure_rate * dt_s, 0.0)
        self.water_m3 = np.clip(
            self.water_m3 + water_rate * dt_s, 0.05 * self._total_m3, 0.98 * self._total_m3
        )

    def _flue(self, dt_s: float) -> None:
        target = np.select(
            [self.stage == Stage.HIGH, self.stage == Stage.LOW], [205.0, 165.0], 110.0
        )
        target = target + self.flue_offset_c + DRY_FLUE_C * self.dry * self.flame
        self.flue_c += (target - self.flue_c) * (1.0 - np.exp(-dt_s / 40.0))
        self.shown_steam_c += (self.steam_c - self.shown_steam_c) * (
            1.0 - np.exp(-dt_s / self._steam_lag_s)
        )


def _column(values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)
