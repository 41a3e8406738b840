r"""Safety valve of a boiler lifted: the lift switch closes.

An advisory by itself, since people test valves by hand at pressures below the set pressure;
suspected when the pressure is at the set pressure less its tolerance, or not known: then the valve
did what nothing else did.

    pressure   ______/ set 0.83 MPa \____        0.70 MPa, somebody pulls the lever
    switch     _______█████████____             ______███____
    s                 0  1 suspected                  0  1 advisory

The pressure is the one shown, or what steam temperature and burner agree on
(`detectors.boiler_witness`) when that is higher: a transmitter that reads low must not make a lift
look like one by hand. It fails where no lift switch is fitted, and with one that is stuck.

Reference: set pressures and tolerances of TSG 11-2020 chapter 5 (secondary).
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same, sampled
from detectors.boiler_sight import PressureView, set_tolerance_mpa
from detectors.boiler_trace import flag, observed, quantity
from detectors.current import Rows
from detectors.parts import inside
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerValveLiftedParameters:
    """Parameters of the lift rule: holds of the switch, and of its opening again."""

    lift_hold_s: float = 1.0
    over_hold_s: float = 10.0


class BoilerValveLifted:
    """Lifted safety valves of n boilers."""

    name = "boiler_valve"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.SAFETY_VALVE_LIFTED
    channels = (
        "steam_pressure_mpa",
        "steam_temperature_c",
        "flame_on",
        "burner_stage",
        "safety_valve_lifted",
    )
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerValveLiftedParameters) -> None:
        self._p = parameters
        self.view = PressureView()

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read set pressures."""
        self.view.grow(fleet, kind)

    def arrays(self) -> tuple[str, ...]:
        """The view of the pressure."""
        return inside("view", self.view.arrays())

    def times(self) -> tuple[str, ...]:
        """Times of the view."""
        return inside("view", self.view.times())

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        device, m = rows.device, len(rows.device)
        view = self.view = context.boilers.of(self.view, rows, context.current)
        pressure = column(context, device, "steam_pressure_mpa")
        lifted = column(context, device, "safety_valve_lifted")
        limit = view.set_mpa[device]
        low = np.minimum(view.witness.off_mpa(device, rows.event_ns, pressure), 0.0)
        room = set_tolerance_mpa(limit) + view.trace.step_mpa[device] / 2
        by_hand = pressure - low < limit - room
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, :2] = sampled(context, device, self._p.lift_hold_s)[:, None]
        none = np.zeros(m, dtype=np.bool_)
        return Judgement(
            standing=levels(lifted == 1, (lifted == 1) & ~by_hand, none),
            hold_ns=hold_ns,
            over=lifted == 0,
            over_hold_ns=same(m, self._p.over_hold_s),
            known=context.current.known[device] & ~np.isnan(lifted),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        return (
            flag("safety_valve_lifted", observed(context, device, "safety_valve_lifted")),
            quantity("steam_pressure_mpa", observed(context, device, "steam_pressure_mpa"), "MPa"),
            quantity("safety_valve_set_mpa", self.view.set_mpa[device], "MPa"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "valve_shut"
