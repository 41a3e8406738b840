"""Who is told what about an incident, and the body of the message.

Body, version 1: one JSON object in UTF-8, the same on every channel. Keys are only ever added.

===================  ==============================================================================
``version``          1
``event_id``         id of the notification, the same on every attempt: the receiver's
                     idempotency key
``incident_id``      id of the incident; several notifications share it
``occasion``         ``opened``, ``level_raised``, ``resolved`` or ``closed``
``firm_id``          receiver
``case``, ``kind``   words of the contract; ``kind_name`` gives both as ``{"en", "zh"}``
``level``, ``state`` after the occasion
``late``             whether it was found in data that arrived late
``opened_at``        ISO 8601 in UTC, event time of the onset
``detected_at``      ISO 8601 in UTC, when the service knew
``created_at``       ISO 8601 in UTC, when the notification was written
``close_reason``     for ``closed``, else ``null``
``equipment``        ``id, kind, identifiers [{"scheme", "value"}], name_en, name_zh, area_path,
                     address, latitude, longitude, user_unit``
``evidence``         ``[{"name", "value", "unit"}]`` of the finding that caused it, at most
                     `EVIDENCE_LIMIT`; ``value`` may be ``null`` = unknown
===================  ==============================================================================
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from dispatch.lifecycle import SYSTEM
from domain.equipment import Equipment, Firm
from domain.findings import Evidence
from domain.incidents import (
    ENDED_STATES,
    KIND_NAMES,
    Incident,
    IncidentAction,
    IncidentEvent,
    Level,
)
from domain.instants import to_iso
from domain.notifications import Delivery, Notification
from domain.ports import StateTransaction

BODY_VERSION = 1
EVIDENCE_LIMIT = 20
"""Most pieces of evidence in a body."""
TEXT_LIMIT = 200
"""Most characters of a textual piece of evidence in a body."""

WEBHOOK = "webhook"
MQTT = "mqtt"

_ENDINGS = frozenset({IncidentAction.RESOLVED, IncidentAction.CLOSED})

History = Sequence[tuple[Notification, Sequence[Delivery]]]
"""Notifications of one incident with their attempts, as the outbox returns them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Something about an incident that its maintenance firm may have to know.

    Parameters
    ----------
    incident
        After the change.
    equipment
        Registry row, ``None`` when the registry has none.
    first
        Whether the incident only now concerns dispatch; then a missing receiver is noted.
    """

    incident: Incident
    equipment: Equipment | None
    action: IncidentAction
    at_ns: int
    evidence: tuple[Evidence, ...] = ()
    first: bool = True


def announce(tx: StateTransaction, occasion: Occasion) -> None:
    """Queue what the maintenance firm must know of a suspected or confirmed incident.

    When it cannot be told anything, a line of the incident's history says why.
    """
    if occasion.incident.level is Level.ADVISORY:
        return
    firm = tx.registry.firm(occasion.incident.firm_id) if occasion.incident.firm_id else None
    channels = _channels(firm)
    for channel in channels:
        tx.outbox.add(_notification(occasion, channel))
    if not channels and occasion.first:
        note = _why_nobody(occasion.incident.firm_id, firm)
        tx.incidents.add_event(system_comment(occasion.incident, occasion.at_ns, note))


def call_off(tx: StateTransaction, occasion: Occasion) -> None:
    """Queue the end of an incident for everybody who was to be told of it.

    The courier sends it only to receivers that were tried before, see `withdrawal`.
    """
    told = {
        notification.channel: notification
        for notification, _ in tx.outbox.for_incident(occasion.incident.id)
    }
    for channel in told:
        tx.outbox.add(_notification(occasion, channel))


def withdrawal(notification: Notification, incident: Incident | None, history: History) -> str:
    """Why a due notification is not sent any more; empty = it is to be sent.

    Parameters
    ----------
    incident
        As it stands now.
    history
        All notifications of the incident.
    """
    if incident is None:
        return "withdrawn: the incident does not exist"
    ending = notification.occasion in _ENDINGS
    if not ending and incident.state in ENDED_STATES:
        return f"withdrawn: the incident is {incident.state}"
    if ending and not _tried(notification, history):
        return "withdrawn: nothing was sent before"
    return ""


def waits_for(notification: Notification, history: History) -> frozenset[str]:
    """Ids of earlier notifications of the incident that go the same way to the same receiver.

    While one of them is on its way, the later one has to wait, so that a receiver never learns of
    an end before the beginning.
    """
    return frozenset(
        other.id
        for other, _ in history
        if _same_way(other, notification) and other.created_at_ns <= notification.created_at_ns
    )


def not_reached(notification: Notification, detail: str) -> str:
    """Line of the incident's history when a receiver could not be reached."""
    return (
        f"{notification.receiver} was not reached by {notification.channel} "
        f"({notification.occasion}): {detail}"
    )


