r"""A car that stands between floors with nobody seen inside.

Somebody inside makes it an entrapment, which `detectors.entrapment` judges. It stands when the car
is stopped outside the door zone for `hold_s`, and ends in the zone, after a run of 10 s, or in a
mode in which a mechanic or the fire brigade moves the car.

    car    ████|stops between floors________________________████levels itself
    zone   __▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁████
    s           0                   60 advisory                  ended 2 s after

A level signal that is lost is no stop. It is not believed, unless a fault code says the same (04 of
the national table, and its like in other dialects), when it went away while the car stood, or when
the door opened for 2 s at this stop. During a power cut nothing is claimed (the cut is), and after
it the car has `relearn_s` to find its floor.

It fails where the door zone is not reported, and for a car without motion signals in an express
zone that is longer than registered: it is judged `hold_s` after the time to cross the zone. State:
34 B a lift.

Reference: the rule of a terminal (elevators.md 2.1: 60 s in its text, 45 s as shipped); level
counters lost after a power cut: elevators.md 2.6.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import Context, Judgement
from detectors.current import NEVER, Bools, Devices, Ints, Rows, grown
from detectors.lift_history import SPEED_LIMITS
from detectors.lift_scene import (
    SETTLE_S,
    active_codes,
    advisory,
    codes_that_say,
    equal_holds,
    flags,
    observed,
    over_hold_ns,
    progress_ns,
    quiet_reason,
    says,
    since,
)
from detectors.lift_sight import LiftScene
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

_LIFT = COLUMNS[Kind.LIFT]
_SAYS_OUTSIDE = codes_that_say("Car stopped outside the")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftStoppedOutsideZoneParameters:
    """Parameters of the rule.

    Parameters
    ----------
    hold_s
        Advisory after.
    relearn_s
        Time that a car has after a power cut to find its floor.
    """

    hold_s: float = 60.0
    relearn_s: float = 180.0


class LiftStoppedOutsideZone:
    """Stops outside the door zone of n lifts.

    Attributes
    ----------
    since_ns
        int64[n], since when the car stands outside.
    cut, back_ns
        bool[n], the mains were off when last known; int64[n], when they came back.
    lost
        bool[n], the level signal went away while the car stood.
    """

    name = "lift_stopped_outside_zone"
    kinds = (Kind.LIFT,)
    incident = IncidentKind.STOPPED_OUTSIDE_ZONE
    channels = (
        "service_mode",
        "car_status",
        "speed_mps",
        "door_zone",
        "car_position",
        "door_closed",
        "passenger_present",
        "mains_power",
    )
    limits = SPEED_LIMITS
    every_row = False

    def __init__(self, parameters: LiftStoppedOutsideZoneParameters) -> None:
        self._p = parameters
        self.since_ns: Ints = np.empty(0, dtype=np.int64)
        self.back_ns: Ints = np.empty(0, dtype=np.int64)
        self.cut: Bools = np.empty(0, dtype=np.bool_)
        self.lost: Bools = np.empty(0, dtype=np.bool_)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room for a larger fleet."""
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), len(fleet.members(kind)), 0))

    def arrays(self) -> tuple[str, ...]:
        """State of its own."""
        return (*self.times(), "cut", "lost")

    def times(self) -> tuple[str, ...]:
        """Event times among it."""
        return ("since_ns", "back_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        device, scene = rows.device, context.sight.of(rows, context.current)
        known = scene.known & ~np.isnan(scene.zone)
        self._follow(rows, scene)
        still = ~(scene.stopped | scene.running)
        wrong_zone = (scene.door == 0) | self._opened_here(rows, still, context)
        believed = ~(wrong_zone | self.lost[device]) | says(context.codes, device, _SAYS_OUTSIDE)
        stands = (scene.stopped | still) & (scene.zone == 0) & (scene.presence != 1) & believed
        stands &= (scene.mains != 0) & ~scene.special
        begun = since(self.since_ns, rows, stands & known)
        waits_ns = np.where(still, context.history.express_ns[device], 0)
        return Judgement(
            standing=advisory(stands),
            hold_ns=equal_holds(self._hold_ns(device, begun) + waits_ns),
            over=(scene.zone == 1) | scene.running | scene.special,
            over_hold_ns=over_hold_ns(scene.running, scene.special, SETTLE_S),
            known=known,
            onset_ns=begun,
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        stop_ns = int(self.since_ns[device])
        stood_s = (event_ns - stop_ns) / NS_PER_S if stop_ns else None
        mode = observed(context, device, "service_mode")
        return (
            Evidence(name="stopped_s", value=stood_s, unit="s", since_ns=stop_ns or None),
            *flags(context, device, "door_zone", "door_closed", "passenger_present", "mains_power"),
            Evidence(name="service_mode", value=None if np.isnan(mode) else mode),
            *active_codes(context, device),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        in_zone = observed(context, device, "door_zone") == 1
        return quiet_reason(device, context, "door_zone_reached" if in_zone else "car_ran")

    def _follow(self, rows: Rows, scene: LiftScene) -> None:
        """Keep when the power came back, and whether the level signal went while the car stood."""
        device = rows.device
        back = self.cut[device] & (scene.mains == 1)
        self.back_ns[device] = np.where(back, rows.event_ns, self.back_ns[device])
        self.cut[device] = np.where(np.isnan(scene.mains), self.cut[device], scene.mains == 0)
        goes = scene.stopped & (scene.zone == 0) & (rows.before[:, _LIFT["door_zone"]] == 1)
        # A car that ran a moment ago stops outside its zone in the row that says so.
        goes &= rows.before[:, _LIFT["car_status"]] != 1
        goes &= ~(np.abs(rows.before[:, _LIFT["speed_mps"]]) > 0)
        self.lost[device] = (self.lost[device] | goes) & (scene.zone != 1) & ~scene.running

    def _opened_here(self, rows: Rows, still: Bools, context: Context) -> Bools:
        """Whether the door was open for long enough since the car stopped: it is at a floor."""
        device, history = rows.device, context.history
        stop_ns = np.where(still, progress_ns(device, context), history.stop_ns[device])
        opened_ns, closed_ns = history.door_opened_ns[device], history.door_closed_ns[device]
        here = (opened_ns != NEVER) & (opened_ns >= stop_ns)
        return np.asarray(here & (closed_ns - opened_ns >= seconds(SETTLE_S)))

    def _hold_ns(self, device: Devices, begun: Ints) -> Ints:
        """The usual hold, or until the car has had its time after a power cut."""
        back_ns = self.back_ns[device]
        relearned_ns = back_ns + seconds(self._p.relearn_s) - begun
        usual_ns = np.full(len(device), seconds(self._p.hold_s))
        return np.where(back_ns == NEVER, usual_ns, np.maximum(usual_ns, relearned_ns))
