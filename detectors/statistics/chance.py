"""Tails of the laws that the statistics' own models assume, as limits for a rate of alarms."""

import numpy as np

from detectors.statistics.lanes import Floats

_STEPS = 6


def normal_limit(probability: Floats) -> Floats:
    """Absolute value that a standard normal variable exceeds with a small probability.

    Solves the asymptotic series of the normal tail (Abramowitz & Stegun 26.2.12); within 0.01
    for probabilities below 0.01.

    >>> normal_limit(np.array([0.0027])).round(2)
    array([3.])
    """
    log = np.log(probability / 2 * np.sqrt(2 * np.pi))
    z = np.sqrt(np.maximum(-2 * log, 1.0))
    for _ in range(_STEPS):
        tail = np.log1p(-1 / z**2 + 3 / z**4 - 15 / z**6) if np.all(z > 2) else 0.0  # noqa: PLR2004  the series needs z > 2
        z = np.sqrt(np.maximum(-2 * (log + np.log(z) - tail), 1.0))
    limit: Floats = z
    return limit
