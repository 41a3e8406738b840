"""Boilers whose instruments fail: what over-pressure rules make of it, at 1 Hz.

The physics of `simulators.boiler` feeds the rules directly, without messages between them, so that
a boiler-day takes about a second and the true pressure is known. Each instrument error of `ERRORS`
grows from half an hour's service on; `measure_ramps` blocks every outlet some time after that,
`measure_service` lets the boilers go on as ever.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors import catalog
from detectors.bank import Bank
from domain.channels import CHANNELS, COLUMNS
from domain.equipment import Equipment, Kind, build_fleet
from domain.findings import Finding, Phase
from domain.incidents import IncidentKind, Level
from domain.instants import NS_PER_MS, NS_PER_S
from domain.readings import NO_CODE, NO_SEQ, ONLINE_UNSAID, ReadingBatch, Stream
from simulators.boiler import BoilerDesign, Boilers, safety_valve_set_mpa
from simulators.boiler_terminal import (
    LEVEL_NOISE_MM,
    PRESSURE_NOISE_MPA,
    SWITCHES,
    TEMPERATURE_NOISE_C,
)
from simulators.steam import SIZES

Floats = NDArray[np.float64]
START_S = 1_780_000_200
FULL_S = 5
"""Everything but pressure and level is reported so often."""

SERVICE_S = 5_400
"""Instruments are sound so long."""

SWING_S = (20.0, 300.0)
"""Range of the period of swinging demand."""

_BOILER = COLUMNS[Kind.BOILER]
_RULES = [name for name in catalog.STAGED if name.startswith("boiler_")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """Errors of the instruments of a boiler, growing by the hour.

    Parameters
    ----------
    steam_told
        Whether the steam temperature is reported at all.
    """

    pressure_mpa_per_h: float = 0.0
    steam_k_per_h: float = 0.0
    step_mpa: float = 0.001
    steam_told: bool = True


ERRORS: Mapping[str, Error] = {
    "sound": Error(),
    "no steam temperature": Error(steam_told=False),
    "pressure up 0.08 MPa/h": Error(pressure_mpa_per_h=0.08),
    "pressure up 0.16 MPa/h": Error(pressure_mpa_per_h=0.16),
    "pressure up 0.3 MPa/h": Error(pressure_mpa_per_h=0.3),
    "pressure down 0.08 MPa/h": Error(pressure_mpa_per_h=-0.08),
    "steam temperature down 10 K/h": Error(steam_k_per_h=-10.0),
    "steam temperature up 10 K/h": Error(steam_k_per_h=10.0),
    "pressure in steps of 0.016 MPa": Error(step_mpa=0.016),
    "pressure in steps of 0.032 MPa": Error(step_mpa=0.032),
}
"""Instrument errors: rates are those that `sensor_drift` draws, and twice the largest."""


@dataclass(slots=True)
class Plant:
    """n boilers of all sizes, reported each second to all boiler rules.

    Parameters
    ----------
    each
        Error of each boiler, by name.
    """

    each: list[str]
    seed: int
    second: int = 0
    boilers: Boilers = field(init=False)
    _bank: Bank = field(init=False)
    _rng: np.random.Generator = field(init=False)
    _switches: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Build boilers and rules."""
        n = len(self.each)
        rng = np.random.default_rng(self.seed)
        sizes = [SIZES[k % len(SIZES)] for k in range(n)]
        designs = [
            BoilerDesign(
                size=size,
                safety_valve_mpa=safety_valve_set_mpa(size.rated_mpa),
                report_interval_s=FULL_S,
            )
            for size in sizes
        ]
        self.boilers = Boilers(designs, rng)
        self._rng = rng
        members = [
            Equipment(
                id=f"B{k:05}",
                kind=Kind.BOILER,
                rated_pressure_mpa=size.rated_mpa,
                rated_evaporation_tph=size.evaporation_tph,
                report_interval_s=float(FULL_S),
            )
            for k, size in enumerate(sizes)
        ]
        self._bank = Bank(build_fleet(1, members), only=_RULES)
        self._switches = np.full((n, len(SWITCHES)), -1, dtype=np.int64)

    def run(self, duration_s: int) -> Iterator[Finding]:
        """Let time pass; yield what the rules find."""
        for _ in range(duration_s):
            self.second += 1
            self.boilers.step(float(self.second))
            now_ns = (START_S + self.second) * NS_PER_S
            yield from self._bank.step(self._batch(now_ns))
            yield from self._bank.tick(now_ns + 200 * NS_PER_MS, self.second)

    def _batch(self, now_ns: int) -> ReadingBatch:
        n = len(self.each)
        values = np.full((n, len(CHANNELS[Kind.BOILER])), np.nan)
        self._measure(values)
        self._switch(values)
        whole = np.full(n, now_ns)
        return ReadingBatch(
            kind=Kind.BOILER,
            ids=tuple(f"B{k:05}" for k in range(n)),
            device=np.arange(n, dtype=np.int32),
            event_time_ns=whole,
            received_at_ns=whole + 100 * NS_PER_MS,
            position=np.full(n, self.second),
            ordinal=np.full(n, self.second),
            seq=np.full(n, NO_SEQ),
            stream=np.full(n, Stream.TELEMETRY, dtype=np.uint8),
            quality=np.zeros(n, dtype=np.uint16),
            values=values,
            unknown=np.zeros(values.shape, dtype=np.bool_),
            code=np.full(n, NO_CODE, dtype=np.int32),
            active=np.zeros(n, dtype=np.int8),
            online=np.full(n, ONLINE_UNSAID, dtype=np.int8),
        )

    def _measure(self, values: Floats) -> None:
        """What gauges show, with noise, error and resolution."""
        boilers, n = self.boilers, len(self.each)
        noise = self._rng.normal(0.0, 1.0, (4, n))
        grown_h = max(0, self.second - SERVICE_S) / 3_600
        errors = [ERRORS[name] for name in self.each]
        drift = np.array([error.pressure_mpa_per_h for error in errors]) * grown_h
        # Coarse from the start would be usual: like drifts, it begins in service.
        steps = np.array([error.step_mpa if grown_h else 0.001 for error in errors])
        shown = boilers.pressure_mpa + drift + PRESSURE_NOISE_MPA * noise[0]
        values[:, _BOILER["steam_pressure_mpa"]] = np.round(shown / steps) * steps
        level = boilers.level_mm + LEVEL_NOISE_MM * noise[1]
        values[:, _BOILER["water_level_mm"]] = np.round(level, 1)
        if self.second % FULL_S:
            return
        cold = np.array([error.steam_k_per_h for error in errors]) * grown_h
        steam = np.round(boilers.shown_steam_c + cold + TEMPERATURE_NOISE_C * noise[2], 1)
        told = np.array([error.steam_told for error in errors])
        values[:, _BOILER["steam_temperature_c"]] = np.where(told, steam, np.nan)
        flue = np.round(boilers.flue_c + TEMPERATURE_NOISE_C * noise[3], 1)
        values[:, _BOILER["flue_gas_temperature_c"]] = flue
        values[:, _BOILER["feed_water_flow_tph"]] = np.round(boilers.feed_kgps * 3.6, 2)
        values[:, _BOILER["steam_flow_tph"]] = np.round(boilers.process_kgps * 3.6, 2)

    def _switch(self, values: Floats) -> None:
        """Switches that changed, and all of them with the full report."""
        boilers = self.boilers
        columns = (
            boilers.low_water,
            boilers.pump_signal,
            boilers.flame,
            boilers.stage,
            boilers.valve_open,
        )
        now = np.stack([np.asarray(one, dtype=np.int64) for one in columns], axis=1)
        tell = (now != self._switches) | (self.second % FULL_S == 0)
        for k, name in enumerate(SWITCHES):
            values[tell[:, k], _BOILER[name]] = now[tell[:, k], k]
        self._switches = now


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramps:
    """Blocked outlets at full fire with all limiters defeated.

    Parameters
    ----------
    leads_s
        From the first suspicion to the moment the true pressure reaches the set pressure; less than
        0 = too late, minus infinity = never.
    false
        Boilers with a suspicion of over-pressure before their ramp.
    """

    leads_s: Floats
    false: int

    def __str__(self) -> str:
        """Counts and percentiles."""
        in_time = int((self.leads_s > 0).sum())
        p5, p50 = np.percentile(self.leads_s, [5, 50], method="lower")
        return f"{in_time} of {len(self.leads_s)} in time, lead p5 {p5:.1f} s, p50 {p50:.1f} s" + (
            f"; {self.false} claimed before" if self.false else ""
        )


