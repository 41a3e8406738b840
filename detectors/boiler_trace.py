"""What boiler detectors share: firing, the pressure of the last seconds, and its slope.

The least-squares line through the samples of a window gives slope and pressure without the sensor's
noise. A step faster than any boiler (`JUMP_MAX_MPA_PER_S`) is an instrument; a transmitter that
jumped and has not moved since is broken, and what it shows proves nothing.
"""

import numpy as np

from detectors.base import Context, column
from detectors.current import Bools, Devices, Floats, Ints, Rows, grown
from domain.channels import COLUMNS
from domain.equipment import Kind
from domain.findings import Evidence
from domain.instants import NS_PER_S

SAMPLES = 16
"""Samples of pressure kept a boiler."""

WINDOW_S = 10.0
SPAN_MIN_S = 3.0
SAMPLES_MIN = 3.0
"""Longest and shortest span of a slope, and the fewest samples (ours)."""

JUMP_MAX_MPA_PER_S = 0.025
"""Fastest step between two samples that a boiler can make: three times the fastest slope that is no
instrument (industrial.md 1.4: 0.5 MPa/min), to leave room for noise."""

_LIT_STAGES = (2, 3, 4)
_MAIN_STAGES = (3, 4)


class PressureTrace:
    """The last pressures of n boilers, 16 x 16 B each.

    Attributes
    ----------
    sample_ns, sample_mpa
        int64[n, 16], float64[n, 16], newest last.
    shifted
        bool[n], the newest sample stands where a jump put it, and has not moved since.
    """

    def __init__(self) -> None:
        self.sample_ns: Ints = np.empty((0, SAMPLES), dtype=np.int64)
        self.sample_mpa: Floats = np.empty((0, SAMPLES))
        self.shifted: Bools = np.empty(0, dtype=np.bool_)

    def grow(self, n: int) -> None:
        """Make room for n boilers."""
        self.sample_ns = grown(self.sample_ns, n, 0)
        self.sample_mpa = grown(self.sample_mpa, n, np.nan)
        self.shifted = grown(self.shifted, n, 0)

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return (*self.times(), "sample_mpa", "shifted")

    def times(self) -> tuple[str, ...]:
        """Names of those that hold event times."""
        return ("sample_ns",)

    def push(self, rows: Rows, jump_max_mpa_per_s: float = JUMP_MAX_MPA_PER_S) -> None:
        """Take in new samples; rows that bring none or come late bring nothing."""
        sample = reported(rows, "steam_pressure_mpa")
        fresh = ~np.isnan(sample) & (rows.event_ns > self.sample_ns[rows.device, -1])
        device, sample, event_ns = rows.device[fresh], sample[fresh], rows.event_ns[fresh]
        before, before_ns = self.sample_mpa[device, -1], self.sample_ns[device, -1]
        step = np.abs(sample - before)
        jumps = step > jump_max_mpa_per_s * ((event_ns - before_ns) / NS_PER_S)
        self.shifted[device] = jumps | (self.shifted[device] & (step == 0))
        self.sample_ns[device, :-1] = self.sample_ns[device, 1:]
        self.sample_mpa[device, :-1] = self.sample_mpa[device, 1:]
        self.sample_ns[device, -1] = event_ns
        self.sample_mpa[device, -1] = sample

    def steady(
        self,
        device: Devices,
        window_s: float = WINDOW_S,
        jump_max_mpa_per_s: float = JUMP_MAX_MPA_PER_S,
    ) -> Bools:
        """Whether the window holds no jump, and the newest sample did not come by one."""
        times, values = self.sample_ns[device], self.sample_mpa[device]
        age_s = (times[:, -1:] - times[:, :-1]) / NS_PER_S
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.abs(np.diff(values, axis=1)) / (np.diff(times, axis=1) / NS_PER_S)
        jumps = (age_s <= window_s) & (rate > jump_max_mpa_per_s)
        return ~jumps.any(axis=1) & ~self.shifted[device]

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


def firing(device: Devices, context: Context) -> tuple[Bools, Bools]:
    """Whether the main flame burns, and whether that is known: by flame, else by burner stage."""
    flame, stage = column(context, device, "flame_on"), column(context, device, "burner_stage")
    fires = np.where(np.isnan(flame), np.isin(stage, _MAIN_STAGES), flame == 1)
    return fires.astype(np.bool_), ~(np.isnan(flame) & np.isnan(stage))


def may_fire(device: Devices, context: Context) -> Bools:
    """Whether the burner is not known to be off; a pilot counts as fire."""
    flame, stage = column(context, device, "flame_on"), column(context, device, "burner_stage")
    by_stage = np.isnan(stage) | np.isin(stage, _LIT_STAGES)
    return np.where(np.isnan(flame), by_stage, flame == 1).astype(np.bool_)


def reported(rows: Rows, name: str) -> Floats:
    """What the rows themselves report of one boiler channel, NaN = nothing."""
    values: Floats = rows.reported[:, COLUMNS[Kind.BOILER][name]]
    return values


def quantity(name: str, value: float, unit: str = "") -> Evidence:
    """Evidence of a measured quantity; NaN is an unknown one."""
    return Evidence(name=name, value=None if np.isnan(value) else float(value), unit=unit)


def flag(name: str, value: float) -> Evidence:
    """Evidence of a state that is on, off or unknown (NaN)."""
    return Evidence(name=name, value=None if np.isnan(value) else bool(value))


def observed(context: Context, device: int, name: str) -> float:
    """Current value of one channel of one device, NaN = unknown."""
    return float(column(context, np.array([device], dtype=np.int32), name)[0])
