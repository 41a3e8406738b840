"""What people do with incidents. Every change writes its line of history with actor and time."""

from collections.abc import Sequence

from dispatch import intake, lifecycle, notices
from dispatch.lifecycle import Change
from domain.equipment import Equipment, Kind
from domain.errors import ConflictError, NotFoundError, UsageError
from domain.findings import Evidence, Finding, Phase
from domain.incidents import (
    ENDED_STATES,
    RESCUE,
    CloseReason,
    Incident,
    IncidentAction,
    IncidentEvent,
    IncidentKind,
    Level,
)
from domain.ports import EquipmentQuery, StateTransaction

NOTE_LIMIT = 2_000
"""Most characters of a comment or note."""

LIFTS_LIMIT = 20
"""Most lifts that a search by the desk returns."""

STEPS = frozenset(
    {
        IncidentAction.ACCEPTED,
        IncidentAction.ARRIVED,
        IncidentAction.FREED,
        IncidentAction.VERIFIED,
        IncidentAction.RESOLVED,
    }
)
"""Steps that `advance` takes; acknowledging and closing have functions of their own."""

CALLER_DETECTOR = "desk"
"""Detector name of findings that a person made by hand."""


def acknowledge(tx: StateTransaction, incident_id: str, actor: str, now_ns: int) -> Incident:
    """Take an incident over; from now on telemetry closes nothing.

    Raises
    ------
    NotFoundError
        If there is no such incident.
    ConflictError
        If it is not open any more.
    """
    incident = _get(tx, incident_id)
    change = lifecycle.advance(incident, IncidentAction.ACKNOWLEDGED, actor=actor, now_ns=now_ns)
    return _apply(tx, incident, change)


def advance(
    tx: StateTransaction,
    incident_id: str,
    action: IncidentAction,
    actor: str,
    now_ns: int,
    note: str = "",
) -> Incident:
    """Record the next step of the work, one of `STEPS`.

    Raises
    ------
    NotFoundError
        If there is no such incident.
    UsageError
        If the action is not a step, or the note is too long.
    ConflictError
        If the table does not allow the step now.
    """
    if action not in STEPS:
        listed = ", ".join(sorted(STEPS))
        raise UsageError(f"{action} is not a step of the work; steps are: {listed}")
    incident = _get(tx, incident_id)
    change = lifecycle.advance(incident, action, actor=actor, now_ns=now_ns, note=_checked(note))
    return _apply(tx, incident, change)


def comment(
    tx: StateTransaction, incident_id: str, actor: str, now_ns: int, text: str
) -> IncidentEvent:
    """Add a comment in any state; return the line with its number.

    Raises
    ------
    NotFoundError
        If there is no such incident.
    UsageError
        If the text is empty or longer than `NOTE_LIMIT`.
    """
    incident = _get(tx, incident_id)
    if not text.strip():
        raise UsageError("a comment needs a text")
    return tx.incidents.add_event(_comment(incident, actor, now_ns, _checked(text)))


def close(
    tx: StateTransaction,
    incident_id: str,
    reason: CloseReason,
    actor: str,
    now_ns: int,
    note: str = "",
) -> Incident:
    """Close with a reason, and call off whoever was notified.

    Raises
    ------
    NotFoundError
        If there is no such incident.
    UsageError
        If the note is too long.
    ConflictError
        If it is closed already, or may not be closed for that reason now.
    """
    incident = _get(tx, incident_id)
    change = lifecycle.close(incident, reason, actor=actor, now_ns=now_ns, note=_checked(note))
    return _apply(tx, incident, change)


def open_by_hand(
    tx: StateTransaction, equipment_id: str, actor: str, now_ns: int, note: str = ""
) -> Incident:
    """Open a rescue case for a lift because somebody reported people trapped.

    An open rescue case of the lift is joined instead. The report is kept as a finding of the desk,
    so that telemetry never ends a case in which a person called.

    Raises
    ------
    NotFoundError
        If the registry has no such equipment.
    UsageError
        If it is not a lift, or the note is too long.
    ConflictError
        If this very report was taken before and its case has ended.
    """
    equipment = tx.registry.get(equipment_id)
    if equipment is None:
        raise NotFoundError(f"equipment {equipment_id} is not in the registry")
    if equipment.kind is not Kind.LIFT:
        raise UsageError(f"{equipment_id} is a {equipment.kind}; only lifts trap people")
    report = _report(equipment_id, now_ns, actor, _checked(note))
    opened = intake.take_one(tx, report, equipment, actor=actor)
    opened = opened or tx.incidents.open_for(equipment_id, RESCUE)
    if opened is None:
        raise ConflictError(f"this report on {equipment_id} was taken already, and its case ended")
    if note.strip():
        tx.incidents.add_event(_comment(opened, actor, now_ns, note))
    return opened


def find_lift(tx: StateTransaction, text: str) -> Sequence[Equipment]:
    """Find lifts by what a caller can read out: rescue or registration code, address, name.

    Returns at most `LIFTS_LIMIT` lifts, ordered by id.

    Raises
    ------
    UsageError
        If the text is empty.
    """
    if not text.strip():
        raise UsageError("a search needs a rescue code, registration code, address or name")
    query = EquipmentQuery(kind=Kind.LIFT, text=text.strip(), limit=LIFTS_LIMIT)
    return tx.registry.find(query)


def _get(tx: StateTransaction, incident_id: str) -> Incident:
    incident = tx.incidents.get(incident_id)
    if incident is None:
        raise NotFoundError(f"incident {incident_id} does not exist")
    return incident


def _apply(tx: StateTransaction, before: Incident, change: Change) -> Incident:
    incident, event = change.incident, change.event
    tx.incidents.save(incident)
    tx.incidents.add_event(event)
    # Who was told that a case is resolved need not hear that it was filed.
    if incident.state in ENDED_STATES and before.state not in ENDED_STATES:
        occasion = notices.Occasion(
            incident=incident,
            equipment=tx.registry.get(incident.equipment_id),
            action=event.action,
            at_ns=event.at_ns,
        )
        notices.call_off(tx, occasion)
    return incident


def _report(equipment_id: str, now_ns: int, actor: str, note: str) -> Finding:
    return Finding(
        detector=CALLER_DETECTOR,
        kind=IncidentKind.CALLER,
        equipment_id=equipment_id,
        level=Level.SUSPECTED,
        phase=Phase.RAISED,
        onset_ns=now_ns,
        detected_at_ns=now_ns,
        position=0,
        evidence=(Evidence(name="reported_by", value=actor), Evidence(name="note", value=note)),
    )


def _checked(note: str) -> str:
    if len(note) > NOTE_LIMIT:
        raise UsageError(f"a note has at most {NOTE_LIMIT} characters, this one has {len(note)}")
    return note


def _comment(incident: Incident, actor: str, now_ns: int, text: str) -> IncidentEvent:
    return IncidentEvent(
        incident_id=incident.id,
        at_ns=now_ns,
        actor=actor,
        action=IncidentAction.COMMENTED,
        state=incident.state,
        note=text,
    )
