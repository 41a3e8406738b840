r"""Missing or late data: the time between samples against its own mean.

Score: the gap less its mean, in means; and the mean of the last ten or so gaps likewise, times
:math:`\sqrt{19}`, so that samples which come half as often are seen too. An exponential law of
gaps is the widest that a steady reporter has; who reports changes in bursts has a wider one, and
the fleet's observed tail raises the limit.

With x the gap and m its mean, :math:`P(x > m + sm) < e^{-s}`.

Fails while the gap lasts: it is judged when it ends, until then `detectors.silence` speaks.
State 4 bytes.
"""

from dataclasses import dataclass

import numpy as np

from detectors.statistics.core import Frame
from detectors.statistics.lanes import Column, Columns, Floats, Single, State
from domain.incidents import IncidentKind

_INTERVAL_LEAST_S = np.float32(1e-3)
_WEIGHT = np.float32(np.sqrt(19.0))
"""One over the standard deviation of an EWMA with gain 0.1 of unit exponential gaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """See the module.

    Parameters
    ----------
    gain
        Gain of the recent mean (ours).
    warm_up
        Samples before it counts (ours).
    """

    gain: float = 0.1
    warm_up: int = 100
    name: str = "missing"
    incident: IncidentKind = IncidentKind.DATA_GAP
    learned: bool = False

    @property
    def columns(self) -> Columns:
        """The recent mean, in means, less 1."""
        return {"recent": Column()}

    def score(self, state: State, seen: Frame) -> Single:
        """Score one sample of each lane."""
        recent, mean = state["recent"], seen.interval_s
        excess, part = seen.gap_s - mean, np.maximum(mean, _INTERVAL_LEAST_S)
        excess /= part
        if seen.fewest <= 1:
            excess[seen.count <= 1] = 0
        np.minimum(excess, np.float32(3), out=part)
        part -= recent
        part *= np.float32(self.gain)
        recent += part
        np.maximum(excess, np.multiply(recent, _WEIGHT, out=part), out=excess)
        return np.maximum(excess, np.float32(0), out=excess)

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        """Exponential tail."""
        return np.log(samples)
