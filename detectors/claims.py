"""Findings of the rules that need no timer: codes, alarms, silence and clocks."""

from dataclasses import dataclass

import numpy as np

from detectors import silence
from detectors.codes import ActiveCodes, code_of
from detectors.current import Current, Rows
from domain.channels import COLUMNS
from domain.findings import Evidence, Finding, Phase
from domain.incidents import RESCUE, IncidentKind, Level, case_of

_ALARM_EVIDENCE = ("door_zone", "door_closed", "passenger_present", "car_status")

_END_REASONS = {
    IncidentKind.CLOCK_WRONG: "clock_right_again",
    IncidentKind.DEVICE_OFFLINE: "heard_again",
}


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
