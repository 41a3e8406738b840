r"""Loads that ring on rope and jib after lift-off: a mass on a spring, damped.

The first peak of the swing is the dynamic factor less 1, in shares of the load at rest:

.. math:: s(t) = (\varphi - 1) \, \frac{e^{-t/\tau} \sin \omega t}{e^{-\theta/\omega\tau}
   \sin\theta}, \quad \tan\theta = \omega\tau, \quad \omega \propto 1/\sqrt{m}

Before lift-off the tension of the rope rises at the rate at which the load then rings, so a load
that comes off at a high factor was taken up fast. Hoist springs ring at 2-5 Hz (industrial.md 2.6).
"""

import numpy as np
from numpy.typing import NDArray

DECAY_S = (0.3, 2.0)
RATED_HZ = (2.0, 2.4)
"""Ranges over cranes: time constant of the damping, and frequency at the capacity."""

HOOK_MASS = 0.15
"""Hook block and slings over the capacity: with them the lightest loads ring at 5 Hz."""

DECAYS = 8.0
"""Ringing is over after so many times its decay."""

TIGHTEN_S = (0.02, 4.0)
"""Limits of the time in which the rope takes up the load."""


class Ringing:
    """Swings of the loads of n cranes."""

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self._factor = np.ones(n)
        self._began_s = np.full(n, -np.inf)
        self._mass = np.ones(n)
        self._rated_hz = rng.uniform(*RATED_HZ, n)
        least_s, most_s = DECAY_S
        self._decay_s = least_s * (most_s / least_s) ** rng.uniform(0.0, 1.0, n)

    def take_up(self, slot: int, share: float, factor: float) -> float:
        """Prepare a lift-off; return how long the rope takes up the load [s].

        Parameters
        ----------
        share
            Load over the capacity.
        factor
            Dynamic factor.
        """
        self._mass[slot], self._factor[slot] = share, factor
        omega, height = self._shape(np.array([slot]))
        rate = (factor - 1.0) / float(height[0]) * float(omega[0])
        return float(np.clip(1.0 / rate, *TIGHTEN_S)) if rate > 0.0 else TIGHTEN_S[1]

    def strike(self, slot: int, now_s: float, factor: float | None = None) -> None:
        """Let a load ring from now on, with its factor at lift-off or another one."""
        self._began_s[slot] = now_s
        if factor is not None:
            self._factor[slot] = factor

    def ongoing(self, now_s: float) -> NDArray[np.bool_]:
        """Which loads ring."""
        return np.asarray(now_s - self._began_s < DECAYS * self._decay_s)

    def swing(self, slots: NDArray[np.intp], now_s: float) -> NDArray[np.float64]:
        """Swings of some loads about their rest, in shares of it."""
        age_s = now_s - self._began_s[slots]
        omega, height = self._shape(slots)
        fades = np.exp(-age_s / self._decay_s[slots]) / height
        swing: NDArray[np.float64] = (self._factor[slots] - 1.0) * fades * np.sin(omega * age_s)
        return swing

    def _shape(self, slots: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Angular frequency [rad/s], and the first peak of a damped sine of amplitude 1."""
        stiff = (1.0 + HOOK_MASS) / (self._mass[slots] + HOOK_MASS)
        omega, decay_s = 2.0 * np.pi * self._rated_hz[slots] * np.sqrt(stiff), self._decay_s[slots]
        first = np.arctan(omega * decay_s)
        return omega, np.exp(-first / (omega * decay_s)) * np.sin(first)
