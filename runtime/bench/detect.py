"""``equipwatch bench detect``: how many samples the statistics take on one core.

CPU time, not wall time, so that whatever else the machine does counts little. The stack is the
whole catalogue with core, calibrator, hold-off and the multivariate residual, without novelty.
"""

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from detectors.bank import Bank
from detectors.statistics.engine import Statistics
from domain.channels import CHANNELS, COLUMNS
from domain.equipment import Equipment, Kind, build_fleet
from domain.instants import NS_PER_S
from domain.readings import NO_CODE, NO_SEQ, ONLINE_UNSAID, ReadingBatch
from runtime.bench import scalar

Floats = NDArray[np.float64]
_T0_S = 1_780_000_200
_DEVICES = 3_200
_CHANNELS = 5
_PIECE_S = 10
_WARM_PIECES = 210
"""Seconds until every statistic is warm, in pieces."""
_REPEATS = 100
"""Pieces that are timed; the quickest counts, since everything else on the machine only slows."""
_SCALAR_SAMPLES = 20_000
LIFTS = 20_000
_LIFT_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectReport:
    """Figures of one run; the first four are the JSON keys of the contract.

    Parameters
    ----------
    samples_per_s_per_core
        Samples of single series that the stack takes in a second of CPU time.
    ratio_to_scalar
        Over the same statistics in plain Python, one sample at a time.
    ratio_to_river
        Over river's mean and variance score with Page-Hinkley, ``None`` where river is missing.
    lift_rules_core_share
        CPU time of the rule detectors over 20,000 lifts that report every second, per second.
    river
        Version of river, or why there is none.
    """

    samples_per_s_per_core: float
    ratio_to_scalar: float
    ratio_to_river: float | None
    lift_rules_core_share: float
    series: int
    river: str

    def as_json(self) -> dict[str, object]:
        """Plain values by key."""
        return asdict(self)


def run_detect(
    progress: Callable[[str], None], *, devices: int = _DEVICES, lifts: int = LIFTS
) -> DetectReport:
    """Measure everything, one after the other.

    Parameters
    ----------
    progress
        Told each figure as it is known.
    """
    stack = stack_rate(devices, _CHANNELS)
    progress(f"stack: {stack / 1e6:.1f} M samples/s at {devices * _CHANNELS} series")
    plain = scalar_rate()
    progress(f"plain Python: {plain / 1e3:.1f} k samples/s")
    river, said = river_rate()
    progress(f"river: {said}" if river is None else f"river {said}: {river / 1e3:.0f} k samples/s")
    share = lift_share(lifts)
    progress(f"rules over {lifts} lifts at 1 Hz: {100 * share:.1f} % of one core")
    return DetectReport(
        samples_per_s_per_core=stack,
        ratio_to_scalar=stack / plain,
        ratio_to_river=None if river is None else stack / river,
        lift_rules_core_share=share,
        series=devices * _CHANNELS,
        river=said,
    )


def stack_rate(devices: int, channels: int) -> float:
    """Samples of single series that the warm stack takes in a second of CPU time."""
    engine = Statistics(channels)
    engine.grow(devices)
    values = _noise(_PIECE_S, devices, channels)
    device: NDArray[np.int64] = np.arange(devices)
    best_s = np.inf
    for piece in range(_WARM_PIECES + _REPEATS):
        second = np.arange(_PIECE_S) + piece * _PIECE_S + _T0_S
        event_ns = np.repeat(second[:, None] * NS_PER_S, devices, axis=1)
        start_s = time.process_time()
        engine.run(device, event_ns, values)
        if piece >= _WARM_PIECES:
            best_s = min(best_s, time.process_time() - start_s)
    return float(values.size / best_s)


def scalar_rate() -> float:
    """Samples that the statistics in plain Python take in a second of CPU time."""
    values = _noise(_SCALAR_SAMPLES, 1, 1)[:, 0, 0].tolist()
    times = [float(_T0_S + n) for n in range(_SCALAR_SAMPLES)]
    start_s = time.process_time()
    scalar.stack(times, values)
    return _SCALAR_SAMPLES / (time.process_time() - start_s)


