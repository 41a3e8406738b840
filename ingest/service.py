"""What ingest has to say about itself, as messages of the journal.

They stand in the order of events between the devices' messages, so that a replay finds the same
incidents. No broker can deliver their topic: ingest subscribes to none that begins with ``$`` but
the broker's own counter.
"""

from enum import StrEnum

import msgspec

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
