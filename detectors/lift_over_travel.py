r"""A car that went past its highest or lowest floor and stands there.

Labels of floors are text and no arithmetic is done with them, so the ends of the shaft are learned
from rides. While the car travels upwards from label :math:`a` to :math:`b`,

.. math:: top = a \text{ or unknown} \Rightarrow top := b, \qquad
          bottom = b \text{ or unknown} \Rightarrow bottom := a,

and the same with the ends swapped on the way down. An end is believed once the car has turned there
`turns_min` times without ever passing it, or when as many floors lie between the two learned ends
as the registry names.

The rule sees a car that stands outside the door zone at an end's label and that either travelled
outwards through the zone of that floor, or still shows an outward direction.

    label   ...6│7 (top)_______________________
    zone    ▁▁▁▁▁▁█▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
    car     ↑↑↑↑↑↑↑↑|stands on the limit switch
    s               0     20 advisory; suspected with somebody inside
                               45 confirmed with somebody inside and a code:
                                  safety circuit, or over-travel

It is not judged in inspection, fire return, firefighter operation and earthquake mode. A zone that
is lost while the car stands is a lost signal. Terminals whose dialect has codes for over-travel say
it themselves (`detectors.codes`).

It fails until the ends are learned, where the label or the direction (or a signed speed) is not
reported, and where the car is sampled more slowly than it passes a zone and shows no direction.
State: 67 B a lift.

Reference: the rule of a terminal, "highest or lowest floor and direction up or down and not at
level" for 45 s in its text, 20 s as shipped (elevators.md 2.1); passing the zone and the stages are
ours.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import Context, Judgement, levels
from detectors.current import Bools, Devices, Floats, Ints, Rows, grown
from detectors.lift_history import SPEED_LIMITS, STANDSTILL_MPS
from detectors.lift_scene import (
    SETTLE_S,
    active_codes,
    codes_that_say,
    flags,
    numbers,
    observed,
    over_hold_ns,
    quiet_reason,
    says,
    since,
)
from detectors.lift_sight import LiftScene
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import seconds

_LIFT = COLUMNS[Kind.LIFT]
_SAYS_BEYOND = codes_that_say("Safety circuit open", kind=IncidentKind.OVER_TRAVEL)
_NO_LABEL = -1.0
_UP, _DOWN = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftOverTravelParameters:
    """Parameters of the rule.

    Parameters
    ----------
    hold_s
        Advisory and suspected after.
    confirm_hold_s
        Confirmed after.
    turns_min
        Turns at an end that prove it.
    """

    hold_s: float = 20.0
    confirm_hold_s: float = 45.0
    turns_min: float = 2.0


class LiftOverTravel:
    """Over-travel of n lifts.

    Attributes
    ----------
    label, ends
        float64[n], last label; float64[n, 2], labels of the lowest and the highest floor.
    turns, floors
        int64[n, 2], turns at each end since it was learned; int64[n], floors between the ends.
    heading
        int64[n], last direction of travel: 0 unknown, 1 up, 2 down.
    since_ns
        int64[n], since when the car stands beyond an end.
    ran, reached, beyond
        bool[n]: the car ran when last looked at; it is or was in the zone of an end that it headed
        for; it left that zone outwards.
    """

    name = "lift_over_travel"
    kinds = (Kind.LIFT,)
    incident = IncidentKind.OVER_TRAVEL
    channels = (
        "service_mode",
        "car_status",
        "car_direction",
        "car_position",
        "speed_mps",
        "door_zone",
        "passenger_present",
    )
    limits = SPEED_LIMITS
    every_row = False

    def __init__(self, parameters: LiftOverTravelParameters) -> None:
        self._p = parameters
        self.label: Floats = np.empty(0)
        self.ends: Floats = np.empty((0, 2))
        self.turns: Ints = np.empty((0, 2), dtype=np.int64)
        self.floors: Ints = np.empty(0, dtype=np.int64)
        self.heading: Ints = np.empty(0, dtype=np.int64)
        self.since_ns: Ints = np.empty(0, dtype=np.int64)
        self.ran: Bools = np.empty(0, dtype=np.bool_)
        self.reached: Bools = np.empty(0, dtype=np.bool_)
        self.beyond: Bools = np.empty(0, dtype=np.bool_)
        self._rated_floors: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read the floors of a possibly larger fleet."""
        n = len(fleet.members(kind))
        for name in self.arrays():
            fill = _NO_LABEL if name in ("label", "ends") else 0
            setattr(self, name, grown(getattr(self, name), n, fill))
        self._rated_floors = fleet.rating(kind, "floors")

    def arrays(self) -> tuple[str, ...]:
        """State of its own."""
        learned = ("label", "ends", "turns", "floors", "heading")
        return (*learned, "ran", "reached", "beyond", *self.times())

    def times(self) -> tuple[str, ...]:
        """Event times among it."""
        return ("since_ns",)

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        device, scene = rows.device, context.sight.of(rows, context.current)
        now = context.current.values[device]
        self._travel(device, scene, now)
        at_end = self._at_end(device, self.heading[device])
        self._pass_zone(rows, scene, at_end)
        direction = now[:, _LIFT["car_direction"]]
        shown = self._at_end(device, np.where(direction > 0, direction, 0).astype(np.int64))
        beyond = self.beyond[device]
        stands = scene.stopped & (scene.zone == 0) & ~scene.special & (beyond | shown)
        inside, faulty = scene.presence == 1, says(context.codes, device, _SAYS_BEYOND)
        suspected = stands & inside & (beyond | faulty)
        known = scene.known & (scene.stopped | scene.running)
        known &= ~np.isnan(scene.zone) & ~np.isnan(now[:, _LIFT["car_position"]])
        hold_ns = np.full((len(device), 3), seconds(self._p.hold_s))
        hold_ns[:, 2] = seconds(self._p.confirm_hold_s)
        return Judgement(
            standing=levels(stands, suspected, suspected & beyond & faulty),
            hold_ns=hold_ns,
            over=(scene.zone == 1) | scene.running | scene.special,
            over_hold_ns=over_hold_ns(scene.running, scene.special, SETTLE_S),
            known=known,
            onset_ns=since(self.since_ns, rows, stands & known),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        top = self.ends[device, 1] == self.label[device]
        mode = observed(context, device, "service_mode")
        return (
            Evidence(name="end_of_shaft", value="top" if top else "bottom"),
            Evidence(name="turns_there", value=float(self.turns[device, int(top)])),
            Evidence(name="passed_door_zone", value=bool(self.beyond[device])),
            *flags(context, device, "door_zone", "passenger_present"),
            *numbers(context, device, ("car_direction", ""), ("speed_mps", "m/s")),
            Evidence(name="service_mode", value=None if np.isnan(mode) else mode),
            *active_codes(context, device),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        in_zone = observed(context, device, "door_zone") == 1
        return quiet_reason(device, context, "door_zone_reached" if in_zone else "car_ran")

    def _travel(self, device: Devices, scene: LiftScene, now: Floats) -> None:
        """Follow direction and label, and learn the ends from each step between two labels."""
        direction, speed = now[:, _LIFT["car_direction"]], now[:, _LIFT["speed_mps"]]
        by_speed = np.where(speed > 0, _UP, _DOWN)
        moves = scene.running & (np.abs(speed) >= STANDSTILL_MPS)
        told = scene.running & ((direction == _UP) | (direction == _DOWN))
        heading = np.where(moves, by_speed, self.heading[device])
        heading = np.where(told, direction, heading).astype(np.int64)
        self.heading[device] = heading
        label, was = now[:, _LIFT["car_position"]], self.label[device]
        known = ~np.isnan(label)
        step = np.flatnonzero(known & (was != _NO_LABEL) & (label != was) & (heading > 0))
        if len(step):
            self._learn(device[step], was[step], label[step], heading[step] == _UP)
        self.label[device] = np.where(known, label, was)

    def _learn(self, device: Devices, left: Floats, entered: Floats, up: Bools) -> None:
        """Move an end that was passed, and count a turn at one that was left inwards."""
        ahead, behind = up.astype(np.int64), (~up).astype(np.int64)
        for end, label, other in ((ahead, entered, left), (behind, left, entered)):
            known = self.ends[device, end] != _NO_LABEL
            # Going up from the top, or up to the bottom, shows that it was no end.
            wrong = known & (self.ends[device, end] == other)
            moved = wrong | ~known
            turned = (end == behind) & known & (self.ends[device, end] == label)
            self.floors[device] += wrong
            self.floors[device] = np.where(~known, 2, self.floors[device])
            self.turns[device, end] = np.where(moved, 0, self.turns[device, end] + turned)
            self.ends[device, end] = np.where(moved, label, self.ends[device, end])

    def _at_end(self, device: Devices, direction: Ints) -> Bools:
        """Whether cars show the label of the end that lies in a direction, and it is believed."""
        end = (direction == _UP).astype(np.int64)
        whole = self.floors[device] >= self._rated_floors[device]
        believed = whole | (self.turns[device, end] >= self._p.turns_min)
        there = (self.ends[device, end] == self.label[device]) & (self.label[device] != _NO_LABEL)
        return np.asarray(there & believed & (direction > 0))

    def _pass_zone(self, rows: Rows, scene: LiftScene, at_end: Bools) -> None:
        """Note who was in the zone of an end, and who left it outwards while running."""
        device, ran = rows.device, self.ran[rows.device] | scene.running
        leaves = self.reached[device] & (scene.zone == 0) & ran
        beyond = (self.beyond[device] | leaves) & at_end & (scene.zone != 1)
        inside = at_end & ((scene.zone == 1) | (self.reached[device] & np.isnan(scene.zone)))
        self.beyond[device] = beyond
        # Once the car stands in the zone it has arrived; a run from there must first be outwards.
        self.reached[device] = inside
        self.ran[device] = scene.running
