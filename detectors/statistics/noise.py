r"""Noise up or down: EWMA of the innovation variance.

.. math::
    v_t = (1-\lambda) v_{t-1} + \lambda\,\min(e_t^2, 16), \qquad
    y_t = 1 + \frac{\sqrt{2/\nu}}{\sigma_v}(v_t - 1), \qquad
    w_t = \frac{y_t^{1/3} - (1 - 2/9\nu)}{\sqrt{2/9\nu}}

with :math:`\sigma_v^2 = 2\lambda/(2-\lambda)` and
:math:`\nu = (8/\gamma^2 \cdot 2/\sigma_v^2)^{1/2}`, from the skewness
:math:`\gamma = 8\lambda^3 / (1-(1-\lambda)^3) / \sigma_v^3` of such a mean of squared normal
values. The score is |w|: Wilson & Hilferty's cube root makes both tails of the variance normal,
which Crowder & Hamilton's logarithm (1992) does for the upper one only.

Sees bearing noise, a dead or jammed sensor, fast oscillation. Fails on oscillation inside the
noise (`detectors.statistics.oscillation`). State 4 bytes.
"""

from dataclasses import dataclass

import numpy as np

from detectors.statistics.chance import normal_limit
from detectors.statistics.core import Frame
from detectors.statistics.lanes import Column, Columns, Floats, Single, State
from domain.incidents import IncidentKind

_LEAST = np.float32(1e-12)
_THIRD = np.float32(1 / 3)


def shape(gain: float) -> tuple[float, float]:
    """Slope of y and degrees of freedom nu that an EWMA of squares has."""
    deviation = (2 * gain / (2 - gain)) ** 0.5
    skewness = 8 * gain**3 / (1 - (1 - gain) ** 3) / deviation**3
    # Squares are clipped, which thins the upper tail: half way (in logarithms) to the law of
    # equal variance (ours).
    freedom = ((8 / skewness**2) * (2 - gain) / gain) ** 0.5
    return (2 / freedom) ** 0.5 / deviation, freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """See the module.

    Parameters
    ----------
    gain
        Lambda; 0.06 is a memory of 17 samples (ours).
    warm_up
        Samples before it counts (ours).
    """

    gain: float = 0.06
    warm_up: int = 300
    name: str = "noise"
    incident: IncidentKind = IncidentKind.STATISTICAL_ANOMALY
    learned: bool = True

    @property
    def columns(self) -> Columns:
        """The variance, 1 at first."""
        return {"variance": Column(fill=1.0)}

    def score(self, state: State, seen: Frame) -> Single:
        """Score one sample of each lane; 0 while the series never changed."""
        variance = state["variance"]
        square = seen.bounded * seen.bounded
        flat = np.isinf(seen.scale)
        any_flat = bool(flat.any())
        if any_flat:
            square[flat] = 1
        square -= variance
        square *= np.float32(self.gain)
        variance += square
        slope, freedom = shape(self.gain)
        middle, spread = 1 - 2 / (9 * freedom), np.sqrt(2 / (9 * freedom))
        # From here on the array holds y, then its root, then the score.
        score: Single = np.multiply(variance, np.float32(slope), out=square)
        score += np.float32(1 - slope)
        np.maximum(score, _LEAST, out=score)
        np.log(score, out=score)
        score *= _THIRD
        np.exp(score, out=score)
        score -= np.float32(middle)
        np.abs(score, out=score)
        score *= np.float32(1 / spread)
        if any_flat:
            score[flat] = 0
        return score

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        """Normal tail; neighbours share most of their memory."""
        return normal_limit(1 / (samples * self.gain))
