"""Findings to incidents by the production intake, in memory, with people who close what is over."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from detectors.scoring import Alarm
from dispatch import lifecycle
from dispatch.intake import take_one
from domain.equipment import Firm
from domain.findings import Finding, Phase, standing_claims
from domain.incidents import (
    ENDED_STATES,
    CloseReason,
    Incident,
    IncidentEvent,
    IncidentKind,
    case_of,
)
from domain.instants import seconds
from domain.notifications import Notification
from domain.ports import StateTransaction

CLOSED_AFTER_NS = seconds(1_800)
"""A rescue that telemetry may not close is closed by people so long after the last word of it.

Without that a device would have one rescue for ever, and the next one could not be told from it.
"""

_PEOPLE = "user:backtest"


def incidents_of(findings: Iterable[Finding], *, closed_after_ns: int | None) -> list[Incident]:
    """Incidents that findings open, by `dispatch.intake`, as they stand at the end.

    Parameters
    ----------
    findings
        Those of one device in its order.
    closed_after_ns
        When people close a rescue that is over; ``None`` = never.
    """
    return list(_taken(findings, closed_after_ns).incidents.values())


def alarms_of(findings: Iterable[Finding], *, closed_after_ns: int, end_ns: int) -> list[Alarm]:
    """Incidents that findings open, as scores see them.

    Parameters
    ----------
    closed_after_ns
        When people close a rescue that is over.
    end_ns
        End of the run, until when they do.
    """
    desk = _taken(findings, closed_after_ns)
    desk.close_rest(end_ns, closed_after_ns)
    return [
        replace(alarm_of(incident), stood=desk.stood(incident.id), closed_ns=_closed_ns(incident))
        for incident in desk.incidents.values()
    ]


def _taken(findings: Iterable[Finding], closed_after_ns: int | None) -> "_Desk":
    desk = _Desk()
    tx = cast("StateTransaction", _Transaction(incidents=desk))
    for finding in findings:
        if closed_after_ns is not None:
            desk.close_old(finding, closed_after_ns)
        take_one(tx, finding, None)
    return desk


def alarm_of(incident: Incident) -> Alarm:
    """Incident as scores see it."""
    ends = (incident.condition_ended_at_ns, incident.closed_at_ns)
    return Alarm(
        equipment_id=incident.equipment_id,
        kind=incident.kind,
        onset_ns=incident.opened_at_ns,
        levels=tuple((reached.level, reached.at_ns) for reached in incident.levels),
        end_ns=next((end for end in ends if end is not None), None),
    )


def _closed_ns(incident: Incident) -> int | None:
    """When nobody had to look after it any more; what telemetry resolves has no other instant."""
    if incident.closed_at_ns is None and incident.state in ENDED_STATES:
        return incident.condition_ended_at_ns
    return incident.closed_at_ns


class _Desk:
    """`domain.ports.Incidents` as far as the intake asks for it, and the people behind it."""

    def __init__(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self._last: dict[tuple[str, str], str] = {}
        self._findings: dict[str, Finding] = {}
        self._events: dict[str, list[IncidentEvent]] = {}
        self._joined: dict[str, list[Finding]] = {}

    def stood(self, incident_id: str) -> tuple[tuple[int, int | None], ...]:
        """When the condition of an incident was said to stand, and until when it was."""
        spans: list[tuple[int, int | None]] = []
        standing: set[tuple[str, IncidentKind]] = set()
        for one in self._joined.get(incident_id, ()):
            if one.kind is IncidentKind.ALARM_BUTTON:
                continue
            stood = bool(standing)
            if one.phase is Phase.RAISED:
                standing.add((one.detector, one.kind))
            else:
                standing.discard((one.detector, one.kind))
            if standing and not stood:
                spans.append((one.detected_at_ns, None))
            elif stood and not standing:
                spans[-1] = (spans[-1][0], one.detected_at_ns)
        return tuple(spans)

    def close_rest(self, end_ns: int, after_ns: int) -> None:
        """Close the rescues of which nothing was heard for long at the end of the run."""
        for incident in list(self.incidents.values()):
            if incident.state not in ENDED_STATES:
                self._close(incident, end_ns, after_ns)

    def close_old(self, finding: Finding, after_ns: int) -> None:
        """Close the rescue that a finding would join when nothing was heard of it for long."""
        incident = self.open_for(finding.equipment_id, case_of(finding.kind))
        if incident is not None:
            self._close(incident, finding.detected_at_ns, after_ns)

    def _close(self, incident: Incident, now_ns: int, after_ns: int) -> None:
        if CloseReason.SELF_RELEASED not in lifecycle.allowed_reasons(incident):
            return
        known = [self._findings[finding_id] for finding_id in incident.finding_ids]
        at_ns = max(one.detected_at_ns for one in known) + after_ns
        if now_ns < at_ns or _stands(known):
            return
        change = lifecycle.close(incident, CloseReason.SELF_RELEASED, actor=_PEOPLE, now_ns=at_ns)
        self.save(change.incident)
        self.add_event(change.event)

    def open_for(self, equipment_id: str, case: str) -> Incident | None:
        incident = self.last_for(equipment_id, case)
        return None if incident is None or incident.state in ENDED_STATES else incident

    def last_for(self, equipment_id: str, case: str) -> Incident | None:
        last = self._last.get((equipment_id, case))
        return None if last is None else self.incidents[last]

    def save(self, incident: Incident) -> None:
        self.incidents[incident.id] = incident
        self._last[incident.equipment_id, incident.case] = incident.id

    def add_event(self, event: IncidentEvent) -> IncidentEvent:
        self._events.setdefault(event.incident_id, []).append(event)
        return event

    def events(self, incident_id: str) -> Sequence[IncidentEvent]:
        return self._events.get(incident_id, ())

    def add_finding(self, finding: Finding, incident_id: str | None, _disposition: str) -> None:
        self._findings[finding.id] = finding
        if incident_id is not None:
            self._joined.setdefault(incident_id, []).append(finding)

    def finding(self, finding_id: str) -> Finding | None:
        return self._findings.get(finding_id)


def _stands(findings: Sequence[Finding]) -> bool:
    """Whether telemetry still says that the condition stands; a press of a button is a moment."""
    return any(kind is not IncidentKind.ALARM_BUTTON for _, kind in standing_claims(findings))


class _Outbox:
    """Nobody is notified."""

    def add(self, notification: Notification) -> None:
        """Drop it."""

    def for_incident(self, _incident_id: str) -> Sequence[tuple[Notification, Sequence[object]]]:
        return ()


class _Registry:
    """No firm is known."""

    def firm(self, _firm_id: str) -> Firm | None:
        return None


@dataclass(slots=True)
class _Transaction:
    incidents: _Desk
    outbox: _Outbox = field(default_factory=_Outbox)
    registry: _Registry = field(default_factory=_Registry)
