r"""Safety valve of a boiler lifted: the lift switch closes.

An advisory by itself, since people test valves by hand at pressures below the set pressure;
suspected when the pressure is at the set pressure less its tolerance, or not known: then the valve
did what nothing else did.

    pressure   ______/ set 0.83 MPa \____        0.70 MPa, somebody pulls the lever
    switch     _______█████████____             ______███____
    s                 0  1 suspected                  0  1 advisory

It fails where no lift switch is fitted, and with one that is stuck. It has no state of its own.

Reference: set pressures and tolerances of TSG 11-2020 chapter 5 (secondary).
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same, sampled
from detectors.boiler_pressure import set_pressure_mpa, set_tolerance_mpa
from detectors.boiler_trace import flag, observed, quantity
from detectors.current import Floats, Rows
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
    channels = ("steam_pressure_mpa", "safety_valve_lifted")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerValveLiftedParameters) -> None:
        self._p = parameters
        self._set: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read set pressures."""
        rated = fleet.rating(kind, "rated_pressure_mpa")
        self._set = set_pressure_mpa(rated, fleet.rating(kind, "safety_valve_set_mpa"))

    def arrays(self) -> tuple[str, ...]:
        """No state of its own."""
        return ()

    def times(self) -> tuple[str, ...]:
        """No state of its own."""
        return ()

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        device, m = rows.device, len(rows.device)
        pressure = column(context, device, "steam_pressure_mpa")
        lifted = column(context, device, "safety_valve_lifted")
        limit = self._set[device]
        by_hand = pressure < limit - set_tolerance_mpa(limit)
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
            quantity("safety_valve_set_mpa", self._set[device], "MPa"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "valve_shut"
