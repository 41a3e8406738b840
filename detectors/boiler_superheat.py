r"""Boiler overheating: steam hotter than water boils at this pressure.

Over water, steam is saturated: :math:`T_{steam} = T_{sat}(p)`. Steam that is hotter has passed dry
plate or tubes. The excess is

.. math::

    e = T_{steam} - T_{sat}(\max_{lag} p) - u

The largest pressure of the last `lag_s` to twice that stands for the thermometer's lag: in a fall
of pressure it still shows the earlier, hotter steam. :math:`u` is the usual excess, learned over
`usual_s` while :math:`e` is small and not less than 0: with it boilers with a superheater and
thermometers that read high are judged too; until `warm_up_s` nothing is said.

- advisory: :math:`e >` `excess_k` for `hold_s`;
- suspected: firing, :math:`e >` `dry_excess_k` for `dry_hold_s`, and a second witness of a dry
  shell: level at or below the low level, or flue gas `flue_rise_k` hotter than usual while firing.

    T_steam - T_sat   0 ________/ 6 K ___________/ 12 K, level -55 mm
    s                           0        60 advisory  0  10 suspected

It fails without steam temperature or pressure, below 0.1 and above 3.9 MPa gauge, in a boiler that
is overheated from the first hour on, and with thermometers on the outside of a pipe, which lag
longer. State: 48 B a boiler.

Reference: industrial.md 1.5, T_steam - T_sat(p) > 5 K (derived).
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same, sampled
from detectors.boiler_samples import reported
from detectors.boiler_trace import firing, observed, quantity
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from detectors.steam import saturation_c
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

_WORKING_MPA = 0.1
"""Below this gauge pressure a boiler is shut down or heated up, and not judged (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerSuperheatParameters:
    """Parameters of the overheating rule.

    Parameters
    ----------
    excess_k, hold_s
        Excess over saturation and the usual: advisory, and how long it must stand.
    dry_excess_k, dry_hold_s
        The same for a suspected dry shell.
    low_level_mm, flue_rise_k
        Second witness: level at or below, or flue gas over its usual temperature while firing.
    lag_s
        Time for which the thermometer may lag behind the pressure.
    usual_s, warm_up_s, step_max_s
        Time constant of what is usual, time that must be learned first, and the longest time
        between samples that is learned from.
    over_hold_s
        An excess below half of `excess_k` must stand so long.
    """

    excess_k: float = 5.0
    hold_s: float = 60.0
    dry_excess_k: float = 10.0
    dry_hold_s: float = 10.0
    low_level_mm: float = -50.0
    flue_rise_k: float = 60.0
    lag_s: float = 120.0
    usual_s: float = 86_400.0
    warm_up_s: float = 3_600.0
    step_max_s: float = 120.0
    over_hold_s: float = 60.0


class BoilerSuperheat:
    """Overheating of n boilers.

    Attributes
    ----------
    peak_mpa
        float64[n, 2], largest pressure of the present and of the former span of `lag_s`.
    peak_ns
        int64[n], when the present span began.
    usual_k, usual_flue_c
        float64[n], usual excess, and usual flue gas temperature while firing.
    learned_s
        float64[n], time learned from.
    sample_ns
        int64[n], the newest sample of the steam temperature.
    """

    name = "boiler_superheat"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.OVERHEATING
    channels = (
        "steam_temperature_c",
        "steam_pressure_mpa",
        "water_level_mm",
        "flue_gas_temperature_c",
        "flame_on",
        "burner_stage",
    )
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerSuperheatParameters) -> None:
        self._p = parameters
        self.peak_mpa: Floats = np.empty((0, 2))
        self.peak_ns: Ints = np.empty(0, dtype=np.int64)
        self.usual_k: Floats = np.empty(0)
        self.usual_flue_c: Floats = np.empty(0)
        self.learned_s: Floats = np.empty(0)
        self.sample_ns: Ints = np.empty(0, dtype=np.int64)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room; nothing depends on ratings."""
        n = len(fleet.members(kind))
        self.peak_mpa = grown(self.peak_mpa, n, np.nan)
        self.peak_ns = grown(self.peak_ns, n, NEVER)
        self.usual_k = grown(self.usual_k, n, 0.0)
        self.usual_flue_c = grown(self.usual_flue_c, n, np.nan)
        self.learned_s = grown(self.learned_s, n, 0.0)
        self.sample_ns = grown(self.sample_ns, n, NEVER)

    def arrays(self) -> tuple[str, ...]:
        """Peaks, what is usual, and times."""
        return (*self.times(), "peak_mpa", "usual_k", "usual_flue_c", "learned_s")

    def times(self) -> tuple[str, ...]:
        """Start of the present span, and the newest sample."""
        return ("peak_ns", "sample_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        self._keep_peak(rows)
        self._learn(rows, context)
        excess = self._excess_k(device, context)
        fires, _ = firing(device, context)
        dry = fires & (excess > p.dry_excess_k) & self._witness(device, context)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 0] = sampled(context, device, p.hold_s)
        hold_ns[:, 1] = sampled(context, device, p.dry_hold_s)
        known = context.current.known[device] & ~np.isnan(excess)
        return Judgement(
            standing=levels(excess > p.excess_k, dry, np.zeros(m, dtype=np.bool_)),
            hold_ns=hold_ns,
            over=excess < p.excess_k / 2,
            over_hold_ns=same(m, p.over_hold_s),
            known=known & (self.learned_s[device] >= p.warm_up_s),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        one = np.array([device], dtype=np.int32)
        pressure = observed(context, device, "steam_pressure_mpa")
        flue = observed(context, device, "flue_gas_temperature_c")
        return (
            quantity("steam_temperature_c", observed(context, device, "steam_temperature_c"), "°C"),
            quantity("saturation_c", saturation_c(self._peak_mpa(one))[0], "°C"),
            quantity("steam_pressure_mpa", pressure, "MPa"),
            quantity("usual_excess_k", self.usual_k[device], "K"),
            quantity("water_level_mm", observed(context, device, "water_level_mm"), "mm"),
            quantity("flue_gas_temperature_c", flue, "°C"),
            quantity("usual_flue_c", self.usual_flue_c[device], "°C"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "steam_saturated"

    def _peak_mpa(self, device: Devices) -> Floats:
        return np.asarray(np.fmax(self.peak_mpa[device, 0], self.peak_mpa[device, 1]))

    def _excess_k(self, device: Devices, context: Context) -> Floats:
        """Excess over saturation and the usual, NaN = unknown."""
        steam = column(context, device, "steam_temperature_c")
        pressure = column(context, device, "steam_pressure_mpa")
        peak = np.where(pressure >= _WORKING_MPA, self._peak_mpa(device), np.nan)
        return steam - saturation_c(peak) - np.maximum(self.usual_k[device], 0.0)

    def _witness(self, device: Devices, context: Context) -> Bools:
        """Whether level or flue gas speak of a dry shell too."""
        p = self._p
        low = column(context, device, "water_level_mm") <= p.low_level_mm
        flue = column(context, device, "flue_gas_temperature_c")
        return np.asarray(low | (flue > self.usual_flue_c[device] + p.flue_rise_k))

    def _keep_peak(self, rows: Rows) -> None:
        pressure, device = reported(rows, "steam_pressure_mpa"), rows.device
        span_ns = seconds(self._p.lag_s)
        old_ns = rows.event_ns - self.peak_ns[device]
        turns = ~np.isnan(pressure) & (old_ns >= span_ns)
        turned = device[turns]
        # A span that ended long ago says nothing of now.
        former = np.where(old_ns[turns] < 2 * span_ns, self.peak_mpa[turned, 0], np.nan)
        self.peak_mpa[turned, 1], self.peak_mpa[turned, 0] = former, np.nan
        self.peak_ns[turned] = rows.event_ns[turns]
        self.peak_mpa[device, 0] = np.fmax(self.peak_mpa[device, 0], pressure)

    def _learn(self, rows: Rows, context: Context) -> None:
        """Take in new samples of the steam temperature while nothing is wrong."""
        p = self._p
        fresh = ~np.isnan(reported(rows, "steam_temperature_c"))
        fresh &= rows.event_ns > self.sample_ns[rows.device]
        device, event_ns = rows.device[fresh], rows.event_ns[fresh]
        passed_s = (event_ns - self.sample_ns[device]) / NS_PER_S
        usable = (self.sample_ns[device] != NEVER) & (passed_s <= p.step_max_s)
        self.sample_ns[device] = event_ns
        excess = self._excess_k(device, context)
        young = self.learned_s[device] < p.warm_up_s
        usable &= ~np.isnan(excess) & (young | (np.abs(excess) < p.excess_k))
        device, passed_s, excess = device[usable], passed_s[usable], excess[usable]
        self.learned_s[device] += passed_s
        gain = passed_s / np.minimum(self.learned_s[device], p.usual_s)
        raw = excess + np.maximum(self.usual_k[device], 0.0)
        self.usual_k[device] += gain * (raw - self.usual_k[device])
        self._learn_flue(device, gain, context)

    def _learn_flue(self, device: Devices, gain: Floats, context: Context) -> None:
        flue = column(context, device, "flue_gas_temperature_c")
        fires, _ = firing(device, context)
        seen = fires & ~np.isnan(flue)
        device, gain, flue = device[seen], gain[seen], flue[seen]
        usual = np.where(np.isnan(self.usual_flue_c[device]), flue, self.usual_flue_c[device])
        self.usual_flue_c[device] = usual + gain * (flue - usual)
