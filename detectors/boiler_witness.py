r"""Two witnesses of a boiler's pressure: the steam temperature, and the burner's own switching.

A transmitter that drifts shows pressures that are not there. Two instruments that have nothing to
do with it tell by how much:

**Steam.** Over water :math:`T_{steam} = T_{sat}(p)`. The disagreement
:math:`d = T_{steam} - T_{sat}(p)` is averaged over `RECENT_S`, and over `USUAL_S` for what is
usual (the errors of both instruments). By steam, the pressure is shown wrong by what the saturation
line makes of the difference of both means, when that exceeds `denied_k`. Nothing is learned above
the rated pressure: there a thermometer that lags behind a true ramp disagrees too.

**Burner.** Its control steps it down and stops it at pressures that hardly scatter (starts are not
heard: people start burners at any pressure). By the burner, the pressure is shown wrong by how far
the last such moment lies from the usual pressure of its sort, if the one before lies off to the
same side, and a quarter more, since errors grow until the next one. A jump of the transmitter
shifts both by itself, and the recent disagreement begins anew.

The pressure counts as shown wrong by **what both witnesses have in common**: the smaller of two
errors of the same sign, 0 where they contradict each other or one of them is not known.

    fault                      steam says   burner says   counted
    transmitter drifts up      +0.05 MPa    +0.04 MPa     +0.05 MPa
    thermometer drifts down    +0.05 MPa     0             0
    set point was lowered       0           -0.10 MPa      0
    a true ramp                 0            0             0
    no steam temperature        ?           +0.04 MPa      0

Which is worse? An over-pressure that is shown late may cost lives; a false one costs a drive. So
one instrument that fails must never silence a rule: only two can, and what is unknown does not
count. Between shown and corrected pressure the burner still switches where it always did, so that
a boiler that is steered cannot be corrected beyond its usual band. The price: where the steam
temperature is not reported, where the burner modulates, or is switched by hand (no switching, or
one that scatters), in the first half hour, and for drifts faster than about 0.2 MPa/h, a
transmitter that drifts is claimed as if it were true. Both witnesses must fail together, and alike,
to hold a true over-pressure off.

Reference: pressure and steam temperature disagree along the saturation line (industrial.md 1.5).
"""

import numpy as np

from detectors.boiler_samples import reported
from detectors.current import NEVER, Bools, Current, Devices, Floats, Ints, Rows, grown
from detectors.steam import saturation_c, saturation_mpa
from domain.channels import COLUMNS
from domain.equipment import Kind
from domain.instants import NS_PER_S, seconds

DENIED_K = 1.0
"""A burner stops some 0.03 MPa below the rated pressure, and limits lie 1 % above it: a transmitter
that shows them in normal operation is wrong by at least 1.3 K at 1.25 MPa, more below (ours)."""

WORKING_MPA = 0.1
"""Below this gauge pressure a boiler is shut down or heated up, and not learned from (ours)."""

RECENT_S = 300.0
USUAL_S = 86_400.0
WARM_UP_S = 1_800.0
STEP_MAX_S = 120.0
ODD_SLOWER = 10.0
"""Time constants; time to learn first; samples further apart teach nothing, and an older one says
nothing; what is odd is not soon usual (ours)."""

SWITCHES_MIN = 3.0
SWITCHES_USUAL = 200.0
SWITCHES_FRESH_S = 1_800.0
SWITCH_SAMPLE_S = 5.0
ODD_MPA = 0.02
SCATTER_MAX_MPA = 0.01
GROWS = 1.25
"""Switchings of one sort to learn first, and to average at most; the last one is not older; nor the
pressure at it; a pressure so unlike is odd; burners that scatter more tell nothing; and what errors
may grow by until the next switching (ours)."""

_BOILER = COLUMNS[Kind.BOILER]
_PRESSURE, _STEAM = _BOILER["steam_pressure_mpa"], _BOILER["steam_temperature_c"]
_FLAME, _STAGE = _BOILER["flame_on"], _BOILER["burner_stage"]
_OFF, _LOW, _HIGH = 0, 3, 4
_STEP_DOWN, _STOP = range(2)


