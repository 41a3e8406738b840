"""Cranes: hoisting cycles from slack rope to set-down, loads from a Q-class mix, sway and wind.

Vectorised over the fleet; the change from one part of a cycle to the next is handled crane by
crane. Figures are defaults of the simulation (industrial.md 2.3-2.6). Hoisting follows a trapezoid
of speed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from simulators.crane_ringing import Ringing
from simulators.motion import Runs, plan

GRAVITY_MPS2 = 9.81

LOAD_MIXES: Mapping[str, tuple[tuple[float, float], ...]] = {
    "Q1": ((0.2, 0.50), (0.4, 0.30), (0.6, 0.15), (0.9, 0.05)),
    "Q2": ((0.3, 0.40), (0.5, 0.30), (0.7, 0.20), (0.95, 0.10)),
    "Q3": ((0.4, 0.20), (0.6, 0.30), (0.8, 0.30), (0.95, 0.20)),
    "Q4": ((0.8, 0.40), (0.95, 0.60)),
}
"""Load over capacity, and share of cycles; K_p = sum(share x load^3) keeps the class's limit."""

SPECTRUM_LIMITS: Mapping[str, float] = {"Q1": 0.125, "Q2": 0.25, "Q3": 0.5, "Q4": 1.0}
"""Largest K_p of each class (GB/T 3811)."""

LIFT_OFF_FACTOR = (1.02, 1.10)
"""Range of the usual dynamic factor; 1.05-1.3 in the literature."""

SLACKEN_S = 1.4
"""Time in which the rope gives up the load."""

PULL_TRAVEL_MPS = 0.2
"""A trolley that pulls a load sideways moves so fast."""

SIDE_LOAD_MPS = 0.02
"""One that is only a little out of plumb is corrected so slowly."""

PULL_RAMP_S = 1.0
SLIP_FLOOR_M = 0.3
"""A slipping load comes to rest so far above the floor."""

TARE_NOISE = 0.002
"""Noise of the load cell over the rated load."""

HOIST_ACCELERATION_MPS2 = 0.15
HOIST_JERK_MPS3 = 5.0
"""High enough that the speed profile is a trapezoid."""

PAUSE_S = 60.0
PAUSE_SHARE_MIN = 1.0 / 12.0
"""Longest pause between two cycles, and the shortest over it."""

CYCLES_PER_YEAR = 25_000.0
"""Hoisting cycles of a year of natural operation: class U5, 5e5 in 20 years (industrial.md 2.3)."""

SLING_S = (6.0, 15.0)
HOLD_S = (4.0, 12.0)
STANDSTILL_MPS = 1e-3
SWAY_DECAY_S = 40.0
GUST_SWAY_DEG = 1.0
"""Gusts keep the rope swinging by so much."""
WIND_LAG_S = 30.0


class Part(IntEnum):
    """Parts of a hoisting cycle."""

    IDLE = 0
    LOWERING_EMPTY = 1
    SLINGING = 2
    TIGHTENING = 3
    HOISTING = 4
    TRAVELLING = 5
    LOWERING = 6
    SLACKENING = 7
    RAISING_EMPTY = 8


_NEXT = {part: Part((part + 1) % len(Part)) for part in Part}


@dataclass(frozen=True, slots=True, kw_only=True)
class CraneDesign:
    """What one crane is.

    Parameters
    ----------
    load_chart
        Radius [m] and capacity [t]; empty for bridge and gantry cranes.
    spectrum
        ``Q1`` to ``Q4``.
    """

    rated_load_t: float
    load_chart: tuple[tuple[float, float], ...]
    spectrum: str
    height_m: float
    span_m: float
    hoist_speed_mps: float
    wind_limit_mps: float
    report_interval_s: float

    def capacity_t(self, radius_m: float) -> float:
        """Capacity at a radius: the chart, linear between its points."""
        if not self.load_chart:
            return self.rated_load_t
        radii, capacities = zip(*self.load_chart, strict=True)
        return float(np.interp(radius_m, radii, capacities))


