"""Whose login publishes on a topic."""

from dataclasses import dataclass

from domain.readings import Stream
from ingest import topics


@dataclass(frozen=True, slots=True)
class Login:
    """Whose connection a message belongs to.

    Parameters
    ----------
    user
        Equipment or gateway id.
    alive_topic
        Topic of its last will, empty for gateways and for topics that are none of ours.
    """

    user: str
    alive_topic: str


def login_of(topic: str) -> Login:
    """Login of a topic; of one that the grammar does not know, the level where an id would be.

    >>> login_of("ew/v1/lift/L1/status")
    Login(user='L1', alive_topic='ew/v1/lift/L1/alive')
    """
    parsed = topics.parse(topic)
    if isinstance(parsed, topics.DeviceTopic):
        alive = topics.device(parsed.kind, parsed.equipment_id, Stream.ALIVE)
        return Login(parsed.equipment_id, alive)
    if isinstance(parsed, topics.GatewayTopic):
        return Login(parsed.gateway_id, "")
    levels = topic.split("/")
    return Login(levels[-2] if len(levels) > 1 and levels[-2] else topic, "")