class SteamWitness:
    """Disagreement of temperature and pressure of n boilers.

    Attributes
    ----------
    usual_k, recent_k
        float64[n], long and short mean of the disagreement.
    learned_s, recent_s
        float64[n], time learned from, and since the transmitter last jumped.
    steam_ns
        int64[n], newest sample of the steam temperature.
    """

    def __init__(self) -> None:
        self.usual_k: Floats = np.empty(0)
        self.recent_k: Floats = np.empty(0)
        self.learned_s: Floats = np.empty(0)
        self.recent_s: Floats = np.empty(0)
        self.steam_ns: Ints = np.empty(0, dtype=np.int64)

    def grow(self, n: int) -> None:
        """Make room for n boilers."""
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), n, 0))

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return (*self.times(), "usual_k", "recent_k", "learned_s", "recent_s")

    def times(self) -> tuple[str, ...]:
        """Names of those that hold event times."""
        return ("steam_ns",)

    def restart(self, device: Devices) -> None:
        """Begin the recent mean anew."""
        self.recent_s[device] = 0.0

    def learn(
        self, device: Devices, passed_s: Floats, off_k: Floats, denied_k: float = DENIED_K
    ) -> None:
        """Take in disagreements, and the time that each stands for."""
        odd = np.abs(self.low_k(device)) > denied_k
        self.learned_s[device] += passed_s
        self.recent_s[device] += passed_s
        young_s = np.minimum(self.learned_s[device], USUAL_S)
        usual_s = np.where(odd, ODD_SLOWER * USUAL_S, young_s)
        recent_s = np.minimum(self.recent_s[device], RECENT_S)
        for mean, constant_s in ((self.usual_k, usual_s), (self.recent_k, recent_s)):
            mean[device] += (off_k - mean[device]) * passed_s / constant_s

    def low_k(self, device: Devices, warm_up_s: float = WARM_UP_S) -> Floats:
        """By how much the steam is colder than usual, 0 until enough was learned."""
        warm = self.learned_s[device] >= warm_up_s
        return np.where(warm, self.usual_k[device] - self.recent_k[device], 0.0)


class BurnerWitness:
    """Pressures at which the burners of n boilers switch.

    Attributes
    ----------
    usual_mpa, scatter_mpa, count
        float64[n, 2], usual pressure at a step down from high fire and at a stop, mean distance
        from it, and how many were seen.
    off_mpa
        float64[n, 2], how far the last two learned switchings lie from their usual pressure, newest
        last; NaN = not known.
    switched_ns
        int64[n], event time of the newest of them.
    """

    def __init__(self) -> None:
        self.usual_mpa: Floats = np.empty((0, 2))
        self.scatter_mpa: Floats = np.empty((0, 2))
        self.count: Floats = np.empty((0, 2))
        self.off_mpa: Floats = np.empty((0, 2))
        self.switched_ns: Ints = np.empty(0, dtype=np.int64)

    def grow(self, n: int) -> None:
        """Make room for n boilers."""
        self.usual_mpa = grown(self.usual_mpa, n, 0.0)
        self.scatter_mpa = grown(self.scatter_mpa, n, 0.0)
        self.count = grown(self.count, n, 0.0)
        self.off_mpa = grown(self.off_mpa, n, np.nan)
        self.switched_ns = grown(self.switched_ns, n, NEVER)

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return (*self.times(), "usual_mpa", "scatter_mpa", "count", "off_mpa")

    def times(self) -> tuple[str, ...]:
        """Names of those that hold event times."""
        return ("switched_ns",)

    def shift(self, device: Devices, step_mpa: Floats) -> None:
        """Count jumps of the transmitter: no boiler makes them."""
        self.off_mpa[device] += step_mpa[:, None]

    def learn(self, rows: Rows, current: Current) -> None:
        """Take in the rows with which burners switch, at a pressure sampled with them."""
        sort = _switching(rows, current)
        if sort is None:
            return
        pressure_ns = current.reported_ns[rows.device, _PRESSURE]
        near = rows.event_ns - pressure_ns <= seconds(SWITCH_SAMPLE_S)
        seen = (sort >= 0) & near & (rows.event_ns > self.switched_ns[rows.device])
        device, sort = rows.device[seen], sort[seen]
        pressure = current.values[device, _PRESSURE]
        told = ~np.isnan(pressure)
        self._take(device[told], sort[told], pressure[told], rows.event_ns[seen][told])

    def _take(self, device: Devices, sort: Ints, pressure: Floats, event_ns: Ints) -> None:
        count = self.count[device, sort]
        learned = count >= SWITCHES_MIN
        off = pressure - self.usual_mpa[device, sort]
        odd = np.abs(np.where(learned, off, self.off_mpa[device, 1])) > ODD_MPA
        # What is seen for the first time while all else is odd teaches nothing.
        teaches = learned | ~odd
        self._average(device[teaches], sort[teaches], off[teaches], odd[teaches])
        told = learned & (self.scatter_mpa[device, sort] <= SCATTER_MAX_MPA)
        device = device[told]
        self.off_mpa[device, 0], self.off_mpa[device, 1] = self.off_mpa[device, 1], off[told]
        self.switched_ns[device] = event_ns[told]

    def _average(self, device: Devices, sort: Ints, off: Floats, odd: Bools) -> None:
        self.count[device, sort] = np.minimum(self.count[device, sort] + 1, SWITCHES_USUAL)
        gain = np.where(odd, 1 / (ODD_SLOWER * SWITCHES_USUAL), 1 / self.count[device, sort])
        first = self.count[device, sort] == 1
        self.usual_mpa[device, sort] += gain * off
        away = np.where(first, 0.0, np.abs(off))
        self.scatter_mpa[device, sort] += gain * (away - self.scatter_mpa[device, sort])

    def known_off_mpa(self, device: Devices, event_ns: Ints) -> Floats:
        """By how much pressures are shown wrong, 0 where that is not known."""
        fresh = event_ns - self.switched_ns[device] <= seconds(SWITCHES_FRESH_S)
        former, newest = self.off_mpa[device, 0], self.off_mpa[device, 1]
        return np.where(fresh & (former * newest > 0), GROWS * newest, 0.0)


