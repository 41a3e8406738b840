r"""Pressure transmitter or steam thermometer of a boiler that wanders: an advisory.

Steam and burner (`detectors.boiler_witness`) say by how much the pressure is shown wrong:

- both agree on more than `off_mpa` for `hold_s`: the transmitter. Rules of pressure, limiter and
  valve then judge what is left;
- steam is colder by `cold_k` than usual for its pressure for `cold_hold_s`, and they do not agree:
  one of the two instruments, since nothing else makes steam colder than water boils. Steam that is
  too hot may have passed dry plate, and is the business of `detectors.boiler_superheat`.

        p shown - true   0 ____/ 0.03 MPa ______________
        burner stops at  0.77 .. 0.79 .. 0.80
        s                              0       60 advisory

It fails in the first half hour, below 0.1 MPa, without steam temperature, and for what drifts as
slowly as the usual disagreement is learned (a day). It ends once steam and pressure go together.

Reference: pressure and steam temperature disagree along the saturation line (industrial.md 1.5).
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.boiler_sight import PressureView
from detectors.boiler_trace import observed, quantity
from detectors.boiler_witness import DENIED_K, STEP_MAX_S, WARM_UP_S
from detectors.current import Floats, Rows
from detectors.parts import inside
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerSensorParameters:
    """Parameters of the rule.

    Parameters
    ----------
    denied_k, warm_up_s
        Steam so much colder or hotter than usual for its pressure denies it, once so much time was
        learned.
    off_mpa, hold_s
        Error of the transmitter on which both witnesses agree, and how long it must stand.
    cold_k, cold_hold_s
        Steam colder than usual for its pressure, and how long it must stand.
    over_hold_s
        The end must stand so long.
    """

    denied_k: float = DENIED_K
    warm_up_s: float = WARM_UP_S
    off_mpa: float = 0.015
    hold_s: float = 60.0
    cold_k: float = 2.5
    cold_hold_s: float = 600.0
    over_hold_s: float = 300.0


class BoilerSensor:
    """Wandering instruments of n boilers."""

    name = "boiler_sensor"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.SENSOR_DRIFT
    channels = ("steam_pressure_mpa", "steam_temperature_c", "flame_on", "burner_stage")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerSensorParameters) -> None:
        self._p = parameters
        self.view = PressureView()

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated pressures."""
        self.view.grow(fleet, kind)

    def arrays(self) -> tuple[str, ...]:
        """The view of the pressure."""
        return inside("view", self.view.arrays())

    def times(self) -> tuple[str, ...]:
        """Times of the view."""
        return inside("view", self.view.times())

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        view = self.view = context.boilers.of(self.view, rows, context.current)
        steam, pressure = view.witness.steam, column(context, device, "steam_pressure_mpa")
        off = view.witness.off_mpa(device, rows.event_ns, pressure, p.denied_k, p.warm_up_s)
        wrong, cold = np.abs(off) > p.off_mpa, steam.low_k(device, p.warm_up_s)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 0] = np.where(wrong, seconds(p.hold_s), seconds(p.cold_hold_s))
        none = np.zeros(m, dtype=np.bool_)
        told = rows.event_ns - steam.steam_ns[device] <= seconds(STEP_MAX_S)
        return Judgement(
            standing=levels(wrong | (cold > p.cold_k), none, none),
            hold_ns=hold_ns,
            over=(np.abs(off) < p.off_mpa / 2) & (cold < p.cold_k / 2),
            over_hold_ns=same(m, p.over_hold_s),
            known=context.current.known[device] & ~np.isnan(pressure) & told,
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        p, view = self._p, self.view
        one = np.array([device], dtype=np.int32)
        pressure = observed(context, device, "steam_pressure_mpa")
        off = view.one_off_mpa(device, event_ns, pressure, p.denied_k, p.warm_up_s)
        burner: Floats = view.witness.burner.known_off_mpa(one, np.array([event_ns]))
        return (
            quantity("steam_pressure_mpa", pressure, "MPa"),
            quantity("steam_temperature_c", observed(context, device, "steam_temperature_c"), "°C"),
            quantity("colder_than_usual_k", view.witness.steam.low_k(one)[0], "K"),
            quantity("burner_switches_higher_mpa", burner[0], "MPa"),
            quantity("shown_too_high_mpa", off, "MPa"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "instruments_agree"
