"""The pressure of a boiler in the last seconds, and its slope.

The least-squares line through the samples of a window gives slope and pressure without the sensor's
noise. A step faster than any boiler (`JUMP_MAX_MPA_PER_S`) is an instrument; a transmitter that
jumped and has not moved since is broken, and what it shows proves nothing. A transmitter that never
moves by less than a coarse step does not jump with each of them: its smallest step is learned.
"""

import numpy as np

from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.channels import COLUMNS
from domain.equipment import Kind
from domain.instants import NS_PER_S, seconds

SAMPLES = 16
"""Samples of pressure kept a boiler."""

WINDOW_S = 10.0
SPAN_MIN_S = 3.0
SAMPLES_MIN = 3.0
"""Longest and shortest span of a slope, and the fewest samples (ours)."""

JUMP_MAX_MPA_PER_S = 0.025
"""Fastest step between two samples that a boiler can make: three times the fastest slope that is no
instrument (industrial.md 1.4: 0.5 MPa/min), to leave room for noise."""

RESOLUTION_MPA = 0.001
COARSE_MAX_MPA = 0.04
COARSE_ROOM = 1.5
COARSER = 1.2
"""Usual step; coarsest step that is no jump; a jump is so many steps; and the learned step grows by
this factor a change, until a smaller one is seen (ours)."""

_BOILER = COLUMNS[Kind.BOILER]


def reported(rows: Rows, name: str) -> Floats:
    """What the rows themselves report of one boiler channel, NaN = nothing."""
    values: Floats = rows.reported[:, _BOILER[name]]
    return values


class PressureTrace:
    """The last pressures of n boilers, 16 x 16 B each.

    Attributes
    ----------
    sample_ns, sample_mpa
        int64[n, 16], float64[n, 16], newest last.
    jumped_ns
        int64[n], the last sample before the newest jump.
    step_mpa
        float64[n], smallest step of the transmitter lately, 0 until it moves.
    shifted
        bool[n], the newest sample stands where a jump put it, and has not moved since.
    """

    def __init__(self) -> None:
        self.sample_ns: Ints = np.empty((0, SAMPLES), dtype=np.int64)
        self.sample_mpa: Floats = np.empty((0, SAMPLES))
        self.jumped_ns: Ints = np.empty(0, dtype=np.int64)
        self.step_mpa: Floats = np.empty(0)
        self.shifted: Bools = np.empty(0, dtype=np.bool_)

    def grow(self, n: int) -> None:
        """Make room for n boilers."""
        self.sample_ns = grown(self.sample_ns, n, 0)
        self.sample_mpa = grown(self.sample_mpa, n, np.nan)
        self.jumped_ns = grown(self.jumped_ns, n, NEVER)
        self.step_mpa = grown(self.step_mpa, n, 0.0)
        self.shifted = grown(self.shifted, n, 0)

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return (*self.times(), "sample_mpa", "step_mpa", "shifted")

    def times(self) -> tuple[str, ...]:
        """Names of those that hold event times."""
        return ("sample_ns", "jumped_ns")

    def push(self, rows: Rows) -> tuple[Devices, Floats]:
        """Take in new samples; rows that bring none or come late bring nothing.

        Returns
        -------
        device, step_mpa
            Boilers whose pressure jumped, and by how much.
        """
        sample = reported(rows, "steam_pressure_mpa")
        fresh = ~np.isnan(sample) & (rows.event_ns > self.sample_ns[rows.device, -1])
        device, sample, event_ns = rows.device[fresh], sample[fresh], rows.event_ns[fresh]
        times, values = self.sample_ns[device], self.sample_mpa[device]
        step = sample - values[:, -1]
        fastest = JUMP_MAX_MPA_PER_S * ((event_ns - times[:, -1]) / NS_PER_S)
        jumps = np.abs(step) > np.maximum(fastest, COARSE_ROOM * self._coarse(device, step))
        self.shifted[device] = jumps | (self.shifted[device] & (step == 0))
        self.jumped_ns[device[jumps]] = times[jumps, -1]
        self.sample_ns[device, :-1], self.sample_ns[device, -1] = times[:, 1:], event_ns
        self.sample_mpa[device, :-1], self.sample_mpa[device, -1] = values[:, 1:], sample
        return device[jumps], step[jumps]

    def _coarse(self, device: Devices, step: Floats) -> Floats:
        """Smallest step of transmitters before this one, which it is then learned with."""
        before = self.step_mpa[device]
        larger = np.where(before > 0, np.maximum(before, RESOLUTION_MPA) * COARSER, COARSE_MAX_MPA)
        least = np.fmin(np.abs(step), np.minimum(larger, COARSE_MAX_MPA))
        self.step_mpa[device] = np.where(np.abs(step) > 0, least, before)
        return before

    def steady(self, device: Devices, window_s: float = WINDOW_S) -> Bools:
        """Whether the window holds no jump, and the newest sample did not come by one."""
        jumped_ns = self.jumped_ns[device]
        recent = self.sample_ns[device, -1] - jumped_ns <= seconds(window_s)
        return np.asarray(~(recent & (jumped_ns != NEVER)) & ~self.shifted[device])

    def line(
        self,
        device: Devices,
        window_s: float = WINDOW_S,
        samples_min: float = SAMPLES_MIN,
        span_min_s: float = SPAN_MIN_S,
    ) -> tuple[Floats, Floats]:
        """Least-squares slope [MPa/s] of the window, and the line's value at the newest sample.

        Both are NaN when there are too few samples.
        """
        times, value = self.sample_ns[device], self.sample_mpa[device]
        time_s = (times - times[:, -1:]) / NS_PER_S
        inside = (time_s >= -window_s) & ~np.isnan(value)
        n = inside.sum(axis=1)
        t = np.where(inside, time_s, 0.0)
        v = np.where(inside, value, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            t_mean, v_mean = t.sum(axis=1) / n, v.sum(axis=1) / n
            t_off = np.where(inside, t - t_mean[:, None], 0.0)
            v_off = np.where(inside, v - v_mean[:, None], 0.0)
            slope = (t_off * v_off).sum(axis=1) / (t_off**2).sum(axis=1)
        enough = (n >= samples_min) & (t.min(axis=1) <= -span_min_s)
        return np.where(enough, slope, np.nan), np.where(enough, v_mean - slope * t_mean, np.nan)
