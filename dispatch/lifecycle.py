"""What may happen to an incident, by whom, and what becomes of it. Pure.

Two tables, because only a rescue has people to free. Telemetry and people have different rights:
once a person took an incident over, telemetry ends nothing (EN 81-28), and a confirmed rescue whose
condition ended before anybody looked stays open (ISA-18.2, "returned to normal, unacknowledged").
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from domain.errors import ConflictError
from domain.incidents import (
    ENDED_STATES,
    RESCUE,
    CloseReason,
    Incident,
    IncidentAction,
    IncidentEvent,
    IncidentKind,
    IncidentState,
    Level,
)

SYSTEM = "system"
"""Actor of everything that no person did."""

_Table = Mapping[IncidentState, Mapping[IncidentAction, IncidentState]]

_RESCUE_TABLE: _Table = {
    IncidentState.OPEN: {IncidentAction.ACKNOWLEDGED: IncidentState.ACKNOWLEDGED},
    IncidentState.ACKNOWLEDGED: {IncidentAction.ACCEPTED: IncidentState.ACCEPTED},
    IncidentState.ACCEPTED: {IncidentAction.ARRIVED: IncidentState.ON_SITE},
    IncidentState.ON_SITE: {IncidentAction.FREED: IncidentState.FREED},
    IncidentState.FREED: {IncidentAction.VERIFIED: IncidentState.VERIFIED},
    IncidentState.VERIFIED: {},
    IncidentState.CLOSED: {},
}

_OTHER_TABLE: _Table = {
    IncidentState.OPEN: {IncidentAction.ACKNOWLEDGED: IncidentState.ACKNOWLEDGED},
    IncidentState.ACKNOWLEDGED: {IncidentAction.RESOLVED: IncidentState.RESOLVED},
    IncidentState.RESOLVED: {},
    IncidentState.CLOSED: {},
}

_RESCUE_SHORTCUTS = frozenset(
    {
        CloseReason.FALSE_ALARM,
        CloseReason.TEST,
        CloseReason.DUPLICATE,
        CloseReason.SELF_RELEASED,
    }
)
_OTHER_REASONS = frozenset(
    {
        CloseReason.REPAIRED,
        CloseReason.CONDITION_ENDED,
        CloseReason.FALSE_ALARM,
        CloseReason.TEST,
        CloseReason.DUPLICATE,
    }
)

_ASKED_BY_PEOPLE = frozenset({IncidentKind.ALARM_BUTTON, IncidentKind.CALLER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An incident after something happened, and the line of history that says so."""

    incident: Incident
    event: IncidentEvent


def allowed_actions(incident: Incident) -> tuple[IncidentAction, ...]:
    """What a person may do now that changes the state, in the order of the work.

    A comment is always allowed and changes nothing.
    """
    steps = tuple(_table(incident)[incident.state])
    return (*steps, IncidentAction.CLOSED) if allowed_reasons(incident) else steps


def allowed_reasons(incident: Incident) -> frozenset[CloseReason]:
    """Reasons with which a person may close the incident now; empty once it is closed.

    ``rescued`` is a rescue's last word and needs the call-back before it.
    """
    if incident.state is IncidentState.CLOSED:
        return frozenset()
    if incident.case != RESCUE:
        return _OTHER_REASONS
    if incident.state is IncidentState.VERIFIED:
        return _RESCUE_SHORTCUTS | {CloseReason.RESCUED}
    return _RESCUE_SHORTCUTS


def advance(
    incident: Incident, action: IncidentAction, *, actor: str, now_ns: int, note: str = ""
) -> Change:
    """Take the next step as a person.

    Raises
    ------
    ConflictError
        If the table does not allow the step now, or nobody takes it; the text says what is allowed.
    """
    state = _table(incident)[incident.state].get(action)
    if state is None or actor == SYSTEM:
        raise _refused(incident, action, actor)
    after = replace(incident, state=state)
    if action is IncidentAction.ACKNOWLEDGED:
        after = replace(after, acknowledged_at_ns=now_ns, acknowledged_by=actor)
    return _changed(after, action, actor=actor, at_ns=now_ns, note=note)


def close(
    incident: Incident, reason: CloseReason, *, actor: str, now_ns: int, note: str = ""
) -> Change:
    """Close as a person, with a reason.

    Raises
    ------
    ConflictError
        If the incident is closed already or may not be closed for that reason now.
    """
    reasons = allowed_reasons(incident)
    if reason not in reasons or actor == SYSTEM:
        listed = ", ".join(sorted(reasons)) or "none, it is closed"
        raise ConflictError(
            f"incident {incident.id} is {incident.state} and cannot be closed as {reason} by "
            f"{actor}; allowed reasons now: {listed}"
        )
    after = replace(incident, state=IncidentState.CLOSED, closed_at_ns=now_ns, close_reason=reason)
    text = f"{reason}: {note}" if note else str(reason)
    return _changed(after, IncidentAction.CLOSED, actor=actor, at_ns=now_ns, note=text)


def end_by_telemetry(
    incident: Incident,
    kinds: AbstractSet[IncidentKind],
    *,
    ended_at_ns: int,
    now_ns: int,
    note: str,
) -> Change:
    """End the condition as telemetry sees it.

    Parameters
    ----------
    kinds
        Every kind that ever joined the incident: a person who pressed the alarm button or called
        is never filtered away.
    ended_at_ns
        Event time of the end.
    now_ns
        Received time of what showed it.

    Returns
    -------
    Change
        A merely suspected rescue is closed and another case resolved when nobody took it over;
        anything else only learns when its condition ended.

    Raises
    ------
    ConflictError
        If the incident has ended already.
    """
    if incident.state in ENDED_STATES:
        raise _refused(incident, IncidentAction.CONDITION_ENDED, SYSTEM)
    after = replace(incident, condition_ended_at_ns=ended_at_ns)
    action = _end_action(incident, kinds)
    if action is IncidentAction.CLOSED:
        after = replace(
            after,
            state=IncidentState.CLOSED,
            closed_at_ns=now_ns,
            close_reason=CloseReason.CONDITION_ENDED,
        )
    elif action is IncidentAction.RESOLVED:
        after = replace(after, state=IncidentState.RESOLVED)
    return _changed(after, action, actor=SYSTEM, at_ns=now_ns, note=note)


def _end_action(incident: Incident, kinds: AbstractSet[IncidentKind]) -> IncidentAction:
    if incident.latched:
        return IncidentAction.CONDITION_ENDED
    if incident.case != RESCUE:
        return IncidentAction.RESOLVED
    if incident.level is Level.CONFIRMED or kinds & _ASKED_BY_PEOPLE:
        return IncidentAction.CONDITION_ENDED
    return IncidentAction.CLOSED


def _table(incident: Incident) -> _Table:
    return _RESCUE_TABLE if incident.case == RESCUE else _OTHER_TABLE


def _changed(
    after: Incident, action: IncidentAction, *, actor: str, at_ns: int, note: str
) -> Change:
    event = IncidentEvent(
        incident_id=after.id, at_ns=at_ns, actor=actor, action=action, state=after.state, note=note
    )
    return Change(incident=after, event=event)


def _refused(incident: Incident, action: IncidentAction, actor: str) -> ConflictError:
    listed = ", ".join(allowed_actions(incident)) or "nothing, it is closed"
    return ConflictError(
        f"incident {incident.id} is {incident.state}, so {actor} cannot record {action}; "
        f"a person may record now: {listed}"
    )