def measure_ramps(
    seed: int, boilers: int = 240, drifted_s: int = 3_600, errors: Iterable[str] = tuple(ERRORS)
) -> dict[str, Ramps]:
    """Block the outlets of ``boilers`` boilers for each error, so long after the error began."""
    plant = Plant(each=[name for name in errors for _ in range(boilers)], seed=seed)
    n = len(plant.each)
    claimed = np.zeros(n, dtype=np.bool_)
    for finding in plant.run(SERVICE_S + drifted_s):
        claimed[_slot(finding)] |= _dispatched(finding)
    first, crossed = np.full(n, np.nan), np.full(n, np.nan)
    physics = plant.boilers
    for slot in range(n):
        physics.reset(slot)
        physics.ignite(slot)
    physics.outlet_blocked[:] = physics.burner_stuck[:] = physics.limiter_bypassed[:] = True
    for _ in range(900):
        for finding in plant.run(1):
            if _dispatched(finding) and np.isnan(first[_slot(finding)]):
                first[_slot(finding)] = plant.second
        over = np.isnan(crossed) & (physics.pressure_mpa >= physics.valve_set_mpa)
        crossed[over] = plant.second
        if not np.isnan(crossed).any():
            break
    leads = np.where(np.isnan(first), -np.inf, crossed - first)
    names = np.array(plant.each)
    return {
        name: Ramps(
            # A claim that stood before says nothing of the ramp.
            leads_s=leads[(names == name) & ~claimed],
            false=int((claimed & (names == name)).sum()),
        )
        for name in errors
    }


def measure_service(
    seed: int, hours: float, error: str = "sound", boilers: int = 500, *, swings: bool = False
) -> Counter[tuple[IncidentKind, Level]]:
    """Boilers with a finding of each kind and level in ordinary service with one error.

    Parameters
    ----------
    swings
        The demand jumps between almost nothing and full draw all the time, like `load_swing`, with
        periods of `SWING_S`.
    """
    plant = Plant(each=[error] * boilers, seed=seed)
    physics = plant.boilers
    physics.demand_held[:] = swings
    period_s = np.random.default_rng(seed).uniform(*SWING_S, boilers)
    found: set[tuple[int, IncidentKind, Level]] = set()
    for second in range(int(hours * 3_600)):
        if swings:
            full = second % period_s < period_s / 2
            physics.demand_target[:] = np.where(full, 1.0, 0.1)
        found |= {
            (_slot(finding), finding.kind, finding.level)
            for finding in plant.run(1)
            if finding.phase is Phase.RAISED
        }
    return Counter((kind, level) for _, kind, level in found)


def _slot(finding: Finding) -> int:
    return int(finding.equipment_id[1:])


def _dispatched(finding: Finding) -> bool:
    return (
        finding.kind is IncidentKind.OVERPRESSURE
        and finding.phase is Phase.RAISED
        and finding.level is not Level.ADVISORY
    )