class PressureWitnesses:
    """Both witnesses of n boilers."""

    def __init__(self) -> None:
        self.steam = SteamWitness()
        self.burner = BurnerWitness()

    def learn(self, rows: Rows, current: Current, rated_mpa: Floats) -> None:
        """Take in a round; ``rated_mpa`` float64[n]."""
        self.burner.learn(rows, current)
        steam = self.steam
        fresh = ~np.isnan(reported(rows, "steam_temperature_c"))
        fresh &= rows.event_ns > steam.steam_ns[rows.device]
        if not fresh.any():
            return
        device, event_ns = rows.device[fresh], rows.event_ns[fresh]
        before_ns, steam.steam_ns[device] = steam.steam_ns[device], event_ns
        passed_s = (event_ns - before_ns) / NS_PER_S
        pressure = current.values[device, _PRESSURE]
        off_k = current.values[device, _STEAM] - saturation_c(pressure)
        usable = (before_ns != NEVER) & (passed_s <= STEP_MAX_S) & ~np.isnan(off_k)
        usable &= pressure >= WORKING_MPA
        usable &= pressure - self.off_mpa(device, event_ns, pressure) <= rated_mpa[device]
        steam.learn(device[usable], passed_s[usable], off_k[usable])

    def jumped(self, device: Devices, step_mpa: Floats) -> None:
        """Take in jumps of transmitters."""
        if len(device):
            self.burner.shift(device, step_mpa)
            self.steam.restart(device)

    def off_mpa(
        self,
        device: Devices,
        event_ns: Ints,
        pressure_mpa: Floats,
        denied_k: float = DENIED_K,
        warm_up_s: float = WARM_UP_S,
    ) -> Floats:
        """By how much pressures are shown too high, less than 0 = too low; 0 = nothing is known."""
        off = np.zeros(len(device))
        low_k = self.steam.low_k(device, warm_up_s)
        denied = np.abs(low_k) > denied_k
        if not denied.any():
            return off
        fresh = event_ns - self.steam.steam_ns[device] <= seconds(STEP_MAX_S)
        doubted = np.flatnonzero(denied & fresh)
        device, shown = device[doubted], pressure_mpa[doubted]
        by_steam = shown - saturation_mpa(saturation_c(shown) - low_k[doubted])
        off[doubted] = common(by_steam, self.burner.known_off_mpa(device, event_ns[doubted]))
        return off


def common(one: Floats, other: Floats) -> Floats:
    """What two errors have in common: the smaller one if they have one sign, else 0."""
    least = np.minimum(np.abs(one), np.abs(other))
    agree = (one * other) > 0
    return np.where(agree, np.copysign(least, one), 0.0)


def _switching(rows: Rows, current: Current) -> Ints | None:
    """Sort of switching with each row, -1 = none; by burner stage, else by flame."""
    before, now = rows.before[:, _STAGE], current.values[rows.device, _STAGE]
    flame_before, flame = rows.before[:, _FLAME], current.values[rows.device, _FLAME]
    by_flame = np.isnan(now) & (flame != flame_before)
    moved = (now != before) | by_flame
    if not moved.any():
        return None
    sort = np.full(len(rows.device), -1)
    lit = (before == _LOW) | (before == _HIGH)
    sort[(before == _HIGH) & (now == _LOW)] = _STEP_DOWN
    sort[(lit & (now == _OFF)) | (by_flame & (flame_before == 1) & (flame == 0))] = _STOP
    return sort
