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
from detectors.statistics.lanes import Column, Columns, Floats, Single, State
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
    window_samples: float = 100.0
    warm_up: int = 1_000
    name: str = "oscillation"
    incident: IncidentKind = IncidentKind.STATISTICAL_ANOMALY
    learned: bool = True

    @property
    def columns(self) -> Columns:
        """Real and imaginary parts, and expected power."""
        rows = {"real": Column(rows=_BINS), "imaginary": Column(rows=_BINS)}
        return {**rows, "power": Column(rows=_BINS)}

    def score(self, state: State, seen: Frame) -> Single:
        """Score one sample of each lane; all six sums in one go."""
        gain = 1 / self.window_samples
        value = seen.bounded * np.float32(gain)
        cosine, sine = self._turn()
        real, imaginary, usual = state["real"], state["imaginary"], state["power"]
        across = real * sine
        real *= cosine
        real -= imaginary * sine
        real += value
        imaginary *= cosine
        imaginary += across
        power = real * real
        power += np.multiply(imaginary, imaginary, out=across)
        ratio = np.maximum(usual, _TINY, out=across)
        score: Single = np.divide(power, ratio, out=ratio).max(axis=0)
        self._expect(usual, power, seen.count)
        return score

    def _turn(self) -> tuple[Single, Single]:
        """Decay and turn of one sample, float32[6, 1]."""
        period = self.shortest_samples * 2.0 ** np.arange(_BINS)[:, None]
        angle = 2 * np.pi / period
        kept = 1 - 1 / self.window_samples
        return (kept * np.cos(angle)).astype(np.float32), (kept * np.sin(angle)).astype(np.float32)

    def _expect(self, usual: Single, power: Single, count: Single) -> None:
        """Learn the expected power of every fourth sample; neighbours tell the same."""
        turn = count.astype(np.int32) % _EXPECT_EVERY == 0
        if not turn.any():
            return
        if not turn.all():
            chosen = np.flatnonzero(turn)
            part = usual[:, chosen]
            self._approach(part, power[:, chosen], count[chosen])
            usual[:, chosen] = part
        else:
            self._approach(usual, power, count)

    def _approach(self, usual: Single, power: Single, count: Single) -> None:
        bound = usual * _POWER_MAX
        if count.min(initial=np.inf) < self.warm_up:
            # Without outliers only once the series is known.
            bound[:, count < self.warm_up] = np.inf
        np.minimum(power, bound, out=power)
        power -= usual
        power *= 1 / np.minimum(count / np.float32(_EXPECT_EVERY) + 1, _MEMORY)
        usual += power

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        """Exponential tail of six powers."""
        return np.log(_BINS * samples)
