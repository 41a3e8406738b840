r"""A lift without mains power, and an estate without it as one cause.

Mains off, or emergency power operation, for `hold_s`: an advisory. Cuts come in estates: many lifts
within minutes. Each finding names the estate (the registry's area, else its address), how many of
its lifts lost their mains within `estate_window_s` of this one, and, from `estate_lifts_min` on,
the cause ``estate_power_cut``, so that whoever sees one of the incidents sees the cut.

    lift 1   mains ██████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁     10 s advisory: 3 of 12 lifts, estate_power_cut
    lift 2   mains ███████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
    lift 3   mains ██████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁

What follows from a cut is shown here as evidence and claimed by nobody else: a car that stands
outside its zone, an open door, a lift out of service. Entrapment is judged all the same, with the
cut as corroboration.

Only lifts whose loss was reported at least `REPORTED_S` before count, so that neither the order in
which their messages arrive nor how they are batched changes a finding. A mechanic in inspection
switches the mains himself: not judged. It ends when the mains are back for `over_hold_s`.

It fails for terminals without a battery: they go silent, which `detectors.silence` claims. State:
8 B a lift.

Reference: power cuts are 20 % of entrapments and clustered, elevators.md 5.1; event 41 in 1.5. All
figures are ours: shorter losses are transfer switches and their tests.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import NO_LIMITS, Context, Judgement, same
from detectors.codes import INSPECTION
from detectors.current import NEVER, Ints, Rows, grown
from detectors.lift_scene import (
    EMERGENCY_POWER,
    active_codes,
    advisory,
    equal_holds,
    flags,
    observed,
    over_hold_ns,
    quiet_reason,
)
from domain.equipment import Equipment, Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import seconds

REPORTED_S = 3.0
"""Time that the message of another lift may take to arrive (ours)."""

_NO_ESTATE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftPowerFailureParameters:
    """Parameters of the rule.

    Parameters
    ----------
    hold_s
        Advisory after.
    over_hold_s
        It ends when the mains are back for so long.
    estate_window_s
        Losses of one cut lie within this time.
    estate_lifts_min
        Lifts that make a cut of the estate, this one included.
    """

    hold_s: float = 10.0
    over_hold_s: float = 10.0
    estate_window_s: float = 300.0
    estate_lifts_min: float = 3.0


class LiftPowerFailure:
    """Power failures of n lifts.

    Attributes
    ----------
    off_ns
        int64[n], since when the mains are off.
    """

    name = "lift_power_failure"
    kinds = (Kind.LIFT,)
    incident = IncidentKind.POWER_FAILURE
    channels = ("service_mode", "mains_power")
    limits = NO_LIMITS
    every_row = False

    def __init__(self, parameters: LiftPowerFailureParameters) -> None:
        self._p = parameters
        self.off_ns: Ints = np.empty(0, dtype=np.int64)
        self._estate: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._estates: tuple[str, ...] = ()

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read the estates of a possibly larger fleet."""
        members = fleet.members(kind)
        self.off_ns = grown(self.off_ns, len(members), NEVER)
        numbers: dict[str, int] = {"": _NO_ESTATE}
        numbers |= {name: i for i, name in enumerate(sorted({*map(_estate, members)} - {""}))}
        self._estate = np.array([numbers[_estate(e)] for e in members], dtype=np.int32)
        self._estates = tuple(name for name in numbers if name)

    def arrays(self) -> tuple[str, ...]:
        """State of its own."""
        return ("off_ns",)

    def times(self) -> tuple[str, ...]:
        """Event times among it."""
        return ("off_ns",)

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        device, scene = rows.device, context.sight.of(rows, context.current)
        emergency = scene.mode == EMERGENCY_POWER
        off = (scene.mains == 0) | emergency
        known = scene.known & (emergency | ~np.isnan(scene.mains))
        since = self.off_ns[device]
        begun = np.where(since == NEVER, rows.event_ns, since)
        self.off_ns[device] = np.where(off, begun, np.where(known, NEVER, since))
        mechanic = scene.mode == INSPECTION
        return Judgement(
            standing=advisory(off & ~mechanic),
            hold_ns=equal_holds(same(len(device), self._p.hold_s)),
            over=~off | mechanic,
            over_hold_ns=over_hold_ns(np.zeros_like(off), mechanic, self._p.over_hold_s),
            known=known,
            onset_ns=begun,
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        mode = observed(context, device, "service_mode")
        since = int(self.off_ns[device])
        mains = flags(context, device, "mains_power")[0].value
        return (
            Evidence(name="mains_power", value=mains, since_ns=since or None),
            *self._estate_evidence(device, since, event_ns),
            *flags(context, device, "car_status", "door_zone", "door_closed", "passenger_present"),
            Evidence(name="service_mode", value=None if np.isnan(mode) else mode),
            *active_codes(context, device),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        return quiet_reason(device, context, "mains_back")

    def _estate_evidence(self, device: int, since: int, event_ns: int) -> tuple[Evidence, ...]:
        """The estate, its lifts, how many of them lost their mains with this one, and the cause."""
        estate = int(self._estate[device])
        if estate == _NO_ESTATE:
            return ()
        members = np.flatnonzero(self._estate == estate)
        off_ns = self.off_ns[members]
        near = np.abs(off_ns - since) <= seconds(self._p.estate_window_s)
        reported = off_ns <= event_ns - seconds(REPORTED_S)
        dark = int(np.count_nonzero(near & reported & (off_ns != NEVER) & (members != device))) + 1
        whole = dark >= self._p.estate_lifts_min
        return (
            Evidence(name="estate", value=self._estates[estate]),
            Evidence(name="estate_lifts", value=float(len(members))),
            Evidence(name="estate_lifts_without_mains", value=float(dark)),
            Evidence(name="cause", value="estate_power_cut" if whole else "unknown"),
        )


def _estate(lift: Equipment) -> str:
    """Name of the estate that a lift belongs to, empty when the registry does not say."""
    return lift.area_path or lift.address
