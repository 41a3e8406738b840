"""Cost of the statistics against one pass of NumPy over as much state; read the ratio.

Run with ``make bench``; the suite leaves this folder out, because these machines are noisy.
"""

from collections.abc import Callable
from itertools import count
from typing import Protocol

import numpy as np
import pytest

from detectors.statistics.engine import Statistics
from domain.instants import NS_PER_S

DEVICES, CHANNELS = 3_200, 5
T0_S = 1_780_000_200
VALUES = np.random.default_rng(1).normal(size=(10, DEVICES, CHANNELS))


class Benchmark(Protocol):
    """The part of pytest-benchmark's fixture that is used here."""

    def pedantic(self, work: Callable[[], object], *, rounds: int) -> object:
        """Time ``work`` exactly ``rounds`` times."""


@pytest.mark.benchmark(group="160,000 samples of 16,000 series")
def test_floor_one_multiplication(benchmark: Benchmark) -> None:
    single = VALUES.astype(np.float32)
    out = np.empty_like(single)
    benchmark.pedantic(lambda: np.multiply(single, single, out=out), rounds=30)


@pytest.mark.benchmark(group="160,000 samples of 16,000 series")
def test_statistics(benchmark: Benchmark) -> None:
    engine, pieces = Statistics(CHANNELS), count()
    engine.grow(DEVICES)

    def piece() -> None:
        second = T0_S + next(pieces) * len(VALUES) + np.arange(len(VALUES))
        event_ns = np.repeat(second[:, None] * NS_PER_S, DEVICES, axis=1)
        engine.run(np.arange(DEVICES), event_ns, VALUES)

    for _ in range(210):
        piece()
    benchmark.pedantic(piece, rounds=30)
