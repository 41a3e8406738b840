"""`Outgoing`: one message that a simulated or replayed device hands to its broker."""

from dataclasses import dataclass


@dataclass(slots=True)
class Outgoing:
    """One MQTT message to publish; nobody changes it.

    It is not frozen, because that would triple the time to make one and worlds make millions.

    Parameters
    ----------
    at_ns
        Instant at which the broker should have it; streams of `Outgoing` rise in it.
    topic
        Topic of contract.md; its id names the device whose login publishes it.
    payload
        Bytes to publish.
    retain
        Whether the broker keeps it for later subscribers.
    """

    at_ns: int
    topic: str
    payload: bytes
    retain: bool = False