class Cranes:
    """The state of n cranes.

    Parameters
    ----------
    pause_s
        Longest pause between two cycles.
    lift_m
        They lift no higher.
    """

    def __init__(
        self,
        designs: Sequence[CraneDesign],
        rng: np.random.Generator,
        *,
        pause_s: float = PAUSE_S,
        lift_m: float = np.inf,
    ) -> None:
        n = len(designs)
        self.designs = tuple(designs)
        self._rng = rng
        self._now_s = 0.0
        self.rated_t = np.array([design.rated_load_t for design in designs])
        self.charted = np.array([bool(design.load_chart) for design in designs], dtype=bool)
        self.part: NDArray[np.int8] = np.zeros(n, dtype=np.int8)
        self._part_start_s = np.zeros(n)
        self._part_end_s = rng.uniform(0.0, pause_s, n)
        self._pause_s = (PAUSE_SHARE_MIN * pause_s, pause_s)
        self._heights_m = np.minimum([design.height_m for design in designs], lift_m)
        self.height_m = self._heights_m * rng.uniform(0.3, 0.9, n)
        self._height_from_m = self.height_m.copy()
        self.hoist_speed_mps = np.zeros(n)
        self._way = np.zeros(n)
        self._runs = Runs(n)
        spans = np.array([design.span_m for design in designs])
        self.reach_m = spans * rng.uniform(0.3, 0.7, n)
        self._reach_from_m = self.reach_m.copy()
        self._reach_to_m = self.reach_m.copy()
        self.bridge_m = rng.uniform(5.0, 80.0, n)
        self.load_t = np.zeros(n)
        self.hook_t = np.zeros(n)
        self._share = np.zeros(n)
        self._ringing = Ringing(n, rng)
        self._sway_deg = np.zeros(n)
        self._sway_s = np.zeros(n)
        self.wind_mps = rng.uniform(1.0, 4.0, n)
        self._wind_mean_mps = rng.uniform(1.5, 4.5, n)
        self.next_load: dict[int, float] = {}
        self.next_factor: dict[int, float] = {}
        self.next_tighten_s: dict[int, float] = {}
        self._tighten_s = np.full(n, SLACKEN_S)
        self.kept_up = np.zeros(n, dtype=bool)
        self.pull_deg = np.zeros(n)
        self.pull_mps = np.full(n, PULL_TRAVEL_MPS)
        self.jog_mps = np.zeros(n)
        self.slip_mps = np.zeros(n)
        self.cell_offset_t = np.zeros(n)
        self.cell_held_t = np.full(n, np.nan)
        self.cycles = np.zeros(n, dtype=np.int64)
        self.cubes = np.zeros(n)
        self.gust_peak_mps = np.zeros(n)

    def __len__(self) -> int:
        """Return the number of cranes."""
        return len(self.designs)

    @property
    def working(self) -> NDArray[np.bool_]:
        """Whether a cycle is under way."""
        return np.asarray(self.part != Part.IDLE)

    @property
    def command(self) -> NDArray[np.int8]:
        """Hoist command: 1 up, -1 down, 0 stop."""
        hoists = np.abs(self.hoist_speed_mps) > STANDSTILL_MPS
        return np.sign(np.where(hoists, self._way, self.jog_mps)).astype(np.int8)

    @property
    def sway_deg(self) -> NDArray[np.float64]:
        """Signed sway of the rope: a decaying pendulum."""
        age_s = self._now_s - self._sway_s
        phase = 2.0 * np.pi * age_s / self._period_s()
        swings = self._sway_deg * np.exp(-age_s / SWAY_DECAY_S) * np.sin(phase)
        gusty = GUST_SWAY_DEG * (self.gust_peak_mps > 0.0)
        swings = swings + gusty * np.sin(2.0 * np.pi * self._now_s / self._period_s())
        ramp = np.clip((self._now_s - self._part_start_s) / PULL_RAMP_S, 0.0, 1.0)
        return np.where(self._pulled(), self.pull_deg * ramp, swings)

    @property
    def measured_t(self) -> NDArray[np.float64]:
        """Load as the cell tells it, before its noise."""
        told = self.hook_t + self.cell_offset_t
        return np.where(np.isnan(self.cell_held_t), told, self.cell_held_t)

    @property
    def speed_mps(self) -> NDArray[np.float64]:
        """Hoist speed as the encoder tells it, slip of the brake included."""
        slip_mps = np.where(self._slipping(), self.slip_mps, 0.0)
        return self.hoist_speed_mps + self.jog_mps - slip_mps

    def _period_s(self) -> NDArray[np.float64]:
        length_m = np.maximum(self._heights_m - self.height_m, 2.0)
        return 2.0 * np.pi * np.sqrt(length_m / GRAVITY_MPS2)

    def _pulled(self) -> NDArray[np.bool_]:
        return np.asarray((self.part == Part.TIGHTENING) & (self.pull_deg > 0.0))

    def _slipping(self) -> NDArray[np.bool_]:
        held = (self.part == Part.TRAVELLING) & (self.height_m > SLIP_FLOOR_M)
        return np.asarray(held & (self.slip_mps > 0.0))

    def drop_load(self, slot: int) -> None:
        """Lose the load off the hook."""
        self._count(slot)
        self.load_t[slot] = 0.0

    def k_p(self, slot: int) -> float | None:
        """Load spectrum factor: mean cube of load over rated load; ``None`` before any cycle."""
        cycles = int(self.cycles[slot])
        return float(self.cubes[slot]) / cycles if cycles else None

    def jog(self, slot: int, speed_mps: float, factor: float) -> None:
        """Start or stop a held load by hand, which makes it ring."""
        self.jog_mps[slot] = speed_mps
        self._ringing.strike(slot, self._now_s, factor)

    def _count(self, slot: int) -> None:
        if self.load_t[slot] > 0.0:
            self.cycles[slot] += 1
            self.cubes[slot] += (self.load_t[slot] / self.rated_t[slot]) ** 3

    def begin_cycle(self, slot: int) -> None:
        """End the idle time between two cycles."""
        if self.part[slot] == Part.IDLE:
            self._part_end_s[slot] = self._now_s

    def prime(self, slot: int) -> None:
        """Bring the empty hook down to a load."""
        self.height_m[slot] = 1.0

    @property
    def loaded(self) -> NDArray[np.bool_]:
        """Whether the rope carries a load."""
        held = (self.part >= Part.TIGHTENING) & (self.part <= Part.SLACKENING)
        return np.asarray(held & (self.load_t > 0.0))

    def capacity_t(self, slot: int) -> float:
        """Capacity of a crane at its present radius."""
        return self.designs[slot].capacity_t(float(self.reach_m[slot]))

    def step(self, now_s: float) -> None:
        """Advance all cranes to ``now_s``."""
        dt_s = now_s - self._now_s
        self._now_s = now_s
        for slot in (now_s >= self._part_end_s - 1e-9).nonzero()[0]:
            self._finish(int(slot), now_s, dt_s)
        self._move(now_s)
        self._slide(dt_s)
        self._weigh(now_s)
        self._blow(dt_s)

    def _move(self, now_s: float) -> None:
        slots = (self._way != 0.0).nonzero()[0]
        if slots.size:
            elapsed = now_s - self._part_start_s[slots]
            covered, speed, _ = self._runs.at(slots, elapsed)
            self.height_m[slots] = self._height_from_m[slots] + self._way[slots] * covered
            self.hoist_speed_mps[slots] = self._way[slots] * speed
        travelling = (self.part == Part.TRAVELLING).nonzero()[0]
        if travelling.size:
            start, end = self._part_start_s[travelling], self._part_end_s[travelling]
            share = np.clip((now_s - start) / (end - start), 0.0, 1.0)
            smooth = share**2 * (3.0 - 2.0 * share)
            span = self._reach_to_m[travelling] - self._reach_from_m[travelling]
            self.reach_m[travelling] = self._reach_from_m[travelling] + span * smooth

    def _slide(self, dt_s: float) -> None:
        pulled = self._pulled()
        if pulled.any():
            self.reach_m[pulled] += self.pull_mps[pulled] * dt_s
        jogged = self.jog_mps.nonzero()[0]
        if jogged.size:
            self.height_m[jogged] += self.jog_mps[jogged] * dt_s
        slipping = self._slipping()
        if slipping.any():
            sunk_m = self.height_m[slipping] - self.slip_mps[slipping] * dt_s
            self.height_m[slipping] = np.maximum(sunk_m, SLIP_FLOOR_M)

    def _weigh(self, now_s: float) -> None:
        slots = (self.part == Part.TIGHTENING).nonzero()[0]
        taken_s = now_s - self._part_start_s[slots]
        self._share[slots] = np.clip(taken_s / self._tighten_s[slots], 0.0, 1.0)
        slots = (self.part == Part.SLACKENING).nonzero()[0]
        given_s = now_s - self._part_start_s[slots]
        self._share[slots] = 1.0 - np.clip(given_s / SLACKEN_S, 0.0, 1.0)
        self.hook_t = self._share * self.load_t
        rings = (self.part >= Part.HOISTING) & (self.part <= Part.LOWERING)
        slots = (rings & self._ringing.ongoing(now_s)).nonzero()[0]
        if slots.size:
            self.hook_t[slots] *= 1.0 + self._ringing.swing(slots, now_s)

    def _blow(self, dt_s: float) -> None:
        n = len(self)
        pull = dt_s / WIND_LAG_S
        noise = self._rng.normal(0.0, 1.0, n) * np.sqrt(2.0 * pull) * 0.8
        self.wind_mps += (self._wind_mean_mps - self.wind_mps) * pull + noise
        gusty = (self.gust_peak_mps > 0.0).nonzero()[0]
        if gusty.size:
            peak = self.gust_peak_mps[gusty]
            wave = 0.6 + 0.4 * np.sin(2.0 * np.pi * self._now_s / 17.0 + gusty)
            self.wind_mps[gusty] = peak * wave
        self.wind_mps = np.clip(self.wind_mps, 0.0, None)

    def _finish(self, slot: int, now_s: float, dt_s: float) -> None:
        part = Part(int(self.part[slot]))
        if part is Part.TRAVELLING and self.kept_up[slot]:
            return
        now_s = max(float(self._part_end_s[slot]), now_s - dt_s)
        self._way[slot] = 0.0
        self.hoist_speed_mps[slot] = 0.0
        self.part[slot] = _NEXT[part]
        self._share[slot] = float(Part.HOISTING <= _NEXT[part] <= Part.SLACKENING)
        self._part_start_s[slot] = now_s
        self._part_end_s[slot] = now_s + self._begin(slot, _NEXT[part])

    def _begin(self, slot: int, part: Part) -> float:
        """Begin a part of the cycle; return its duration."""
        top_m = 0.75 * float(self._heights_m[slot])
        if part in (Part.LOWERING_EMPTY, Part.LOWERING):
            return self._hoist(slot, 0.5)
        if part is Part.SLACKENING:
            return SLACKEN_S
        if part is Part.TIGHTENING:
            return self._tighten(slot)
        if part is Part.HOISTING:
            self._ringing.strike(slot, float(self._part_start_s[slot]))
        if part is Part.HOISTING and self.pull_deg[slot] > 0.0:
            self._sway_deg[slot] = self.pull_deg[slot]
            self._sway_s[slot] = self._now_s - self._period_s()[slot] / 4.0
        if part is Part.RAISING_EMPTY:
            self._count(slot)
            self.load_t[slot] = 0.0
        if part in (Part.HOISTING, Part.RAISING_EMPTY):
            return self._hoist(slot, top_m * float(self._rng.uniform(0.5, 1.0)))
        if part is Part.TRAVELLING:
            return self._travel(slot)
        return float(self._rng.uniform(*(SLING_S if part is Part.SLINGING else self._pause_s)))

    def _hoist(self, slot: int, to_m: float) -> float:
        way_m = to_m - float(self.height_m[slot])
        run = plan(
            max(abs(way_m), 0.05),
            speed_mps=self.designs[slot].hoist_speed_mps,
            acceleration_mps2=HOIST_ACCELERATION_MPS2,
            jerk_mps3=HOIST_JERK_MPS3,
        )
        self._runs.put(slot, run)
        self._height_from_m[slot] = self.height_m[slot]
        self._way[slot] = 1.0 if way_m > 0 else -1.0
        return run.duration_s

    def _travel(self, slot: int) -> float:
        design = self.designs[slot]
        to_m = design.span_m * float(self._rng.uniform(0.25, 0.8))
        if design.load_chart:
            to_m = min(to_m, float(self.reach_m[slot]))
        if self.kept_up[slot]:
            to_m = float(self.reach_m[slot])
        self._reach_from_m[slot], self._reach_to_m[slot] = self.reach_m[slot], to_m
        self._sway_deg[slot] = float(self._rng.uniform(0.3, 1.8))
        self._sway_s[slot] = self._now_s
        speed_mps = float(self._rng.uniform(0.3, 0.9))
        return float(self._rng.uniform(*HOLD_S)) + abs(to_m - float(self.reach_m[slot])) / speed_mps

    def _tighten(self, slot: int) -> float:
        """Choose a load; return how long the rope takes it up."""
        taken_s = self._choose_load(slot)
        self._tighten_s[slot] = self.next_tighten_s.pop(slot, taken_s)
        return float(self._tighten_s[slot])

    def _choose_load(self, slot: int) -> float:
        loads, shares = zip(*LOAD_MIXES[self.designs[slot].spectrum], strict=True)
        share = float(self._rng.choice(loads, p=shares)) * float(self._rng.uniform(0.92, 1.0))
        share = self.next_load.pop(slot, share)
        self.load_t[slot] = share * self.capacity_t(slot)
        factor = float(self._rng.uniform(*LIFT_OFF_FACTOR))
        return self._ringing.take_up(slot, share, self.next_factor.pop(slot, factor))
