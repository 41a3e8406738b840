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

A slope beyond `slope_max_mpa_per_min` is an instrument or a rupture: no forecast then. It fails
with samples slower than about 5 s, and says nothing of boilers without a rated or set pressure.

Set pressures and tolerances: TSG 11-2020 chapter 5 as reproduced in secondary sources.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import Context, Judgement, column, holds, levels, same, sampled
from detectors.current import Bools, Devices, Floats, Ints, Rows, grown
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S

_WINDOW_SAMPLES = 16
_FIRING_STAGES = (2, 3, 4)


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
    every_row = True

    def __init__(self, parameters: BoilerPressureParameters) -> None:
        self._p = parameters
        self.sample_ns: Ints = np.empty((0, _WINDOW_SAMPLES), dtype=np.int64)
        self.sample_mpa: Floats = np.empty((0, _WINDOW_SAMPLES))
        self._rated: Floats = np.empty(0)
        self._set: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated and set pressures."""
        rated = fleet.rating(kind, "rated_pressure_mpa")
        self._set = set_pressure_mpa(rated, fleet.rating(kind, "safety_valve_set_mpa"))
        # Without a rated pressure the set pressure stands for it: the limit still holds.
        self._rated = np.where(np.isnan(rated), self._set, rated)
        self.sample_ns = grown(self.sample_ns, len(rated), 0)
        self.sample_mpa = grown(self.sample_mpa, len(rated), np.nan)

    def arrays(self) -> tuple[str, ...]:
        """Samples of the slope."""
        return ("sample_ns", "sample_mpa")

    def times(self) -> tuple[str, ...]:
        """Times of the samples."""
        return ("sample_ns",)

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, m = self._p, len(rows.device)
        self._remember(rows, context)
        pressure = column(context, rows.device, "steam_pressure_mpa")
        rated, limit = self._rated[rows.device], self._set[rows.device]
        fitted, forecast_s = self._forecast(rows.device, limit)
        beyond = (fitted > rated * (1 + p.margin)) & _may_fire(rows.device, context)
        suspected = beyond & (forecast_s < p.forecast_suspected_s)
        soon = beyond & (forecast_s < p.forecast_confirmed_s)
        steady = ~_jumps(self.sample_ns[rows.device], self.sample_mpa[rows.device], p)
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
        pressure = column(context, one, "steam_pressure_mpa")
        forecast_s = self._forecast(one, self._set[one])[1][0]
        flame = column(context, one, "flame_on")[0]
        return (
            Evidence(name="steam_pressure_mpa", value=float(pressure[0]), unit="MPa"),
            Evidence(name="rated_pressure_mpa", value=float(self._rated[device]), unit="MPa"),
            Evidence(name="safety_valve_set_mpa", value=float(self._set[device]), unit="MPa"),
            Evidence(
                name="time_to_set_pressure_s",
                value=float(forecast_s) if np.isfinite(forecast_s) else None,
                unit="s",
            ),
            Evidence(name="flame_on", value=None if np.isnan(flame) else bool(flame)),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "pressure_normal"

    def _remember(self, rows: Rows, context: Context) -> None:
        """Push new samples, newest last; rows that bring none or come late push nothing."""
        sample = column(context, rows.device, "steam_pressure_mpa")
        newest = self.sample_ns[rows.device, -1]
        fresh = ~np.isnan(_reported(rows, "steam_pressure_mpa")) & (rows.event_ns > newest)
        device = rows.device[fresh & ~np.isnan(sample)]
        self.sample_ns[device, :-1] = self.sample_ns[device, 1:]
        self.sample_mpa[device, :-1] = self.sample_mpa[device, 1:]
        self.sample_ns[device, -1] = rows.event_ns[fresh & ~np.isnan(sample)]
        self.sample_mpa[device, -1] = sample[fresh & ~np.isnan(sample)]

    def _forecast(self, device: Devices, limit: Floats) -> tuple[Floats, Floats]:
        """Fitted pressure, and seconds to the set pressure: infinite when not rising to it."""
        p = self._p
        slope, fitted = _line(self.sample_ns[device], self.sample_mpa[device], p)
        per_min = slope * 60
        steady = ~_jumps(self.sample_ns[device], self.sample_mpa[device], p)
        usable = (
            steady & (per_min >= p.slope_min_mpa_per_min) & (per_min <= p.slope_max_mpa_per_min)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            ahead_s = (limit - fitted) / slope
        return fitted, np.where(usable, np.maximum(ahead_s, 0), np.inf)


def _line(sample_ns: Ints, value: Floats, p: BoilerPressureParameters) -> tuple[Floats, Floats]:
    """Least-squares slope [1/s] of the window's samples, and the line's value at the newest.

    Both are NaN when there are too few samples.
    """
    time_s = (sample_ns - sample_ns[:, -1:]) / NS_PER_S
    inside = (time_s >= -p.window_s) & ~np.isnan(value)
    n = inside.sum(axis=1)
    t = np.where(inside, time_s, 0.0)
    v = np.where(inside, value, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t_mean, v_mean = t.sum(axis=1) / n, v.sum(axis=1) / n
        t_off = np.where(inside, t - t_mean[:, None], 0.0)
        v_off = np.where(inside, v - v_mean[:, None], 0.0)
        slope = (t_off * v_off).sum(axis=1) / (t_off**2).sum(axis=1)
    enough = (n >= p.samples_min) & (t.min(axis=1) <= -p.span_min_s)
    return np.where(enough, slope, np.nan), np.where(enough, v_mean - slope * t_mean, np.nan)


def _jumps(sample_ns: Ints, value: Floats, p: BoilerPressureParameters) -> Bools:
    """Whether two neighbouring samples of the window differ by more than a boiler can."""
    age_s = (sample_ns[:, -1:] - sample_ns[:, :-1]) / NS_PER_S
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.abs(np.diff(value, axis=1)) / (np.diff(sample_ns, axis=1) / NS_PER_S)
    jumps = (age_s <= p.window_s) & (rate > p.jump_max_mpa_per_s)
    return np.asarray(jumps.any(axis=1))


def _may_fire(device: Devices, context: Context) -> Bools:
    """Whether the burner is not known to be off."""
    flame = column(context, device, "flame_on")
    stage = column(context, device, "burner_stage")
    by_stage = np.isnan(stage) | np.isin(stage, _FIRING_STAGES)
    return np.where(np.isnan(flame), by_stage, flame == 1).astype(np.bool_)


def _reported(rows: Rows, name: str) -> Floats:
    values: Floats = rows.reported[:, COLUMNS[Kind.BOILER][name]]
    return values