def system_comment(incident: Incident, at_ns: int, note: str) -> IncidentEvent:
    """Line of history that the service itself writes; the state stays."""
    return IncidentEvent(
        incident_id=incident.id,
        at_ns=at_ns,
        actor=SYSTEM,
        action=IncidentAction.COMMENTED,
        state=incident.state,
        note=note,
    )


def _same_way(one: Notification, other: Notification) -> bool:
    return one.id != other.id and one.channel == other.channel and one.receiver == other.receiver


def _tried(notification: Notification, history: History) -> bool:
    sent = (
        delivery
        for other, deliveries in history
        if _same_way(other, notification)
        for delivery in deliveries
        if not delivery.detail.startswith("withdrawn")
    )
    return any(sent)


def _channels(firm: Firm | None) -> tuple[str, ...]:
    if firm is None:
        return ()
    webhook = (WEBHOOK,) if firm.webhook_url else ()
    return (*webhook, MQTT) if firm.mqtt_notify else webhook


def _why_nobody(firm_id: str, firm: Firm | None) -> str:
    if not firm_id:
        return "nobody was notified: the registry names no maintenance firm"
    if firm is None:
        return f"nobody was notified: maintenance firm {firm_id} is not in the registry"
    return f"nobody was notified: maintenance firm {firm_id} has neither webhook nor MQTT"


def _notification(occasion: Occasion, channel: str) -> Notification:
    incident = occasion.incident
    cause = (incident.id, occasion.action, incident.level, channel, incident.firm_id)
    digest = hashlib.blake2b("\x1f".join(map(str, cause)).encode(), digest_size=16)
    notification_id = digest.hexdigest()
    return Notification(
        id=notification_id,
        incident_id=incident.id,
        occasion=str(occasion.action),
        channel=channel,
        receiver=incident.firm_id,
        body=_body(occasion, notification_id),
        created_at_ns=occasion.at_ns,
        due_at_ns=occasion.at_ns,
    )


def _body(occasion: Occasion, event_id: str) -> str:
    incident = occasion.incident
    name_en, name_zh = KIND_NAMES[incident.kind]
    content = {
        "version": BODY_VERSION,
        "event_id": event_id,
        "incident_id": incident.id,
        "occasion": str(occasion.action),
        "firm_id": incident.firm_id,
        "case": incident.case,
        "kind": str(incident.kind),
        "kind_name": {"en": name_en, "zh": name_zh},
        "level": str(incident.level),
        "state": str(incident.state),
        "late": incident.late,
        "opened_at": to_iso(incident.opened_at_ns),
        "detected_at": to_iso(incident.detected_at_ns),
        "created_at": to_iso(occasion.at_ns),
        "close_reason": incident.close_reason and str(incident.close_reason),
        "equipment": _equipment(incident.equipment_id, occasion.equipment),
        "evidence": [_evidence(one) for one in occasion.evidence[:EVIDENCE_LIMIT]],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _equipment(equipment_id: str, equipment: Equipment | None) -> dict[str, object]:
    if equipment is None:
        return {"id": equipment_id}
    return {
        "id": equipment.id,
        "kind": str(equipment.kind),
        "identifiers": [
            {"scheme": str(scheme), "value": value} for scheme, value in equipment.identifiers
        ],
        "name_en": equipment.name_en,
        "name_zh": equipment.name_zh,
        "area_path": equipment.area_path,
        "address": equipment.address,
        "latitude": equipment.latitude,
        "longitude": equipment.longitude,
        "user_unit": equipment.user_unit,
    }


def _evidence(one: Evidence) -> dict[str, object]:
    value = one.value
    if isinstance(value, str):
        value = value[:TEXT_LIMIT]
    elif isinstance(value, float) and not math.isfinite(value):
        value = None
    return {"name": one.name, "value": value, "unit": one.unit}
