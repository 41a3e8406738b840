r"""Level shift: two-sided CUSUM on the whitened series.

.. math:: C^\pm_t = \max(0, C^\pm_{t-1} \pm e_t - k)

(Page 1954) for the allowances k = 1/8, 1/4 and 1/2, each best for shifts of the whitened mean twice
as much.
Their scores are put on one scale by what Siegmund's formula says of their run lengths, so that
the larger one is the score and its limit follows from the budget: `detectors.statistics.siegmund`.

Fails on shifts that the slow location absorbs, and where the series is not nearly AR(1): there the
fleet's observed tail raises the limit. State 24 bytes.
"""

from dataclasses import dataclass

import numpy as np

from detectors.statistics import siegmund
from detectors.statistics.core import Frame
from detectors.statistics.lanes import Column, Columns, Floats, Single, State
from domain.incidents import IncidentKind

ALLOWANCES = (0.125, 0.25, 0.5)
_INDEPENDENT = 2.0
"""The three together alarm about as often as so many independent ones, since their sums rise
together (measured on white noise; three would be the bound)."""
SUM_MAX = np.float32(200.0)
"""Cap on a sum, so that a corrected fault clears within some hundred samples (ours)."""


def handicap(k: float, least: float) -> float:
    """How much later, in natural log of run length, a CUSUM alarms than the one of least allowance.

    From Siegmund's formula for large limits, ln L = 2k(h + 1.166) - ln 2k².
    """
    return _offset(least) - _offset(k)


def _offset(k: float) -> float:
    return float(2 * k * siegmund.OVERSHOOT - np.log(2 * k * k))


def advance(up: Single, down: Single, value: Single, k: Single) -> Single:
    """Move both sums of an allowance, in place; return the larger.

    Parameters
    ----------
    up, down
        float32[..., n].
    value
        float32[n].
    k
        Allowance, of a shape that broadcasts with the sums.
    """
    up += value - k
    np.maximum(up, 0, out=up)
    down -= value + k
    np.maximum(down, 0, out=down)
    larger: Single = np.maximum(up, down)
    if larger.max(initial=0) > SUM_MAX:
        for sums in (up, down, larger):
            np.minimum(sums, SUM_MAX, out=sums)
    return larger


_K: Single = np.array(ALLOWANCES, dtype=np.float32)[:, None]
_HANDICAP: Single = np.array([[handicap(k, ALLOWANCES[0])] for k in ALLOWANCES], dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelShift:
    """See the module.

    Parameters
    ----------
    warm_up
        Samples before it counts (ours): the error of the location must be well below k.
    """

    warm_up: int = 2_000
    name: str = "level_shift"
    incident: IncidentKind = IncidentKind.STATISTICAL_ANOMALY
    learned: bool = False

    @property
    def columns(self) -> Columns:
        """Both sums of each allowance."""
        return {"up": Column(rows=len(ALLOWANCES)), "down": Column(rows=len(ALLOWANCES))}

    def score(self, state: State, seen: Frame) -> Single:
        """Score one sample of each lane, as 2kC less the handicap."""
        if seen.count.min(initial=self.warm_up) < self.warm_up:
            for sums in state.values():
                sums[:, seen.count < self.warm_up] = 0
        value = seen.bounded
        larger = advance(state["up"], state["down"], value, _K)
        larger *= 2 * _K
        larger -= _HANDICAP
        score: Single = np.maximum(larger.max(axis=0), np.float32(0))
        return score

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        """Siegmund's limit, the budget shared by the allowances."""
        k = ALLOWANCES[0]
        return 2 * k * siegmund.limit(_INDEPENDENT * samples, k)
