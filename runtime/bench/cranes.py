"""Many hoisting cycles for little time: cranes of a scenario straight into the production bank.

Samples go from the simulated sensors into arrays, a second of them at once as terminals send them,
instead of through messages and their decoding: some times as many cycles for the same time. What
happens to messages on their way (`ON_THE_WAY`) is therefore not seen here, except that they are
lost; `equipwatch backtest` on the same scenario shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import catalog
from detectors.bank import Bank
from domain.channels import CHANNELS, COLUMNS
from domain.equipment import Kind, build_fleet
from domain.findings import Finding
from domain.instants import seconds
from domain.readings import NO_CODE, NO_SEQ, ONLINE_UNSAID, ReadingBatch, Stream
from runtime.backtest.exposure import exposure_of, exposure_report, false_bounds
from runtime.backtest.judging import Run, judge
from runtime.backtest.report import detector_report
from runtime.backtest.truths import facts_of
from simulators.crane import Cranes
from simulators.crane_terminal import CraneReporter
from simulators.scenario import Scenario
from simulators.terminal import Terminals
from simulators.truth import Line, Statistic
from simulators.world import World

ON_THE_WAY = frozenset(
    {"out_of_order", "duplicates", "retained_message", "clock_wrong", "sentinel_values"}
)
"""Injections of messages on their way."""

START_NS = seconds(1_772_409_600)
"""2026-03-02 00:00 UTC."""

_SENSORS = frozenset({"load_cell_drift", "sensor_stuck", "sensor_drift", "sensor_quantised"})
_COLUMN = COLUMNS[Kind.CRANE]
_MEASURED = (
    "hook_load_t",
    "hook_height_m",
    "hoist_speed_mps",
    "hoist_command",
    "wind_speed_mps",
    "sway_deg",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Samples of some cranes at one instant."""

    at_ns: int
    slots: NDArray[np.intp]
    values: NDArray[np.float64]

    @classmethod
    def of(
        cls, at_ns: int, slots: NDArray[np.intp], channels: Mapping[str, NDArray[Any]]
    ) -> "Sampled":
        """Samples of some channels; the others are not reported."""
        values = np.full((len(slots), len(CHANNELS[Kind.CRANE])), np.nan)
        for name, column in channels.items():
            values[:, _COLUMN[name]] = column
        return cls(at_ns=at_ns, slots=slots, values=values)


