r"""A car that leaves a floor, or runs between floors, with its door open.

Somebody in the doorway is in danger of their life. The rule sees a door that is not closed, no door
zone, and a car that runs; or a car that left the zone with the door open and either has no motion
signals or a fault code of such a move: unintended movement, safety circuit, door open on the way.
What it saw holds until the door closes or the car stands at a floor, so a car that creeps away and
is caught by its brake is judged too:

    door   ____████████████████████████████████ open
    zone   ██████████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
    car    _______████creeps██|stands__________
    s                0     5 advisory; suspected with somebody inside or such a code;
                             confirmed with both

`hold_s` leaves room for a door message that is overtaken on its way. Levelling with the door open
within the zone is normal and not judged, nor is inspection, fire return, firefighter operation and
earthquake mode.

A door contact that is stuck is told by runs: a car that starts a second run while its door was
never seen closed has a broken contact, and a door never seen closed at all proves nothing. So the
first run with a contact that has just broken is claimed, once.

It fails where the door zone or the door is not reported, for a lock that is bridged while its door
still reports closed, and for samples so far apart that the move falls between them. State: 10 B a
lift.

Reference: rules "door opened while running" and "moved with door open" of a terminal, two
successive samples outside the zone, 10 s in its text (elevators.md 2.1); the stages are ours.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import Context, Judgement, levels, same
from detectors.current import NEVER, Bools, Ints, Rows, grown
from detectors.lift_history import SPEED_LIMITS
from detectors.lift_scene import (
    SETTLE_S,
    active_codes,
    codes_that_say,
    equal_holds,
    flags,
    numbers,
    observed,
    over_hold_ns,
    quiet_reason,
    says,
)
from detectors.lift_sight import LiftScene
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind

_LIFT = COLUMNS[Kind.LIFT]
_SAYS_MOVED = codes_that_say(
    "Unintended car movement", "Safety circuit open", kind=IncidentKind.MOVED_WITH_DOOR_OPEN
)

RUNS_MAX = 1
"""Runs since the door was last seen closed up to which its contact is believed (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftMovedWithDoorOpenParameters:
    """Parameters of the rule.

    Parameters
    ----------
    hold_s
        Every level after.
    """

    hold_s: float = 5.0


class LiftMovedWithDoorOpen:
    """Moves with an open door of n lifts.

    Attributes
    ----------
    moved
        bool[n], such a move was seen, and the door has not closed nor the car reached a floor.
    ran
        bool[n], the car ran when last looked at.
    runs
        int64[n], runs that began since the door was last seen closed.
    """

    name = "lift_moved_with_door_open"
    kinds = (Kind.LIFT,)
    incident = IncidentKind.MOVED_WITH_DOOR_OPEN
    channels = (
        "service_mode",
        "car_status",
        "speed_mps",
        "door_zone",
        "door_closed",
        "passenger_present",
        "mains_power",
    )
    limits = SPEED_LIMITS
    every_row = False

    def __init__(self, parameters: LiftMovedWithDoorOpenParameters) -> None:
        self._p = parameters
        self.moved: Bools = np.empty(0, dtype=np.bool_)
        self.ran: Bools = np.empty(0, dtype=np.bool_)
        self.runs: Ints = np.empty(0, dtype=np.int64)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room for a larger fleet."""
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), len(fleet.members(kind)), 0))

    def arrays(self) -> tuple[str, ...]:
        """State of its own."""
        return ("moved", "ran", "runs")

    def times(self) -> tuple[str, ...]:
        """No event times among it."""
        return ()

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        device, scene = rows.device, context.sight.of(rows, context.current)
        faulty = says(context.codes, device, _SAYS_MOVED)
        moved = self._follow(rows, scene, faulty, context)
        inside = scene.presence == 1
        at_floor = (scene.zone == 1) & ~scene.running
        return Judgement(
            standing=levels(moved, moved & (inside | faulty), moved & inside & faulty),
            hold_ns=equal_holds(same(len(device), self._p.hold_s)),
            over=(scene.door == 1) | at_floor | scene.special,
            over_hold_ns=over_hold_ns(scene.special, scene.special, SETTLE_S),
            known=scene.known & ~np.isnan(scene.zone) & ~np.isnan(scene.door),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        mode = observed(context, device, "service_mode")
        return (
            *flags(context, device, "door_closed", "door_zone", "passenger_present", "car_status"),
            *numbers(context, device, ("speed_mps", "m/s")),
            Evidence(name="runs_with_door_open", value=float(self.runs[device])),
            Evidence(name="service_mode", value=None if np.isnan(mode) else mode),
            *active_codes(context, device),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        closed = observed(context, device, "door_closed") == 1
        return quiet_reason(device, context, "door_closed" if closed else "door_zone_reached")

    def _follow(self, rows: Rows, scene: LiftScene, faulty: Bools, context: Context) -> Bools:
        """Take in what car and door do; return whose car moved with its door open."""
        device, is_open = rows.device, scene.door == 0
        begins = scene.running & ~self.ran[device] & is_open
        runs = np.where(scene.door == 1, 0, self.runs[device] + begins)
        was = rows.before
        left = (was[:, _LIFT["door_zone"]] == 1) & (was[:, _LIFT["door_closed"]] == 0)
        left &= (~scene.stopped & (scene.mains != 0)) | faulty
        believed = (context.history.door_closed_ns[device] != NEVER) & (runs <= RUNS_MAX)
        sees = is_open & (scene.zone == 0) & (scene.running | left)
        over = (scene.door == 1) | ((scene.zone == 1) & ~scene.running) | scene.special
        moved: Bools = (self.moved[device] | sees) & believed & ~over
        self.moved[device], self.ran[device], self.runs[device] = moved, scene.running, runs
        return moved
