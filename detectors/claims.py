"""Building findings: of hold timers, and of codes, alarms, silence and clocks, which need none."""

from dataclasses import dataclass

import numpy as np

from detectors import silence
from detectors.base import Context, Staged
from detectors.codes import ActiveCodes, code_of
from detectors.current import Current, Devices, Ints, Rows
from detectors.stages import LEVELS, Stages
from domain.channels import COLUMNS
from domain.findings import Evidence, Finding, Phase
from domain.incidents import RESCUE, IncidentKind, Level, case_of
from domain.instants import seconds

_ALARM_EVIDENCE = ("door_zone", "door_closed", "passenger_present", "car_status")

_END_REASONS = {
    IncidentKind.CLOCK_WRONG: "clock_right_again",
    IncidentKind.DEVICE_OFFLINE: "heard_again",
}


@dataclass(frozen=True, slots=True)
class At:
    """Where in the journal something is judged, for m devices."""

    device: Devices
    event_ns: Ints
    received_ns: Ints
    position: Ints
    late: bool


def at_rows(rows: Rows, chosen: Ints) -> At:
    """Where chosen rows stand."""
    return At(
        rows.device[chosen],
        rows.event_ns[chosen],
        rows.received_ns[chosen],
        rows.position[chosen],
        late=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something is claimed: onset, received time, and the journal frame."""

    onset_ns: int
    detected_at_ns: int
    position: int
    late: bool = False


def moment(rows: Rows, row: int, detector: str) -> Moment:
    """Moment of a row; silence is judged on the received clock, so its end is too."""
    onset_ns = rows.received_ns if detector == silence.NAME else rows.event_ns
    return Moment(
        onset_ns=int(onset_ns[row]),
        detected_at_ns=int(rows.received_ns[row]),
        position=int(rows.position[row]),
        late=bool(rows.late[row]),
    )


def claim(
    detector: str,
    kind: IncidentKind,
    equipment_id: str,
    at: Moment,
    *,
    phase: Phase = Phase.RAISED,
    evidence: tuple[Evidence, ...] = (),
) -> Finding:
    """Claim of one device: an alarm or an entrapment is a suspicion, all else here an advisory."""
    suspected = case_of(kind) == RESCUE
    return Finding(
        detector=detector,
        kind=kind,
        equipment_id=equipment_id,
        level=Level.SUSPECTED if suspected else Level.ADVISORY,
        phase=phase,
        onset_ns=at.onset_ns,
        detected_at_ns=at.detected_at_ns,
        position=at.position,
        late=at.late,
        evidence=evidence,
        reason=_END_REASONS.get(kind, "code_cleared") if phase is Phase.ENDED else "",
    )


class Claims:
    """Findings about the devices of one kind.

    Attributes
    ----------
    ids
        Equipment ids in slot order.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.ids: tuple[str, ...] = ()

    def timed(
        self, detector: Staged, stages: Stages, at: At, i: int, phase: Phase, onset_ns: int
    ) -> Finding:
        """Finding of a hold timer that rose or ended."""
        device = int(at.device[i])
        raised = phase is Phase.RAISED
        event_ns, context = int(at.event_ns[i]), self._context
        return Finding(
            detector=detector.name,
            kind=detector.incident,
            equipment_id=self.ids[device],
            level=LEVELS[stages.level[device] - 1],
            phase=phase,
            onset_ns=onset_ns,
            detected_at_ns=int(at.received_ns[i]),
            position=int(at.position[i]),
            late=at.late,
            evidence=detector.evidence(device, event_ns, context) if raised else (),
            reason="" if raised else detector.end_reason(device, context),
        )

    def silent(self, device: int, now_ns: int, position: int) -> Finding:
        """Finding of a device that has fallen silent."""
        heard_ns = int(self._context.current.heard_ns[device])
        silent_s = (now_ns - heard_ns) / seconds(1)
        at = Moment(onset_ns=heard_ns, detected_at_ns=now_ns, position=position)
        evidence = (Evidence(name="silent_s", value=silent_s, unit="s"),)
        kind = IncidentKind.DEVICE_OFFLINE
        return claim(silence.NAME, kind, self.ids[device], at, evidence=evidence)

    def code(self, rows: Rows, row: int, kind: IncidentKind, begins: bool) -> Finding:
        """Finding of fault codes of one kind that began, or that are all cleared."""
        evidence = fault_evidence(self._context.codes, int(rows.device[row]), kind)
        phase = Phase.RAISED if begins else Phase.ENDED
        return self.at_row(rows, row, "codes", kind, phase, evidence)

    def alarm(self, rows: Rows, row: int) -> Finding:
        """Finding of an alarm button."""
        device, code = int(rows.device[row]), int(rows.code[row])
        evidence = alarm_evidence(self._context.current, device, code)
        return self.at_row(rows, row, "codes", IncidentKind.ALARM_BUTTON, Phase.RAISED, evidence)

    def at_row(
        self,
        rows: Rows,
        row: int,
        detector: str,
        kind: IncidentKind,
        phase: Phase,
        evidence: tuple[Evidence, ...] = (),
    ) -> Finding:
        """Finding that a row itself makes."""
        at = moment(rows, row, detector)
        identity = self.ids[rows.device[row]]
        return claim(detector, kind, identity, at, phase=phase, evidence=evidence)


def fault_evidence(codes: ActiveCodes, device: int, kind: IncidentKind) -> tuple[Evidence, ...]:
    """Active codes of one kind with their meanings."""
    active = [code for code in codes.names(device) if code.kind is kind]
    return tuple(Evidence(name=code.key, value=code.en) for code in active)


def alarm_evidence(current: Current, device: int, code: int) -> tuple[Evidence, ...]:
    """The code of an alarm, and what the car did when it was pressed."""
    columns = COLUMNS[current.kind]
    values = {
        name: current.values[device, columns[name]] for name in _ALARM_EVIDENCE if name in columns
    }
    state = (
        Evidence(name=name, value=None if np.isnan(value) else float(value))
        for name, value in values.items()
    )
    return (Evidence(name=code_of(code).key, value=True), *state)
