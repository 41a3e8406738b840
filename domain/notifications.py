"""Messages to firms and other receivers, and what became of them."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Result of one delivery attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to one receiver, written in the transaction that caused it.

    Parameters
    ----------
    id
        Hash of incident, occasion and receiver: the idempotency key that receivers may rely on.
    occasion
        Why it is sent: an `IncidentAction` word.
    channel
        Name of the channel that delivers it: ``webhook`` or ``mqtt``.
    receiver
        Firm id.
    body
        JSON text exactly as it is sent and signed.
    attempts
        Deliveries tried so far.
    due_at_ns
        When the next attempt is due.
    """

    id: str
    incident_id: str
    occasion: str
    channel: str
    receiver: str
    body: str
    created_at_ns: int
    due_at_ns: int
    attempts: int = 0
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt to deliver a notification.

    Parameters
    ----------
    retry_after_s
        What the receiver asked for, when it did.
    detail
        Status line or error text, without secrets.
    """

    notification_id: str
    attempt: int
    at_ns: int
    outcome: Outcome
    detail: str
    retry_after_s: float | None = None
