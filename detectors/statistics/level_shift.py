r"""Level shift: two-sided CUSUM on the whitened series.

.. math:: C^\pm_t = \max(0, C^\pm_{t-1} \pm e_t - k)

(Page 1954) for the allowances k = 1/8, 1/4 and 1/2, each best for shifts of the whitened mean twice
as much.
Their scores :math:`2kC` less a handicap are put on one scale by what Siegmund's formula says of
their run lengths, so that the largest is the score and its limit follows from the budget:
`detectors.statistics.siegmund`. The state holds the sums on that scale.

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


_HANDICAPS = tuple(handicap(k, ALLOWANCES[0]) for k in ALLOWANCES)
_SCORE_SAFE = 2 * ALLOWANCES[0] * float(SUM_MAX)
"""Below this score no sum is at its cap."""


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
        up, down = state["up"], state["down"]
        if seen.fewest < self.warm_up:
            cold = seen.count < self.warm_up
            for row, behind in enumerate(_HANDICAPS):
                up[row, cold] = down[row, cold] = -behind
        score, step = np.zeros_like(seen.bounded), np.empty_like(seen.bounded)
        for row, (k, behind) in enumerate(zip(ALLOWANCES, _HANDICAPS, strict=True)):
            np.multiply(seen.bounded, np.float32(2 * k), out=step)
            step -= np.float32(2 * k * k)
            _add(up[row], step, -behind, score)
            step += np.float32(4 * k * k)
            _add(down[row], np.negative(step, out=step), -behind, score)
        if score.max(initial=0) > _SCORE_SAFE:
            score = self._cap(up, down)
        return score

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        """Siegmund's limit, the budget shared by the allowances."""
        k = ALLOWANCES[0]
        return 2 * k * siegmund.limit(_INDEPENDENT * samples, k)

    def _cap(self, up: Single, down: Single) -> Single:
        score: Single = np.zeros_like(up[0])
        for row, (k, behind) in enumerate(zip(ALLOWANCES, _HANDICAPS, strict=True)):
            most = np.float32(2 * k * SUM_MAX - behind)
            for sums in (up[row], down[row]):
                np.minimum(sums, most, out=sums)
                np.maximum(score, sums, out=score)
        return score


def _add(sums: Single, step: Single, least: float, score: Single) -> None:
    """Move one side of an allowance, and raise the score to it."""
    sums += step
    np.maximum(sums, np.float32(least), out=sums)
    np.maximum(score, sums, out=score)
