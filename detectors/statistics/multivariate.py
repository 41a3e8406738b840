r"""Multivariate residual: MEWMA over the whitened channels of a device.

.. math:: w_t = (1-\lambda) w_{t-1} + \lambda e_t, \qquad
          T^2_t = \frac{2-\lambda}{\lambda}\, w_t^\top \Omega\, w_t

(Lowry et al. 1992), with :math:`\Omega` the inverse of the learned correlation, shrunk towards the
identity by the Rao-Blackwellised intensity of Ledoit & Wolf (2004; Chen et al. 2010). The score is
the cube root of T² over the number of channels, about normal (Wilson & Hilferty).

Contribution of a channel: :math:`w_i (\Omega w)_i`. Second view: :math:`(\Omega e)_i/\Omega_{ii}`
is what a ridge regression of channel i on all others leaves over.

Fails on one channel alone (the other statistics see that better) and while some channel of the
device is unknown: it waits. State of c channels: c + 2c² numbers.
"""

from dataclasses import dataclass

import numpy as np

from detectors.statistics.chance import normal_limit
from detectors.statistics.lanes import Bools, Column, Columns, Floats, Single, State
from domain.incidents import IncidentKind

_MEMORY = np.float32(2_500.0)
_LEARN_EVERY = 4
"""The correlation takes every fourth sample: it changes slowly, and neighbours tell the same."""
_COUNT_MAX = np.float32(2**23)
_INVERT_EVERY = 256
_INVERT_FIRST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Multivariate:
    """See the module.

    Parameters
    ----------
    channels
        Number of channels of a device.
    gain
        Lambda (Lowry et al. use 0.1).
    warm_up
        Samples before it counts (ours).
    """

    channels: int
    gain: float = 0.1
    warm_up: int = 1_000
    name: str = "multivariate"
    incident: IncidentKind = IncidentKind.STATISTICAL_ANOMALY
    learned: bool = True

    @property
    def columns(self) -> Columns:
        """Sums, correlation, its inverse, samples, and which channels ever moved."""
        c = self.channels
        return {
            "sums": Column(rows=c),
            "covariance": Column(rows=c * c),
            "inverse": Column(rows=c * c),
            "count": Column(),
            "used": Column(),
        }

    def score(self, state: State, white: Single) -> Single:
        """Score one whitened sample of all channels.

        Parameters
        ----------
        white
            float32[c, k] within four scales, so that no single sample outweighs the rest; a channel
            that a device does not have is 0.
        """
        c, sums = self.channels, state["sums"]
        sums += np.float32(self.gain) * (white - sums)
        inverse = state["inverse"].reshape(c, c, -1)
        total = np.einsum("ijk,jk,ik->k", inverse, sums, sums)
        total *= np.float32((2 - self.gain) / self.gain)
        used = np.maximum(state["used"], np.float32(1))
        root = np.exp(np.log(np.maximum(total / used, np.float32(1e-12))) / np.float32(3))
        middle, spread = 1 - 2 / (9 * used), np.sqrt(2 / (9 * used))
        score: Single = np.maximum((root - middle) / spread, np.float32(0))
        score *= total > 0
        self._learn(state, white)
        return score

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        """Normal tail of the cube root; neighbours share most of their memory."""
        return normal_limit(1 / (samples * self.gain))

    def contributions(self, state: State, lane: int) -> Floats:
        """Share of each channel in a device's T², negative where it speaks against."""
        c = self.channels
        sums = state["sums"][:, lane].astype(np.float64)
        inverse = state["inverse"][:, lane].reshape(c, c).astype(np.float64)
        parts = sums * (inverse @ sums)
        total = parts.sum()
        shares: Floats = parts / total if total > 0 else np.zeros(c)
        return shares

    def _learn(self, state: State, white: Single) -> None:
        c, count = self.channels, state["count"]
        count += 1
        np.minimum(count, _COUNT_MAX, out=count)
        turn = count.astype(np.int32)
        mine = turn % _LEARN_EVERY == 0
        if not mine.any():
            return
        chosen = slice(None) if mine.all() else np.flatnonzero(mine)
        covariance = state["covariance"].reshape(c, c, -1)
        part, white = covariance[..., chosen], white[:, chosen]
        gain = 1 / np.minimum(count[chosen] / np.float32(_LEARN_EVERY), _MEMORY)
        for i in range(c):
            row = part[i, : i + 1]
            row += gain * (white[i] * white[: i + 1] - row)
        if not isinstance(chosen, slice):
            covariance[..., chosen] = part
        due = np.flatnonzero((turn == _INVERT_FIRST) | (turn % _INVERT_EVERY == 0))
        if len(due):
            lower = covariance[..., due].astype(np.float64)
            number = np.minimum(count[due] / _LEARN_EVERY, _MEMORY).astype(np.float64)
            inverse = _inverse(lower, number)
            state["inverse"].reshape(c, c, -1)[..., due] = inverse
            own = np.arange(c)
            state["used"][due] = (inverse[own, own] > 0).sum(axis=0)


def _inverse(lower: Floats, number: Floats) -> Floats:
    """Inverse of shrunk correlations, float64[c, c, k]; channels without variance get zeros."""
    c = lower.shape[0]
    full = np.moveaxis(lower, 2, 0)
    full = np.tril(full) + np.swapaxes(np.tril(full, -1), 1, 2)
    variance = np.einsum("kii->ki", full)
    alive: Bools = variance > 0
    size = np.where(alive, np.sqrt(np.where(alive, variance, 1)), 1)
    full = full / (size[:, :, None] * size[:, None, :])
    p = np.maximum(alive.sum(axis=1), 1)
    squares = (full * full).sum(axis=(1, 2))
    trace = np.einsum("kii->k", full)
    spread = np.maximum(squares - trace**2 / p, 1e-12)
    shrink = ((number - 2) / number * squares + trace**2) / ((number + 2) * spread)
    shrink = np.clip(shrink, 0, 1)[:, None, None]
    eye = np.eye(c)
    shrunk = (1 - shrink) * full + shrink * eye
    shrunk += eye * ~alive[:, :, None]
    inverse = np.linalg.inv(shrunk) / (size[:, :, None] * size[:, None, :])
    inverse *= alive[:, :, None] & alive[:, None, :]
    return np.ascontiguousarray(np.moveaxis(inverse, 0, 2))
