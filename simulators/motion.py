r"""Jerk-limited motion from rest to rest.

Seven segments of constant jerk: acceleration rises with jerk :math:`j` for :math:`t_j`, stays for
:math:`t_a`, falls for :math:`t_j`; cruise for :math:`t_v`; the mirror image to stand still. With
the peak speed :math:`v` of the run, :math:`t_j = \min(a/j, \sqrt{v/j})`,
:math:`t_a = v/(j t_j) - t_j`, and one speed change covers :math:`v\,(2 t_j + t_a)/2`. Typical
values of passenger lifts: 0.6-1.0 m/s2 and 0.8-1.5 m/s3.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One planned run of a given distance.

    Parameters
    ----------
    distance_m, peak_speed_mps, jerk_mps3
        Length of the run, the speed it reaches and its jerk, all positive.
    jerk_s, hold_s, cruise_s
        Durations :math:`t_j`, :math:`t_a` and :math:`t_v`.
    """

    distance_m: float
    peak_speed_mps: float
    jerk_mps3: float
    jerk_s: float
    hold_s: float
    cruise_s: float

    @property
    def duration_s(self) -> float:
        """Time from standstill to standstill."""
        return 2.0 * (2.0 * self.jerk_s + self.hold_s) + self.cruise_s


def plan(distance_m: float, *, speed_mps: float, acceleration_mps2: float, jerk_mps3: float) -> Run:
    """Fastest run over ``distance_m`` within the limits of speed, acceleration and jerk.

    Raises
    ------
    ValueError
        If a quantity is not positive.
    """
    if min(distance_m, speed_mps, acceleration_mps2, jerk_mps3) <= 0:
        msg = "distance, speed, acceleration and jerk of a run are positive"
        raise ValueError(msg)
    ramp_s = acceleration_mps2 / jerk_mps3
    reachable = (sqrt(ramp_s**2 + 4.0 * distance_m / acceleration_mps2) - ramp_s) / 2.0
    peak = reachable * acceleration_mps2
    if peak < acceleration_mps2 * ramp_s:
        peak = (distance_m * sqrt(jerk_mps3) / 2.0) ** (2.0 / 3.0)
    peak = min(peak, speed_mps)
    jerk_s = min(ramp_s, sqrt(peak / jerk_mps3))
    hold_s = max(0.0, peak / (jerk_mps3 * jerk_s) - jerk_s)
    cruise_s = max(0.0, distance_m / peak - (2.0 * jerk_s + hold_s))
    return Run(
        distance_m=distance_m,
        peak_speed_mps=peak,
        jerk_mps3=jerk_mps3,
        jerk_s=jerk_s,
        hold_s=hold_s,
        cruise_s=cruise_s,
    )


class Runs:
    """Planned runs of n cars as columns, evaluated together."""

    _COLUMNS = ("distance_m", "peak_speed_mps", "jerk_mps3", "jerk_s", "hold_s", "cruise_s")

    def __init__(self, n: int) -> None:
        self._table: NDArray[np.float64] = np.ones((n, len(self._COLUMNS)))

    def put(self, slot: int, run: Run) -> None:
        """Make ``run`` the current run of one car."""
        self._table[slot] = [getattr(run, name) for name in self._COLUMNS]

    def at(
        self, slots: NDArray[np.intp], elapsed_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Distance covered [m], speed [m/s] and acceleration [m/s2] after ``elapsed_s``.

        Parameters
        ----------
        slots, elapsed_s
            k cars and the time since each one's start; clipped to the run.
        """
        distance, peak, jerk, t_j, t_a, t_v = self._table[slots].T
        total = 2.0 * (2.0 * t_j + t_a) + t_v
        t = np.minimum(np.maximum(elapsed_s, 0.0), total)
        mirrored = t > total / 2.0
        t = np.where(mirrored, total - t, t)
        rise = np.minimum(t, t_j)
        hold = np.minimum(np.maximum(t - t_j, 0.0), t_a)
        fall = np.minimum(np.maximum(t - t_j - t_a, 0.0), t_j)
        cruise = np.maximum(t - 2.0 * t_j - t_a, 0.0)
        top = jerk * t_j
        acceleration = jerk * rise - jerk * fall
        v_1 = jerk * rise**2 / 2.0
        v_2 = v_1 + top * hold
        v_3 = v_2 + top * fall - jerk * fall**2 / 2.0
        covered = (
            jerk * rise**3 / 6.0
            + v_1 * hold
            + top * hold**2 / 2.0
            + v_2 * fall
            + top * fall**2 / 2.0
            - jerk * fall**3 / 6.0
            + peak * cruise
        )
        return (
            np.where(mirrored, distance - covered, covered),
            v_3,
            np.where(mirrored, -acceleration, acceleration),
        )
