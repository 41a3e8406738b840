r"""Tail of the fleet's block maxima: a histogram, and a generalised Pareto law fitted above it.

Peaks over threshold as SPOT (Siffer et al. 2017), but the shape comes from the whole fleet and by
probability-weighted moments (Hosking & Wallis 1987), which exist where the likelihood has no
maximum. With :math:`\beta_r = E[x (1-F)^r]` of the excesses:

.. math:: \xi = 2 - \frac{\beta_0}{\beta_0 - 2\beta_1},\quad
          \sigma = \frac{2\beta_0\beta_1}{\beta_0 - 2\beta_1},\quad
          y_q = u + \frac{\sigma}{\xi}\left[(q/\zeta)^{-\xi} - 1\right]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from detectors.statistics.lanes import Floats

BINS = 640
_LEAST = 0.05
_RATIO = 1.02
EDGES: Floats = np.asarray(_LEAST * _RATIO ** np.arange(BINS), dtype=np.float64)
"""Upper edges of the bins; values grow by 2 % a bin up to 1.6e4, bin 0 holds everything below."""
PEAKS_MIN = 50
PEAKS_ENOUGH = 256
PEAKS_MAX = 2_000
_TAIL_SHARE = 0.1
_SHAPE_MIN, _SHAPE_MAX = -0.5, 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """A generalised Pareto tail.

    Parameters
    ----------
    threshold, scale, shape
        u, sigma, xi.
    share
        Share of all blocks above the threshold, zeta.
    peaks
        How many those were.
    """

    threshold: float
    scale: float
    shape: float
    share: float
    peaks: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Tail out of its five numbers in order."""
        threshold, scale, shape, share, peaks = values
        return cls(threshold=threshold, scale=scale, shape=shape, share=share, peaks=peaks)

    def quantile(self, probability: float) -> float:
        """Value that a block exceeds with a probability, at least the threshold.

        >>> tail = Tail(threshold=1.0, scale=1.0, shape=0.0, share=0.1, peaks=256)
        >>> round(tail.quantile(0.001), 2)
        5.61
        """
        ratio = max(self.share / probability, 1.0)
        if abs(self.shape) < 1e-6:  # noqa: PLR2004  the limit of the formula below
            return self.threshold + self.scale * float(np.log(ratio))
        growth = float(np.expm1(self.shape * np.log(ratio))) / self.shape
        return self.threshold + self.scale * growth

    def probability(self, value: float) -> float:
        """Chance that a block exceeds a value, at most the share above the threshold."""
        excess = max(value - self.threshold, 0.0) / self.scale
        if abs(self.shape) < 1e-6:  # noqa: PLR2004  the limit of the formula below
            return self.share * float(np.exp(-excess))
        base = max(1 + self.shape * excess, 1e-12)
        return self.share * float(base ** (-1 / self.shape))


def fit(counts: Floats) -> Tail | None:
    """Fit the tail of a histogram over `EDGES`; ``None`` while it has too few peaks.

    Parameters
    ----------
    counts
        float64[BINS].
    """
    total = float(counts.sum())
    wanted = min(_TAIL_SHARE * total, PEAKS_MAX)
    above = np.cumsum(counts[::-1])[::-1]
    start = max(int(np.searchsorted(-above, -wanted, side="left")), 1)
    peaks = float(above[start]) if start < BINS else 0.0
    if peaks < PEAKS_MIN:
        return None
    threshold = float(EDGES[start - 1])
    number = counts[start:]
    excess = np.sqrt(EDGES[start - 1 : -1] * EDGES[start:]) - threshold
    beta0 = float((number * excess).sum()) / peaks
    survival = (above[start:] - number / 2) / peaks
    beta1 = float((number * excess * survival).sum()) / peaks
    shape = min(max(2 - beta0 / max(beta0 - 2 * beta1, 1e-9), _SHAPE_MIN), _SHAPE_MAX)
    # The scale that keeps the mean when the shape was bounded.
    scale = beta0 * (1 - shape)
    return Tail(threshold=threshold, scale=scale, shape=shape, share=peaks / total, peaks=peaks)
