r"""Oscillation: exponentially windowed Fourier sums at six octave periods.

.. math:: D_t(\omega) = (1-\lambda)\,e^{i\omega} D_{t-1}(\omega) + \lambda e_t, \qquad
          \text{score} = \max_\omega |D_t(\omega)|^2 / S(\omega)

with S the series' own mean of :math:`|D|^2`, learned slowly. Under noise each ratio is about unit
exponential. It is the only statistic that sees hunting inside the noise.

The window holds some periods only for the longest ones, so an amplitude of one standard deviation
is seen within a few windows at the periods themselves; it fails between them, where only a larger
one shows. State 72 bytes.
"""

from dataclasses import dataclass

import numpy as np

from detectors.statistics.core import Frame
from detectors.statistics.lanes import Bools, Column, Columns, Floats, Selection, Single, State
from domain.incidents import IncidentKind

_MEMORY = np.float32(5_000.0)
_EXPECT_EVERY = 4
_POWER_MAX = np.float32(10.0)
_BINS = 6
_TINY = np.float32(1e-30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oscillation:
    """See the module.

    Parameters
    ----------
    shortest_samples
        First of the six periods, each twice the one before (ours).
    window_samples
        Memory of the sums (ours).
    warm_up
        Samples before it counts (ours).
    """

    shortest_samples: float = 5.0
    window_samples: float = 150.0
    warm_up: int = 1_000
    name: str = "oscillation"
    incident: IncidentKind = IncidentKind.STATISTICAL_ANOMALY
    learned: bool = True

    @property
    def columns(self) -> Columns:
        """Real and imaginary parts, and expected power."""
        rows = {"real": Column(rows=_BINS), "imaginary": Column(rows=_BINS)}
        return {**rows, "power": Column(fill=float(_TINY), rows=_BINS)}

    def score(self, state: State, seen: Frame) -> Single:
        """Score one sample of each lane, period by period: what one needs stays in the cache."""
        value = seen.bounded * np.float32(1 / self.window_samples)
        score = np.zeros_like(value)
        across, power = np.empty_like(value), np.empty_like(value)
        learning = self._learning(seen)
        for row, (cosine, sine) in enumerate(self._turns()):
            real, imaginary, usual = (state[name][row] for name in ("real", "imaginary", "power"))
            np.multiply(real, sine, out=across)
            real *= cosine
            real -= np.multiply(imaginary, sine, out=power)
            real += value
            imaginary *= cosine
            imaginary += across
            np.multiply(real, real, out=power)
            power += np.multiply(imaginary, imaginary, out=across)
            np.maximum(score, np.divide(power, usual, out=across), out=score)
            if learning is not None:
                chosen, gain, young = learning
                part = usual[chosen]
                _approach(part, power[chosen], gain, young)
                usual[chosen] = part
        return score

    def _turns(self) -> list[tuple[np.float32, np.float32]]:
        """Decay and turn of one sample at each period."""
        kept = 1 - 1 / self.window_samples
        angles = (2 * np.pi / (self.shortest_samples * 2.0**row) for row in range(_BINS))
        return [(np.float32(kept * np.cos(a)), np.float32(kept * np.sin(a))) for a in angles]

    def _learning(self, seen: Frame) -> tuple[Selection, Single, Bools | None] | None:
        """Lanes that learn of this sample, with what gain, and which of them are young.

        Every fourth sample teaches; neighbours tell the same.
        """
        turn = (seen.count.astype(np.int32) & (_EXPECT_EVERY - 1)) == 0
        if not turn.any():
            return None
        chosen = slice(None) if turn.all() else np.flatnonzero(turn)
        count = seen.count[chosen]
        gain = 1 / np.minimum(count / np.float32(_EXPECT_EVERY) + 1, _MEMORY)
        return chosen, gain, None if seen.fewest >= self.warm_up else count < self.warm_up

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        """Exponential tail of six powers."""
        return np.log(_BINS * samples)


def _approach(usual: Single, power: Single, gain: Single, young: Bools | None) -> None:
    """Learn the expected power; outliers bend it only until the series is known."""
    bound = usual * _POWER_MAX
    if young is not None:
        bound[young] = np.inf
    np.minimum(power, bound, out=bound)
    bound -= usual
    bound *= gain
    usual += bound
    np.maximum(usual, _TINY, out=usual)
