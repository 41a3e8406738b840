"""What the broker handed over, before anything is understood: the content of the journal."""

from dataclasses import dataclass
from typing import NamedTuple

from domain.instants import NS_PER_S

OWN_GAP_NS = 5 * NS_PER_S
"""The journal ticks every second; a longer step between its frames means that we were away."""


class Message(NamedTuple):
    """One MQTT message as received.

    Parameters
    ----------
    topic
        Topic as the broker authenticated it; identity comes from here, never from the body alone.
    payload
        Undecoded bytes.
    received_at_ns
        Our clock when the network thread saw it.
    retain
        Whether the broker delivered it as a retained message.
    """

    topic: str
    payload: bytes
    received_at_ns: int
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """One journal entry: the messages of one commit, or a tick.

    Parameters
    ----------
    position
        Number of the frame, from 1, without gaps: the offset that every consumer records.
    received_at_ns
        Our clock at the commit. A frame without messages is a tick: proof that so much time passed.
    messages
        Messages in order of arrival.
    """

    position: int
    received_at_ns: int
    messages: tuple[Message, ...] = ()
