"""What ingest has to say about itself, as messages of the journal.

They stand in the order of events between the devices' messages, so that a replay finds the same
incidents. No broker can deliver their topic: ingest subscribes to none that begins with ``$`` but
the broker's own counter.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from domain.findings import Evidence, Finding, Phase
from domain.incidents import IncidentKind, Level
from domain.messages import Message

TOPIC = "$equipwatch/ingest"

EQUIPMENT_ID = "equipwatch.ingest"
"""Stands in incidents where a device's id would; the dot keeps it apart from every one."""


class ServiceEventKind(StrEnum):
    """What can happen to the chain before the journal."""

    SESSION_LOST = "session_lost"
    """The broker had forgotten our session: what it queued meanwhile is lost."""
    BROKER_DROPPED = "broker_dropped"
    """The broker's count of messages that it had to drop, since its own start."""
    SHED = "shed"
    """Messages acknowledged and left out because the disk budget ran low."""


class ServiceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the chain.

    Parameters
    ----------
    count
        Messages dropped (total of the broker) or shed (since the last event); 0 when unknown.
    since_ns
        Received time since when messages may be missing, as far as known; else 0.
    """

    kind: ServiceEventKind
    count: int = 0
    since_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceNotice:
    """What ingest said of itself, and where in the journal.

    Parameters
    ----------
    count
        Messages missing by this event alone; 0 when unknown.
    """

    event: ServiceEvent
    count: int
    position: int
    received_at_ns: int


_KINDS = {
    ServiceEventKind.SESSION_LOST: IncidentKind.INGEST_GAP,
    ServiceEventKind.SHED: IncidentKind.INGEST_GAP,
    ServiceEventKind.BROKER_DROPPED: IncidentKind.BROKER_DROPS,
}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ServiceEvent).decode


def message_of(event: ServiceEvent, now_ns: int) -> Message:
    """Message that carries an event into the journal."""
    return Message(TOPIC, _encode(event), now_ns)


def event_of(message: Message) -> ServiceEvent:
    """Event of a message on `TOPIC`.

    Raises
    ------
    ValueError
        If the payload is of another version.
    """
    try:
        return _decode(message.payload)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no event of this version: {error}") from error


def finding_of(notice: ServiceNotice) -> Finding:
    """Claim that messages are missing; only a person can say that it is settled."""
    event = notice.event
    evidence = [Evidence(name=event.kind.value, value=notice.count or None, unit="messages")]
    if event.since_ns:
        evidence.append(Evidence(name="last_received", value=True, since_ns=event.since_ns))
    return Finding(
        detector="ingest",
        kind=_KINDS[event.kind],
        equipment_id=EQUIPMENT_ID,
        level=Level.ADVISORY,
        phase=Phase.RAISED,
        onset_ns=event.since_ns or notice.received_at_ns,
        detected_at_ns=notice.received_at_ns,
        position=notice.position,
        evidence=tuple(evidence),
    )