class _Sampler(CraneReporter):
    """Takes samples into arrays; terminals only say who is silent, and what their sensors do.

    Parameters
    ----------
    taken
        Gets the samples of a second, in order.
    """

    def __init__(
        self,
        cranes: Cranes,
        terminals: Terminals,
        first_device: int,
        rng: np.random.Generator,
        *,
        samples_per_s: int,
        taken: list[Sampled],
    ) -> None:
        super().__init__(cranes, terminals, first_device, rng, samples_per_s=samples_per_s)
        self.fast = True
        self._sensed = np.empty(0)
        self._taken = taken
        self._second: list[Sampled] = []
        self._loss = np.random.default_rng(len(self._cranes))

    def sample(self, at_ns: int) -> None:
        """Keep a sample of every working crane."""
        self._keep(at_ns, self._cranes.working.nonzero()[0])

    def report(self, now_s: float) -> None:
        """Keep a sample of the idle cranes that are due; drop what is not sent."""
        due = ~self._cranes.working & (now_s >= self._next_s)
        self._keep(START_NS + seconds(now_s), due.nonzero()[0])
        self._next_s[due] = now_s + self._interval_s[due]
        ways = self._terminals.members[self._first : self._first + len(self._cranes)]
        share = np.array([1.0 if one.silent else one.disturbance.loss_share for one in ways])
        sent = self._loss.random(len(share)) >= share
        for one in self._second:
            told = sent[one.slots]
            self._taken.append(
                Sampled(at_ns=one.at_ns, slots=one.slots[told], values=one.values[told])
            )
        self._second = []
        self._sensed = np.array([n for n, one in enumerate(ways) if one.disturbance.sensors])

    def _keep(self, at_ns: int, slots: NDArray[np.intp]) -> None:
        if not slots.size:
            return
        *measured, reach, bridge, charted = self.columns(slots)
        channels = dict(zip(_MEASURED, measured, strict=True))
        channels["hoist_brake_closed"] = channels["hoist_command"] == 0
        channels["radius_m"] = np.where(charted, reach, np.nan)
        channels["trolley_position_m"] = np.where(charted, np.nan, reach)
        channels["bridge_position_m"] = np.where(charted, np.nan, bridge)
        sampled = Sampled.of(at_ns, slots, channels)
        self._sense(slots, sampled.values)
        self._second.append(sampled)

    def _sense(self, slots: NDArray[np.intp], values: NDArray[np.float64]) -> None:
        for row in np.isin(slots, self._sensed).nonzero()[0].tolist():
            way = self._terminals.members[self._first + int(slots[row])].disturbance
            for name, sense in way.sensors.items():
                values[row, _COLUMN[name]] = sense(float(values[row, _COLUMN[name]]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Counted duty against the truth, of cranes whose sensors were in order.

    Parameters
    ----------
    cycles, counted
        True and counted hoisting cycles; one that ends with the run is not counted yet.
    k_p, counted_k_p
        Load spectrum factor of all their cycles together.
    error_max
        Largest relative error of the factor of one crane, where all its cycles were counted.
    """

    cranes: int
    cycles: int
    counted: int
    k_p: float
    counted_k_p: float
    error_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came out.

    Parameters
    ----------
    hours
        Crane-hours.
    report
        By detector as ``equipwatch backtest --json``; with the key ``exposure``.
    """

    duty: Duty
    rows: int
    hours: float
    report: dict[str, Any]


def measure(scenario: Scenario, seed: int) -> Measured:
    """Play a scenario of cranes and score what the rules claim.

    Parameters
    ----------
    scenario
        Cranes alone.
    """
    taken: list[Sampled] = []
    world = World(scenario, seed, START_NS, crane_reporter=partial(_Sampler, taken=taken))
    equipment = world.registry()
    fleet = build_fleet(1, equipment)
    bank = Bank(fleet, {catalog.STATISTICS_SETTINGS: {"alarms_per_device_day": 0.0}})
    findings: list[Finding] = []
    rows = position = 0
    for second in range(int(scenario.duration_s)):
        now_ns = START_NS + seconds(second)
        findings += bank.tick(now_ns, position + 1)
        world.step(now_ns)
        batch = batch_of(fleet.ids[Kind.CRANE], taken, now_ns, position + 2)
        taken.clear()
        position += 2
        rows += len(batch)
        findings += bank.step(batch)
    lines: list[Line] = [*world.truth(), *world.statistics()]
    kept = [one for one in lines if isinstance(one, Statistic) or one.cause not in ON_THE_WAY]
    run = Run(
        equipment=equipment,
        facts=facts_of(kept, {}),
        start_ns=START_NS,
        end_ns=START_NS + seconds(scenario.duration_s),
    )
    return Measured(
        duty=_duty(bank, kept),
        rows=rows,
        hours=len(equipment) * scenario.duration_s / 3600.0,
        report=_report(run, findings, kept),
    )


def _report(run: Run, findings: Sequence[Finding], lines: Sequence[Line]) -> dict[str, Any]:
    exposure = exposure_of(run, lines, {Kind.CRANE})
    report: dict[str, Any] = {}
    for name, judged in judge(run, findings).items():
        report[name] = detector_report(judged)
        report[name]["false_bounds"] = false_bounds(judged.score, exposure)
    return {**report, "exposure": exposure_report(exposure)}


def _duty(bank: Bank, lines: Sequence[Line]) -> Duty:
    wrong = {o.equipment_id for o in lines if not isinstance(o, Statistic) and o.cause in _SENSORS}
    true: dict[str, dict[str, float]] = {}
    for line in lines:
        if isinstance(line, Statistic) and line.equipment_id not in wrong:
            true.setdefault(line.equipment_id, {})[line.statistic] = line.value
    counts, cubes, errors = np.zeros(2), np.zeros(2), [0.0]
    for equipment_id, told in true.items():
        report = bank.duty(equipment_id)
        if report is not None and "load_spectrum_kp" in told:
            cycles, k_p = told["hoist_cycles"], told["load_spectrum_kp"]
            counts += cycles, report.cycles
            cubes += cycles * k_p, report.full_load_cycles
            if cycles == report.cycles:
                errors.append(abs(report.full_load_cycles / (cycles * k_p) - 1.0))
    k_p, counted_k_p = cubes / np.maximum(counts, 1.0)
    return Duty(
        cranes=len(true),
        cycles=int(counts[0]),
        counted=int(counts[1]),
        k_p=float(k_p),
        counted_k_p=float(counted_k_p),
        error_max=max(errors),
    )


def batch_of(
    ids: tuple[str, ...], samples: Sequence[Sampled], now_ns: int, position: int
) -> ReadingBatch:
    """Rows of samples that were received together."""
    counts = [len(one.slots) for one in samples]
    n = sum(counts)
    values = np.concatenate(
        [one.values for one in samples] or [np.empty((0, len(CHANNELS[Kind.CRANE])))]
    )
    slots = np.concatenate([one.slots for one in samples] or [np.empty(0, dtype=np.intp)])
    return ReadingBatch(
        kind=Kind.CRANE,
        ids=ids,
        device=slots.astype(np.int32),
        event_time_ns=np.repeat(np.array([one.at_ns for one in samples], dtype=np.int64), counts),
        received_at_ns=np.full(n, now_ns),
        position=np.full(n, position),
        ordinal=np.repeat(position * 100 + np.arange(len(samples)), counts),
        seq=np.full(n, NO_SEQ, dtype=np.int64),
        stream=np.full(n, Stream.TELEMETRY, dtype=np.uint8),
        quality=np.zeros(n, dtype=np.uint16),
        values=values,
        unknown=np.zeros(values.shape, dtype=np.bool_),
        code=np.full(n, NO_CODE, dtype=np.int32),
        active=np.zeros(n, dtype=np.int8),
        online=np.full(n, ONLINE_UNSAID, dtype=np.int8),
    )
