"""Faults put into clean noise: how long each statistic needs, at a budget of false alarms.

A fleet of first-order autoregressive series with unit variance at 1 Hz learns for some hours, runs
on for the realised rate, and then gets one fault a series. Delays are in samples; a series whose
alarm comes before the fault is left out, one without an alarm counts as missed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.statistics.calibrator import Rate
from detectors.statistics.engine import Statistics, StatisticsParameters
from domain.instants import NS_PER_S

Floats = NDArray[np.float64]
_START_S = 1_780_000_200
_CHUNK_S = 300
WATCHED_S = 1_800
"""Time after the onset of a fault within which an alarm counts."""

Change = Callable[[Floats, Floats, float], Floats]
"""(clean[T, m], seconds since onset[T, 1], phi) to faulty values."""

FAULTS: Mapping[str, Change] = {
    "none": lambda x, _t, _phi: x,
    "spike 6 sd": lambda x, t, _phi: x + 6 * (t == 0),
    "step 4 sd": lambda x, _t, _phi: x + 4,
    "step 2 sd": lambda x, _t, _phi: x + 2,
    "step 1 sd": lambda x, _t, _phi: x + 1,
    "step 0.5 sd": lambda x, _t, _phi: x + 0.5,
    "drift 1 sd/min": lambda x, t, _phi: x + t / 60,
    "drift 1 sd/10 min": lambda x, t, _phi: x + t / 600,
    "stuck": lambda x, _t, _phi: np.broadcast_to(x[:1], x.shape),
    "noise x2": lambda x, _t, _phi: 2 * x,
    "noise x0.3": lambda x, _t, _phi: 0.3 * x,
    "oscillation 2 sd, 4 s": lambda x, t, _phi: x + 2 * np.sin(2 * np.pi * (t + 0.5) / 4),
    "oscillation 1 sd, 20 s": lambda x, t, _phi: x + np.sin(2 * np.pi * t / 20),
}
"""Faults of detection.md section 2 by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Delays of one statistic on one fault.

    Parameters
    ----------
    median, p90
        Samples from onset to alarm over all series, infinite when more are missed.
    missed
        Share of series without an alarm within `WATCHED_S`.
    """

    median: float
    p90: float
    missed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a run measured.

    Parameters
    ----------
    rates
        Realised against nominal, on clean noise after learning.
    delays
        By fault, then statistic.
    """

    rates: tuple[Rate, ...]
    delays: Mapping[str, Mapping[str, Delay]]


def measure(
    *,
    phi: float = 0.6,
    days: float = 30.0,
    series: int = 3_900,
    learn_s: int = 18_000,
    clean_s: int = 12_000,
    seed: int = 1,
) -> Measured:
    """Learn, count on clean noise, inject.

    Parameters
    ----------
    days
        Budget: one false alarm of one statistic in so many series-days.
    """
    rng = np.random.default_rng(seed)
    names = [rate.statistic for rate in Statistics(1).rates()]
    budget = StatisticsParameters(alarms_per_device_day=len(names) / days)
    engine = Statistics(1, budget)
    engine.grow(series)
    noise = _Noise(rng, series, phi)
    _run(engine, noise, 0, learn_s, None)
    before = engine.rates()
    _run(engine, noise, learn_s, clean_s, None)
    rates = tuple(_difference(*pair) for pair in zip(engine.rates(), before, strict=True))
    first = _run(engine, noise, learn_s + clean_s, WATCHED_S, phi)
    return Measured(rates=rates, delays=_delays(first, names))


class _Noise:
    """Autoregressive noise of unit variance, piece by piece."""

    def __init__(self, rng: np.random.Generator, series: int, phi: float) -> None:
        self._rng, self._phi = rng, phi
        self._last: Floats = rng.normal(size=series)

    def take(self, samples: int) -> Floats:
        """float64[samples, series]."""
        fresh = self._rng.normal(size=(samples, len(self._last))) * np.sqrt(1 - self._phi**2)
        for number in range(samples):
            fresh[number] += self._phi * self._last
            self._last = fresh[number].copy()
        noise: Floats = fresh
        return noise


def _run(
    engine: Statistics, noise: _Noise, start_s: int, span_s: int, phi: float | None
) -> dict[tuple[str, int], int]:
    """Run on; return seconds from the start to the first alarm by statistic and series."""
    first: dict[tuple[str, int], int] = {}
    device: NDArray[np.int64] = np.arange(len(noise.take(1)[0]))
    if phi is not None:
        clean = noise.take(span_s)
        pieces = [_inject(clean, phi)]
    else:
        pieces = []
    for begin in range(0, span_s, _CHUNK_S):
        length = min(_CHUNK_S, span_s - begin)
        values = pieces[0][begin : begin + length] if pieces else noise.take(length)
        seconds = np.arange(begin, begin + length) + start_s + _START_S
        event_ns = np.repeat(seconds[:, None] * NS_PER_S, len(device), axis=1)
        for alarm in engine.run(device, event_ns, values[:, :, None]):
            delay = alarm.event_ns // NS_PER_S - _START_S - start_s
            if not alarm.ended:
                first.setdefault((alarm.statistic, alarm.device), delay)
    return first


def _inject(clean: Floats, phi: float) -> Floats:
    faulty = np.empty_like(clean)
    since = np.arange(len(clean), dtype=np.float64)[:, None]
    for number, change in enumerate(FAULTS.values()):
        part = slice(number, None, len(FAULTS))
        faulty[:, part] = change(clean[:, part], since, phi)
    return faulty


def _delays(first: Mapping[tuple[str, int], int], names: list[str]) -> dict[str, dict[str, Delay]]:
    series = 1 + max((device for _, device in first), default=0)
    delays: dict[str, dict[str, Delay]] = {}
    for number, fault in enumerate(FAULTS):
        delays[fault] = {}
        for name in names:
            seen = [
                first.get((name, device), np.inf) for device in range(number, series, len(FAULTS))
            ]
            median, p90 = np.quantile(seen, [0.5, 0.9], method="lower")
            missed = float(np.isinf(seen).mean())
            delays[fault][name] = Delay(median=float(median), p90=float(p90), missed=missed)
    return delays


def _difference(after: Rate, before: Rate) -> Rate:
    return Rate(
        statistic=after.statistic,
        nominal=after.nominal - before.nominal,
        realised=after.realised - before.realised,
        alarms=after.alarms - before.alarms,
    )
