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
that came by a jump and has not moved since is an instrument too, and is an advisory at most. No
other witness is heard: a thermometer that fails must not silence this rule, so a transmitter that
drifts upwards is claimed. It fails with samples slower than about 5 s, and says nothing of boilers
without a rated or set pressure.

Set pressures and tolerances: TSG 11-2020 chapter 5 as reproduced in secondary sources.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, holds, levels, same, sampled
from detectors.boiler_trace import PressureTrace, flag, may_fire, observed, quantity
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
    jump_max_mpa_per_s
        A faster step between two samples of the window is an instrument (three times the fastest
        slope, to leave room for noise).
    """

    margin: float = 0.01
    window_s: float = 10.0
    samples_min: float = 3.0
    span_min_s: float = 3.0
    forecast_suspected_s: float = 60.0
    forecast_confirmed_s: float = 15.0
    slope_min_mpa_per_min: float = 0.03
    slope_max_mpa_per_min: float = 0.5
    jump_max_mpa_per_s: float = 0.025
    advisory_hold_s: float = 10.0
    limit_hold_s: float = 2.0
    over_share: float = 0.98
    over_hold_s: float = 10.0


def set_pressure_mpa(rated_mpa: Floats, registered_mpa: Floats) -> Floats:
    """Lowest safety-valve set pressure (gauge) of boilers, NaN when nothing is known.

    Without a registered one: rated + 0.03 MPa up to 0.8 MPa, 1.04 rated up to 5.9 MPa, 1.05 rated
    above (TSG 11-2020).
    """
    by_rule = np.where(
        rated_mpa <= 0.8,  # noqa: PLR2004 - limits of the rule
        rated_mpa + 0.03,
        np.where(rated_mpa <= 5.9, 1.04 * rated_mpa, 1.05 * rated_mpa),  # noqa: PLR2004
    )
    return np.where(np.isnan(registered_mpa), by_rule, registered_mpa)


def set_tolerance_mpa(set_mpa: Floats) -> Floats:
    """Tolerance of a set pressure: 0.015 MPa to 0.5, 3 % to 2.3, 0.07 MPa to 7.0, 1 % above."""
    conditions = [set_mpa <= 0.5, set_mpa <= 2.3, set_mpa <= 7.0]  # noqa: PLR2004 - the rule's bands
    return np.select(conditions, [0.015, 0.03 * set_mpa, 0.07], 0.01 * set_mpa)


class BoilerPressure:
    """Over-pressure of n boilers; keeps the last samples of each, 16 x 16 B."""

    name = "boiler_pressure"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.OVERPRESSURE
    channels = ("steam_pressure_mpa", "flame_on", "burner_stage")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerPressureParameters) -> None:
        self._p = parameters
        self.trace = PressureTrace()
        self._rated: Floats = np.empty(0)
        self._set: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated and set pressures."""
        rated = fleet.rating(kind, "rated_pressure_mpa")
        self._set = set_pressure_mpa(rated, fleet.rating(kind, "safety_valve_set_mpa"))
        # Without a rated pressure the set pressure stands for it: the limit still holds.
        self._rated = np.where(np.isnan(rated), self._set, rated)
        self.trace.grow(len(rated))

    def arrays(self) -> tuple[str, ...]:
        """The trace."""
        return inside("trace", self.trace.arrays())

    def times(self) -> tuple[str, ...]:
        """Times of the samples."""
        return inside("trace", self.trace.times())

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, m = self._p, len(rows.device)
        self.trace.push(rows, p.jump_max_mpa_per_s)
        pressure = column(context, rows.device, "steam_pressure_mpa")
        rated, limit = self._rated[rows.device], self._set[rows.device]
        fitted, forecast_s = self._forecast(rows.device, limit)
        beyond = (fitted > rated * (1 + p.margin)) & may_fire(rows.device, context)
        suspected = beyond & (forecast_s < p.forecast_suspected_s)
        soon = beyond & (forecast_s < p.forecast_confirmed_s)
        steady = self.trace.steady(rows.device, p.window_s, p.jump_max_mpa_per_s)
        at_limit = steady & (
            pressure >= limit - np.minimum(set_tolerance_mpa(limit), (limit - rated) / 2)
        )
        hold_ns = holds(m, p.advisory_hold_s, 0.0, 0.0).copy()
        hold_ns[:, 2] = np.where(soon, 0, sampled(context, rows.device, p.limit_hold_s))
        return Judgement(
            standing=levels(pressure > rated, suspected, soon | at_limit),
            hold_ns=hold_ns,
            over=pressure < rated * p.over_share,
            over_hold_ns=same(m, p.over_hold_s),
            known=context.current.known[rows.device] & ~np.isnan(pressure) & ~np.isnan(limit),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        one = np.array([device], dtype=np.int32)
        ahead_s = self._forecast(one, self._set[one])[1][0]
        pressure = observed(context, device, "steam_pressure_mpa")
        return (
            quantity("steam_pressure_mpa", pressure, "MPa"),
            quantity("rated_pressure_mpa", self._rated[device], "MPa"),
            quantity("safety_valve_set_mpa", self._set[device], "MPa"),
            quantity("time_to_set_pressure_s", ahead_s if np.isfinite(ahead_s) else np.nan, "s"),
            flag("flame_on", observed(context, device, "flame_on")),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "pressure_normal"

    def _forecast(self, device: Devices, limit: Floats) -> tuple[Floats, Floats]:
        """Fitted pressure, and seconds to the set pressure: infinite when not rising to it."""
        p = self._p
        slope, fitted = self.trace.line(device, p.window_s, p.samples_min, p.span_min_s)
        per_min = slope * 60
        steady = self.trace.steady(device, p.window_s, p.jump_max_mpa_per_s)
        usable = (
            steady & (per_min >= p.slope_min_mpa_per_min) & (per_min <= p.slope_max_mpa_per_min)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            ahead_s = (limit - fitted) / slope
        return fitted, np.where(usable, np.maximum(ahead_s, 0), np.inf)
