r"""Spike and rate of change.

Score: the larger of :math:`|x_t - x_{t-1}|` in its own scale, the whitened :math:`|e_t|`, and the
second largest of the last three :math:`|z|` against the fast location (Shewhart's chart with the
run rule two of three; Western Electric 1956) times :math:`\sqrt{2/(1+|\varphi|)}`. Two
neighbours with correlation :math:`\varphi` both pass a high limit h about as rarely as one passes
:math:`h \sqrt{2/(1+|\varphi|)}` (the exponents of the normal tails are then equal), so neither
view swamps the other. A change catches spikes that z misses; two of three catches what jumps and
stays.

Fails on what changes slowly. State 8 bytes.
"""

from dataclasses import dataclass

import numpy as np

from detectors.statistics.chance import normal_limit
from detectors.statistics.core import Frame
from detectors.statistics.lanes import Column, Columns, Floats, Single, State
from domain.incidents import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """See the module.

    Parameters
    ----------
    warm_up
        Samples before it counts (ours).
    """

    warm_up: int = 100
    name: str = "spike"
    incident: IncidentKind = IncidentKind.STATISTICAL_ANOMALY
    learned: bool = True

    @property
    def columns(self) -> Columns:
        """The last two |z|."""
        return {"z1": Column(), "z2": Column()}

    def score(self, state: State, seen: Frame) -> Single:
        """Score one sample of each lane."""
        z, z1, z2 = np.abs(seen.fast_z), state["z1"], state["z2"]
        high, low = np.maximum(z1, z2), np.minimum(z1, z2)
        second = np.minimum(high, z, out=high)
        np.maximum(low, second, out=second)
        second *= _weight(seen.phi)
        score = np.abs(seen.jump)
        np.maximum(score, np.abs(seen.white, out=low), out=score)
        np.maximum(score, second, out=score)
        z2[:] = z1
        z1[:] = z
        return score

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        """Normal tail, three views of one sample."""
        return normal_limit(1 / (3 * samples))


def _weight(phi: Single) -> Single:
    weight: Single = np.abs(phi)
    weight += 1
    np.divide(np.float32(2), weight, out=weight)
    return np.sqrt(weight, out=weight)
