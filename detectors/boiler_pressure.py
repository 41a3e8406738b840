r"""Boiler over-pressure: by limit, and by forecast of the time to the safety-valve set pressure.

From the cut-out of a small boiler to its first safety valve there are only some 9-15 s of blocked
full fire, so the level alone is too late. The least-squares line through the samples of the last
`window_s` gives the slope :math:`b` and the pressure :math:`\hat p` without the sensor's noise; the
forecast is :math:`(p_{set} - \hat p) / b`.

- advisory: :math:`p > p_{rated}` for 10 s;
- suspected: beyond the rated pressure by a margin, rising, set pressure forecast within 60 s, flame
  not known to be off;
- confirmed: forecast within 15 s, or :math:`p \ge p_{set}` less its tolerance for 2 s; at most half
  the way from rated to set pressure counts as tolerance.

A slope beyond `slope_max_mpa_per_min` is an instrument or a rupture: no forecast then. A pressure
that came by a jump and has not moved since is an instrument too, and is an advisory at most.

Pressures are those shown less what steam temperature and burner agree that they are shown too high,
or more what they are shown too low (`detectors.boiler_witness`, where it is said why both must
agree, and what is lost where they cannot): `BoilerSensor` tells engineers then. It fails with
samples slower than about 5 s, for transmitters with steps coarser than 0.025 MPa (every one is a
jump), and says nothing of boilers without a rated or set pressure.

Set pressures and tolerances: TSG 11-2020 chapter 5 as reproduced in secondary sources.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, holds, levels, same, sampled
from detectors.boiler_samples import SAMPLES_MIN, SPAN_MIN_S, WINDOW_S
from detectors.boiler_sight import PressureView, set_tolerance_mpa
from detectors.boiler_trace import flag, may_fire, observed, quantity
from detectors.boiler_witness import DENIED_K, WARM_UP_S
from detectors.current import Devices, Floats, Rows
from detectors.parts import inside
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerPressureParameters:
    """Parameters of the over-pressure rule.

    Parameters
    ----------
    margin
        Share above rated pressure before a forecast counts (trip expected at +1 %).
    window_s, samples_min, span_min_s
        Longest span, fewest samples and shortest span of the slope.
    forecast_suspected_s, forecast_confirmed_s
        Time to set pressure that raises each level.
    slope_min_mpa_per_min, slope_max_mpa_per_min
        Slower is not rising beyond sensor noise; faster is no firing fault (0.2 MPa/min is the
        fastest that the usual small boilers can).
    denied_k, warm_up_s
        Steam so much colder or hotter than usual for its pressure denies it, once so much time was
        learned.
    """

    margin: float = 0.01
    window_s: float = WINDOW_S
    samples_min: float = SAMPLES_MIN
    span_min_s: float = SPAN_MIN_S
    forecast_suspected_s: float = 60.0
    forecast_confirmed_s: float = 15.0
    slope_min_mpa_per_min: float = 0.03
    slope_max_mpa_per_min: float = 0.5
    denied_k: float = DENIED_K
    warm_up_s: float = WARM_UP_S
    advisory_hold_s: float = 10.0
    limit_hold_s: float = 2.0
    over_share: float = 0.98
    over_hold_s: float = 10.0


class BoilerPressure:
    """Over-pressure of n boilers."""

    name = "boiler_pressure"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.OVERPRESSURE
    channels = ("steam_pressure_mpa", "steam_temperature_c", "flame_on", "burner_stage")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerPressureParameters) -> None:
        self._p = parameters
        self.view = PressureView()

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated and set pressures."""
        self.view.grow(fleet, kind)

    def arrays(self) -> tuple[str, ...]:
        """The view of the pressure."""
        return inside("view", self.view.arrays())

    def times(self) -> tuple[str, ...]:
        """Times of the view."""
        return inside("view", self.view.times())

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, m, device = self._p, len(rows.device), rows.device
        view = self.view = context.boilers.of(self.view, rows, context.current)
        shown = column(context, device, "steam_pressure_mpa")
        off = view.witness.off_mpa(device, rows.event_ns, shown, p.denied_k, p.warm_up_s)
        pressure = shown - off
        rated, limit = view.rated_mpa[device], view.set_mpa[device]
        fitted, forecast_s = self._forecast(device, off)
        beyond = (fitted > rated * (1 + p.margin)) & may_fire(device, context)
        suspected = beyond & (forecast_s < p.forecast_suspected_s)
        soon = beyond & (forecast_s < p.forecast_confirmed_s)
        near = np.minimum(set_tolerance_mpa(limit), (limit - rated) / 2)
        at_limit = view.trace.steady(device, p.window_s) & (pressure >= limit - near)
        hold_ns = holds(m, p.advisory_hold_s, 0.0, 0.0).copy()
        hold_ns[:, 2] = np.where(soon, 0, sampled(context, device, p.limit_hold_s))
        return Judgement(
            standing=levels(pressure > rated, suspected, soon | at_limit),
            hold_ns=hold_ns,
            over=pressure < rated * p.over_share,
            over_hold_ns=same(m, p.over_hold_s),
            known=context.current.known[device] & ~np.isnan(pressure) & ~np.isnan(limit),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        p, one = self._p, np.array([device], dtype=np.int32)
        pressure = observed(context, device, "steam_pressure_mpa")
        off = self.view.one_off_mpa(device, event_ns, pressure, p.denied_k, p.warm_up_s)
        ahead_s = self._forecast(one, np.array([off]))[1][0]
        return (
            quantity("steam_pressure_mpa", pressure, "MPa"),
            quantity("shown_too_high_mpa", off, "MPa"),
            quantity("rated_pressure_mpa", self.view.rated_mpa[device], "MPa"),
            quantity("safety_valve_set_mpa", self.view.set_mpa[device], "MPa"),
            quantity("time_to_set_pressure_s", ahead_s if np.isfinite(ahead_s) else np.nan, "s"),
            flag("flame_on", observed(context, device, "flame_on")),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "pressure_normal"

    def _forecast(self, device: Devices, off_mpa: Floats) -> tuple[Floats, Floats]:
        """Fitted pressure, and seconds to the set pressure: infinite when not rising to it."""
        p, view = self._p, self.view
        slope, fitted = view.line(device, p.window_s, p.samples_min, p.span_min_s)
        fitted = fitted - off_mpa
        per_min = slope * 60
        usable = (per_min >= p.slope_min_mpa_per_min) & (per_min <= p.slope_max_mpa_per_min)
        usable &= view.trace.steady(device, p.window_s)
        with np.errstate(divide="ignore", invalid="ignore"):
            ahead_s = (view.set_mpa[device] - fitted) / slope
        return fitted, np.where(usable, np.maximum(ahead_s, 0), np.inf)