def river_rate() -> tuple[float | None, str]:
    """Samples that river's z-score and Page-Hinkley take in a second, and its version."""
    if importlib.util.find_spec("river") is None:
        return None, "not installed here, so there is nothing to compare with"
    river = importlib.import_module("river")
    stats, drift = (importlib.import_module(f"river.{name}") for name in ("stats", "drift"))
    values = _noise(_SCALAR_SAMPLES, 1, 1)[:, 0, 0].tolist()
    start_s = time.process_time()
    _river(stats, drift, values)
    return _SCALAR_SAMPLES / (time.process_time() - start_s), str(river.__version__)


def _river(stats: ModuleType, drift: ModuleType, values: list[float]) -> float:
    mean, variance = stats.EWMean(0.01), stats.EWVar(0.01)
    shift = drift.PageHinkley()
    highest = 0.0
    for value in values:
        spread = variance.get() ** 0.5
        if spread > 0:
            highest = max(highest, abs(value - mean.get()) / spread)
        mean.update(value)
        variance.update(value)
        shift.update(value)
    return highest


def lift_share(lifts: int) -> float:
    """CPU time of the bank over lifts that send a full status every second, per second."""
    fleet = build_fleet(1, [Equipment(id=f"L{n}", kind=Kind.LIFT) for n in range(lifts)])
    bank = Bank(fleet)
    rng = np.random.default_rng(1)
    phase = rng.integers(0, 60, size=lifts)
    spent_s = 0.0
    for second in range(2 * _LIFT_SECONDS):
        batch = _status(fleet.ids[Kind.LIFT], phase, second)
        now_ns = int(batch.received_at_ns[0])
        start_s = time.process_time()
        bank.hear(now_ns, now_ns)
        bank.step(batch)
        bank.tick(now_ns, second + 1)
        if second >= _LIFT_SECONDS:
            spent_s += time.process_time() - start_s
    return spent_s / _LIFT_SECONDS


def _status(ids: tuple[str, ...], phase: NDArray[np.int64], second: int) -> ReadingBatch:
    """One status row of every lift: 30 s travelling, then door open, then standing empty."""
    n, now_ns = len(ids), (_T0_S + second) * NS_PER_S
    at = (phase + second) % 60
    running = at < 30  # noqa: PLR2004  half of the cycle
    values = np.full((n, len(CHANNELS[Kind.LIFT])), np.nan)
    said = {
        "service_mode": 1,
        "car_status": running,
        "car_direction": running,
        "door_zone": ~running,
        "door_closed": running | (at > 40),  # noqa: PLR2004  the door stands open for ten seconds
        "passenger_present": at < 35,  # noqa: PLR2004  people leave while it is open
        "speed_mps": running * 1.0,
        "mains_power": 1,
    }
    for name, value in said.items():
        values[:, COLUMNS[Kind.LIFT][name]] = value
    return ReadingBatch(
        kind=Kind.LIFT,
        ids=ids,
        device=np.arange(n, dtype=np.int32),
        event_time_ns=np.full(n, now_ns),
        received_at_ns=np.full(n, now_ns),
        position=np.full(n, second + 1),
        ordinal=np.full(n, second),
        seq=np.full(n, NO_SEQ, dtype=np.int64),
        stream=np.zeros(n, dtype=np.uint8),
        quality=np.zeros(n, dtype=np.uint16),
        values=values,
        unknown=np.zeros(values.shape, dtype=np.bool_),
        code=np.full(n, NO_CODE, dtype=np.int32),
        active=np.zeros(n, dtype=np.int8),
        online=np.full(n, ONLINE_UNSAID, dtype=np.int8),
    )


def _noise(samples: int, devices: int, channels: int) -> Floats:
    """Autoregressive noise, phi 0.6, float64[samples, devices, channels]."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(samples, devices, channels))
    for row in range(1, samples):
        values[row] = 0.6 * values[row - 1] + 0.8 * values[row]
    return values
