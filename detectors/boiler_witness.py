r"""Steam temperature as a second witness of a boiler's pressure.

Over water :math:`T_{steam} = T_{sat}(p)`. A transmitter that drifts upwards shows pressures at
which the steam would be hotter than it is. The disagreement

.. math::

    d = T_{steam} - T_{sat}(p)

is averaged over `RECENT_S`, and over `USUAL_S` for what is usual (the errors of both instruments).
When the recent mean is more than `denied_k` lower than the usual one, the pressure counts as shown
too high by what the saturation line makes of that difference, and limits are held against the rest.
Nothing is learned while the rest is above the rated pressure: there a thermometer that lags behind
a true ramp disagrees too.

    p shown    /\/\/\/\/\ slowly higher, over the limit: denied
    T_steam    /\/\/\/\/\ as ever
    d - usual  0            -1.5 K = 0.04 MPa too high

Beyond `denied_k` in either direction the usual is learned `ODD_SLOWER` times more slowly. It fails
where no steam temperature is reported, and in the first `warm_up_s`: there the pressure stands
alone. A thermometer that is stuck low or drifts downwards holds limits off by as much as it is
wrong: no rule that must not be late may listen to it.

Reference: pressure and steam temperature disagree along the saturation line (industrial.md 1.5).
"""

import numpy as np

from detectors.base import Context, column
from detectors.boiler_trace import reported
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from detectors.steam import saturation_c, saturation_mpa
from domain.instants import NS_PER_S

DENIED_K = 1.0
"""A burner stops some 0.03 MPa below the rated pressure, and limits lie 2 % above it: a transmitter
that shows them in normal operation is wrong by at least 1.4 K at 1.25 MPa, more below (ours)."""

WORKING_MPA = 0.1
"""Below this gauge pressure a boiler is shut down or heated up, and not learned from (ours)."""

RECENT_S = 300.0
USUAL_S = 86_400.0
WARM_UP_S = 3_600.0
STEP_MAX_S = 120.0
ODD_SLOWER = 10.0
"""Time constants; time to learn first; samples further apart teach nothing; what is
odd is not soon usual (ours)."""


class SteamWitness:
    """Disagreement of temperature and pressure of n boilers.

    Parameters
    ----------
    denied_k, warm_up_s
        Disagreement over the usual one that counts, and time to learn first.

    Attributes
    ----------
    usual_k, recent_k
        float64[n], long and short mean of the disagreement.
    learned_s
        float64[n], time learned from.
    steam_ns
        int64[n], newest sample of the steam temperature.
    """

    def __init__(self, denied_k: float, warm_up_s: float) -> None:
        self._denied_k = denied_k
        self._warm_up_s = warm_up_s
        self.usual_k: Floats = np.empty(0)
        self.recent_k: Floats = np.empty(0)
        self.learned_s: Floats = np.empty(0)
        self.steam_ns: Ints = np.empty(0, dtype=np.int64)

    def grow(self, n: int) -> None:
        """Make room for n boilers."""
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), n, 0))

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return (*self.times(), "usual_k", "recent_k", "learned_s")

    def times(self) -> tuple[str, ...]:
        """Names of those that hold event times."""
        return ("steam_ns",)

    def learn(self, rows: Rows, context: Context, rated_mpa: Floats) -> None:
        """Take in new samples of the temperature; ``rated_mpa`` float64[n]."""
        fresh = ~np.isnan(reported(rows, "steam_temperature_c"))
        fresh &= rows.event_ns > self.steam_ns[rows.device]
        if not fresh.any():
            return
        device, event_ns = rows.device[fresh], rows.event_ns[fresh]
        passed_s = (event_ns - self.steam_ns[device]) / NS_PER_S
        usable = (self.steam_ns[device] != NEVER) & (passed_s <= STEP_MAX_S)
        self.steam_ns[device] = event_ns
        pressure = column(context, device, "steam_pressure_mpa")
        off_k = column(context, device, "steam_temperature_c") - saturation_c(pressure)
        usable &= (pressure >= WORKING_MPA) & ~np.isnan(off_k)
        usable &= pressure - self.too_high_mpa(device, pressure) <= rated_mpa[device]
        self._average(device[usable], passed_s[usable], off_k[usable])

    def _average(self, device: Devices, passed_s: Floats, off_k: Floats) -> None:
        low_k, warm = self._low_k(device)
        self.learned_s[device] += passed_s
        young_s = self.learned_s[device]
        odd = warm & (np.abs(low_k) > self._denied_k)
        usual_s = np.where(odd, ODD_SLOWER * USUAL_S, np.minimum(young_s, USUAL_S))
        recent_s = np.minimum(young_s, RECENT_S)
        for mean, constant_s in ((self.usual_k, usual_s), (self.recent_k, recent_s)):
            mean[device] += (off_k - mean[device]) * passed_s / constant_s

    def _low_k(self, device: Devices) -> tuple[Floats, Bools]:
        """By how much the steam is colder than usual, and whether enough was learned."""
        warm = self.learned_s[device] >= self._warm_up_s
        return self.usual_k[device] - self.recent_k[device], warm

    def too_high_mpa(self, device: Devices, pressure_mpa: Floats) -> Floats:
        """By how much pressures are shown too high, 0 where nothing is wrong or known."""
        low_k, warm = self._low_k(device)
        denied = warm & (low_k > self._denied_k)
        off = np.zeros(len(device))
        if denied.any():
            real = saturation_mpa(saturation_c(pressure_mpa[denied]) - low_k[denied])
            off[denied] = np.nan_to_num(pressure_mpa[denied] - real)
        return off
