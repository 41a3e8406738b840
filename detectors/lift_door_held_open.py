r"""A door that stays open at a floor for too long.

The car stands in the door zone, its door is not closed. With nobody inside something blocks the
door, and `hold_s` is enough; while somebody is seen inside, or nobody can tell, they may hold it,
clean or load, so it takes `attended_hold_s`.

    door       ____█████████████████████████████████████ open
    presence   ______███████cleaner█________________
    s              0               150           230 advisory: 80 s alone
                   0                                   300 advisory in any case

Some lifts park with their door open. A lift of whose openings `parks_open_share` were that long is
one of them, and is judged after `parked_hold_s`. Openings are weighed with a memory of fifty.

It is not judged out of service, in inspection, fire return, firefighter operation and earthquake
mode, nor without mains power. A contact that showed an open door while the car ran is not believed
until it shows a closed one. It ends 2 s after the door closed, or with a run or such a mode.

It fails where neither car status nor speed nor door zone is reported. State: 25 B a lift.

Reference: the rule of a terminal (elevators.md 2.1: 80 s in its text, 60 s as shipped); the rest is
ours.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import Context, Judgement
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from detectors.lift_history import SPEED_LIMITS
from detectors.lift_scene import (
    OUT_OF_SERVICE,
    SETTLE_S,
    active_codes,
    advisory,
    equal_holds,
    flags,
    mode_word,
    observed,
    over_hold_ns,
    quiet_reason,
    since,
)
from detectors.lift_sight import LiftScene
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

_LIFT = COLUMNS[Kind.LIFT]

HABIT_WEIGHT = 0.02
"""Weight of one opening in the share of long ones: a memory of fifty (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftDoorHeldOpenParameters:
    """Parameters of the rule.

    Parameters
    ----------
    hold_s
        Advisory after, with nobody seen inside.
    attended_hold_s
        Advisory after, in any case.
    parks_open_share
        Share of long openings from which a lift is taken to park with its door open.
    parked_hold_s
        Advisory after, for such a lift.
    """

    hold_s: float = 80.0
    attended_hold_s: float = 300.0
    parks_open_share: float = 0.05
    parked_hold_s: float = 1_800.0


class LiftDoorHeldOpen:
    """Doors held open of n lifts.

    Attributes
    ----------
    since_ns, alone_ns
        int64[n], since when the door is open at a floor, and since when with nobody inside.
    ran_open
        bool[n], the car ran with a door that has not been seen closed since.
    long_share
        float64[n], share of openings that were long.
    """

    name = "lift_door_held_open"
    kinds = (Kind.LIFT,)
    incident = IncidentKind.DOOR_HELD_OPEN
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

    def __init__(self, parameters: LiftDoorHeldOpenParameters) -> None:
        self._p = parameters
        self.since_ns: Ints = np.empty(0, dtype=np.int64)
        self.alone_ns: Ints = np.empty(0, dtype=np.int64)
        self.ran_open: Bools = np.empty(0, dtype=np.bool_)
        self.long_share: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room for a larger fleet."""
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), len(fleet.members(kind)), 0))

    def arrays(self) -> tuple[str, ...]:
        """State of its own."""
        return (*self.times(), "ran_open", "long_share")

    def times(self) -> tuple[str, ...]:
        """Event times among it."""
        return ("since_ns", "alone_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        device, scene = rows.device, context.sight.of(rows, context.current)
        known = scene.known & ~np.isnan(scene.door) & ~np.isnan(scene.zone)
        quiet = scene.special | (scene.mode == OUT_OF_SERVICE)
        self._learn(rows, scene, quiet, context)
        is_open = scene.door == 0
        self.ran_open[device] = (self.ran_open[device] | scene.running) & (scene.door != 1)
        stands = is_open & scene.stopped & (scene.zone == 1) & (scene.mains != 0)
        stands &= ~quiet & ~self.ran_open[device]
        begun = since(self.since_ns, rows, stands & known)
        alone = since(self.alone_ns, rows, stands & known & (scene.presence == 0))
        return Judgement(
            standing=advisory(stands),
            hold_ns=equal_holds(self._hold_ns(device, begun, alone, scene.presence == 0)),
            over=(scene.door == 1) | scene.running | quiet,
            over_hold_ns=over_hold_ns(scene.running & is_open, quiet, SETTLE_S),
            known=known,
            onset_ns=begun,
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        open_ns = int(self.since_ns[device])
        open_s = (event_ns - open_ns) / NS_PER_S if open_ns else None
        mode = observed(context, device, "service_mode")
        return (
            Evidence(name="door_open_s", value=open_s, unit="s", since_ns=open_ns or None),
            *flags(context, device, "passenger_present", "door_zone"),
            Evidence(name="long_openings_share", value=float(self.long_share[device])),
            Evidence(name="service_mode", value=None if np.isnan(mode) else mode),
            *active_codes(context, device),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        if observed(context, device, "service_mode") == OUT_OF_SERVICE:
            return mode_word(OUT_OF_SERVICE)
        closed = observed(context, device, "door_closed") == 1
        return quiet_reason(device, context, "door_closed" if closed else "car_ran")

    def _learn(self, rows: Rows, scene: LiftScene, quiet: Bools, context: Context) -> None:
        """Weigh an opening that is over."""
        opened_ns = context.history.door_opened_ns[rows.device]
        closes = (scene.door == 1) & (rows.before[:, _LIFT["door_closed"]] == 0)
        closes &= (opened_ns != NEVER) & ~quiet
        long = rows.event_ns - opened_ns >= seconds(self._p.hold_s)
        share = self.long_share[rows.device]
        weighed = share + HABIT_WEIGHT * (long - share)
        self.long_share[rows.device] = np.where(closes, weighed, share)

    def _hold_ns(self, device: Devices, begun: Ints, alone: Ints, nobody: Bools) -> Ints:
        """Hold from the opening on: attended, or alone since later, or a lift that parks open."""
        p = self._p
        attended_ns = np.full(len(device), seconds(p.attended_hold_s))
        alone_ns = np.where(nobody, alone - begun + seconds(p.hold_s), attended_ns)
        usual_ns: Ints = np.minimum(attended_ns, alone_ns)
        parks = self.long_share[device] > p.parks_open_share
        usual_ns[parks] = np.maximum(usual_ns[parks], seconds(p.parked_hold_s))
        return usual_ns
