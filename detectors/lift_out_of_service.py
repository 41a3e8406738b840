r"""A lift that is out of service and nobody said why.

Service mode 0 for `hold_s`. Inspection, fire return, firefighter operation, earthquake, emergency
power and a power cut are reasons: a lift that went out of service from one of them, or met one
meanwhile, has `excused_hold_s` until it is back in normal mode. While the mains are off nothing is
claimed: the cut is.

    mode   normal__|out of service_______________________|normal
    s              0                  600 advisory         ended 5 s after
    mode   inspection__|out of service___________________________
    s                  0                              4 h advisory

It fails where a terminal reports normal mode whatever happens, and takes a lift that its owner
locks at night for one that is out of service. State: 1 B a lift.

Reference: terminals have a setting "out-of-use time" in hours (elevators.md 2.2, no figure); both
holds are ours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import NO_LIMITS, Context, Judgement, same
from detectors.current import Rows, grown
from detectors.lift_scene import (
    EMERGENCY_POWER,
    OUT_OF_SERVICE,
    UNKNOWN_MODE,
    active_codes,
    advisory,
    equal_holds,
    flags,
    mode_word,
    observed,
)
from detectors.lift_sight import LiftScene
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import seconds

_MAINS_OFF = 99
_OVER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftOutOfServiceParameters:
    """Parameters of the rule.

    Parameters
    ----------
    hold_s
        Advisory after, without a reason.
    excused_hold_s
        Advisory after, with one.
    """

    hold_s: float = 600.0
    excused_hold_s: float = 14_400.0


class LiftOutOfService:
    """Lifts out of service.

    Attributes
    ----------
    reason
        int8[n], service mode that explains it, 99 for the mains, 0 for none.
    """

    name = "lift_out_of_service"
    kinds = (Kind.LIFT,)
    incident = IncidentKind.OUT_OF_SERVICE
    channels = ("service_mode", "mains_power")
    limits = NO_LIMITS
    every_row = False

    def __init__(self, parameters: LiftOutOfServiceParameters) -> None:
        self._p = parameters
        self.reason: NDArray[np.int8] = np.empty(0, dtype=np.int8)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room for a larger fleet."""
        self.reason = grown(self.reason, len(fleet.members(kind)), 0)

    def arrays(self) -> tuple[str, ...]:
        """State of its own."""
        return ("reason",)

    def times(self) -> tuple[str, ...]:
        """No event times among it."""
        return ()

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        device, scene = rows.device, context.sight.of(rows, context.current)
        out = scene.mode == OUT_OF_SERVICE
        excused = self._reasons(rows, scene) > 0
        hold_s = np.where(excused, self._p.excused_hold_s, self._p.hold_s)
        return Judgement(
            standing=advisory(out & (scene.mains != 0)),
            hold_ns=equal_holds((hold_s * seconds(1)).astype(np.int64)),
            over=~out,
            over_hold_ns=same(len(device), _OVER_S),
            known=scene.known & ~np.isnan(scene.mode) & (scene.mode != UNKNOWN_MODE),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        reason = int(self.reason[device])
        word = {0: "none", _MAINS_OFF: "mains_off"}.get(reason) or mode_word(reason)
        return (
            Evidence(name="service_mode", value=observed(context, device, "service_mode")),
            Evidence(name="reason", value=word),
            *flags(context, device, "mains_power", "passenger_present", "door_closed", "door_zone"),
            *active_codes(context, device),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        return mode_word(observed(context, device, "service_mode"))

    def _reasons(self, rows: Rows, scene: LiftScene) -> NDArray[np.int8]:
        """Reasons of the present mode; normal mode forgets them."""
        mode = np.nan_to_num(scene.mode, nan=UNKNOWN_MODE)
        reason = np.where(mode == 1, 0, self.reason[rows.device])
        reason = np.where(scene.special | (mode == EMERGENCY_POWER), mode, reason)
        reason = np.where(scene.mains == 0, _MAINS_OFF, reason).astype(np.int8)
        self.reason[rows.device] = reason
        return reason
