r"""A door that opens again and again at one floor.

It closes on something, or its edge or motor fails. Let :math:`t_1 > t_2 > \dots` be the openings
since the car last ran and the door last rested for `quiet_s`; the advisory stands when
:math:`t_1 - t_N \le` `window_s` with :math:`N =` `cycles`.

    door   _█_█_█_█_█_█_█_█_██████_________________
    n       1 2 3 4 5 6 7 8 advisory               ended: closed for 60 s

It ends when the door has been closed for `quiet_s`, after a run of 10 s, or in inspection, fire
return, firefighter operation and earthquake mode, in which it is not judged.

It fails for terminals that sample more slowly than the door moves, and takes people who reopen a
door for others that often for a fault. State: 8 B a cycle, 65 B a lift with the defaults.

Reference: "repeated door cycling" is a code of a vendor (elevators.md 1.4) and a terminal counts 20
blocked closings (2.2); count and window are ours: a reopening probability of 4 % makes eight in a
row by chance unheard of.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import Context, Judgement, same
from detectors.current import NEVER, Ints, Rows, grown
from detectors.lift_history import SPEED_LIMITS, LiftHistory
from detectors.lift_scene import (
    active_codes,
    advisory,
    equal_holds,
    flags,
    observed,
    over_hold_ns,
    quiet_reason,
)
from detectors.lift_sight import LiftScene, lift_scene
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.errors import UsageError
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

_LIFT = COLUMNS[Kind.LIFT]

CYCLES_MIN, CYCLES_MAX = 2, 50
"""Fewest and most openings that are kept a lift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftDoorCyclingParameters:
    """Parameters of the rule.

    Parameters
    ----------
    cycles
        Openings at one stop, `CYCLES_MIN` to `CYCLES_MAX`.
    window_s
        Time within which they must fall.
    quiet_s
        It ends when the door has been closed for so long.

    Raises
    ------
    UsageError
        If `cycles` is out of range.
    """

    cycles: float = 8.0
    window_s: float = 240.0
    quiet_s: float = 60.0

    def __post_init__(self) -> None:
        """Check the length of the memory."""
        if not CYCLES_MIN <= self.cycles <= CYCLES_MAX:
            raise UsageError(f"detectors.lift_door_cycling.cycles: {CYCLES_MIN} to {CYCLES_MAX}")


class LiftDoorCycling:
    """Repeated door cycles of n lifts.

    Attributes
    ----------
    opened_ns
        int64[n, cycles], openings at this stop, newest first.
    bursts
        bool[n], the door is open by an opening that completes a burst.
    """

    name = "lift_door_cycling"
    kinds = (Kind.LIFT,)
    incident = IncidentKind.DOOR_CYCLING
    channels = ("service_mode", "car_status", "speed_mps", "door_zone", "door_closed")
    limits = SPEED_LIMITS
    every_row = False

    def __init__(self, parameters: LiftDoorCyclingParameters) -> None:
        self._p = parameters
        self.opened_ns: Ints = np.empty((0, int(parameters.cycles)), dtype=np.int64)
        self.bursts: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room for a larger fleet."""
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), len(fleet.members(kind)), 0))

    def arrays(self) -> tuple[str, ...]:
        """State of its own."""
        return ("opened_ns", "bursts")

    def times(self) -> tuple[str, ...]:
        """Event times among it."""
        return ("opened_ns",)

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        device, scene = rows.device, context.sight.of(rows, context.current)
        self._count(rows, scene, context.history)
        return Judgement(
            standing=advisory(self.bursts[device]),
            hold_ns=equal_holds(same(len(device), 0.0)),
            over=(scene.door == 1) | scene.running | scene.special,
            over_hold_ns=over_hold_ns(scene.running, scene.special, self._p.quiet_s),
            known=scene.known & ~np.isnan(scene.door),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        opened = self.opened_ns[device]
        opened = opened[opened != NEVER]
        span_s = float(opened[0] - opened[-1]) / NS_PER_S if len(opened) else None
        mode = observed(context, device, "service_mode")
        return (
            Evidence(name="door_openings", value=float(len(opened))),
            Evidence(name="within_s", value=span_s, unit="s"),
            *flags(context, device, "door_zone", "passenger_present"),
            Evidence(name="service_mode", value=None if np.isnan(mode) else mode),
            *active_codes(context, device),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        ran = lift_scene(np.array([device], dtype=np.int32), context.current).running[0]
        return quiet_reason(device, context, "car_ran" if ran else "door_stayed_closed")

    def _count(self, rows: Rows, scene: LiftScene, history: LiftHistory) -> None:
        """Keep openings since the car ran or the door rested, and whether they are a burst."""
        elsewhere = scene.running | scene.special
        opens = (scene.door == 0) & (rows.before[:, _LIFT["door_closed"]] == 1) & ~elsewhere
        rested_ns = rows.event_ns - history.door_closed_ns[rows.device]
        rested = opens & (rested_ns >= seconds(self._p.quiet_s))
        self.opened_ns[rows.device[elsewhere | rested]] = NEVER
        self.bursts[rows.device[elsewhere | (scene.door == 1)]] = False
        device, event_ns = rows.device[opens], rows.event_ns[opens]
        self.opened_ns[device, 1:] = self.opened_ns[device, :-1]
        self.opened_ns[device, 0] = event_ns
        oldest = self.opened_ns[device, -1]
        recent = event_ns - oldest <= seconds(self._p.window_s)
        self.bursts[device] = (oldest != NEVER) & recent
