"""Incidents and their history as plain objects with stable keys, for ``--json`` and tables."""

from typing import Any

from domain.incidents import Incident, IncidentEvent
from domain.instants import to_iso


def incident_report(incident: Incident) -> dict[str, Any]:
    """One incident; instants are ISO 8601 in UTC."""
    return {
        "id": incident.id,
        "equipment_id": incident.equipment_id,
        "kind": incident.kind.value,
        "case": incident.case,
        "level": incident.level.value,
        "state": incident.state.value,
        "opened_at": to_iso(incident.opened_at_ns),
        "detected_at": to_iso(incident.detected_at_ns),
        "late": incident.late,
        "levels": [
            {"level": entry.level.value, "kind": entry.kind.value, "at": to_iso(entry.at_ns)}
            for entry in incident.levels
        ],
        "condition_ended_at": _iso(incident.condition_ended_at_ns),
        "acknowledged_at": _iso(incident.acknowledged_at_ns),
        "acknowledged_by": incident.acknowledged_by,
        "closed_at": _iso(incident.closed_at_ns),
        "close_reason": incident.close_reason and incident.close_reason.value,
    }


def event_report(event: IncidentEvent) -> dict[str, Any]:
    """One line of an incident's history."""
    return {
        "at": to_iso(event.at_ns),
        "actor": event.actor,
        "action": event.action.value,
        "state": event.state.value,
        "note": event.note,
    }


def _iso(instant_ns: int | None) -> str | None:
    return None if instant_ns is None else to_iso(instant_ns)
