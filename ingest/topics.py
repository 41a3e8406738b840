"""The topic grammar of contract.md; no other module builds or splits a topic."""

from dataclasses import dataclass
from functools import lru_cache

from domain.equipment import ID_PATTERN, Kind
from domain.readings import STREAMS, Stream

ROOT = "ew/v1"
DEVICE_FILTER = f"{ROOT}/+/+/+"
"""Subscription that covers every device and gateway topic."""

_LEVELS = 5
_GATEWAY = "gateway"
_BATCH = "batch"
_CACHED_TOPICS = 100_000
_TOPIC_CHARACTERS_MAX = 128


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """Topic of one stream of one device."""

    kind: Kind
    equipment_id: str
    stream: Stream


@dataclass(frozen=True, slots=True)
class GatewayTopic:
    """Topic of a gateway's batches."""

    gateway_id: str


def parse(topic: str) -> DeviceTopic | GatewayTopic | None:
    """Take a topic apart; ``None`` when the grammar does not know it.

    >>> parse("ew/v1/lift/L1/status").equipment_id
    'L1'
    >>> parse("ew/v1/lift/L 1/status") is None
    True
    """
    # Longer than any legal one: it shall not fill the memory of `_parse` either.
    return _parse(topic) if len(topic) <= _TOPIC_CHARACTERS_MAX else None


@lru_cache(maxsize=_CACHED_TOPICS)
def _parse(topic: str) -> DeviceTopic | GatewayTopic | None:
    levels = topic.split("/")
    if len(levels) != _LEVELS or f"{levels[0]}/{levels[1]}" != ROOT:
        return None
    kind, identity, stream = levels[2:]
    if not ID_PATTERN.fullmatch(identity):
        return None
    if kind == _GATEWAY:
        return GatewayTopic(identity) if stream == _BATCH else None
    if kind not in Kind.__members__.values() or stream not in STREAMS:
        return None
    return DeviceTopic(Kind(kind), identity, STREAMS[stream])


def sender(topic: str) -> str:
    """Id that a topic names, empty when the grammar does not know it."""
    parsed = parse(topic)
    if parsed is None:
        return ""
    return parsed.equipment_id if isinstance(parsed, DeviceTopic) else parsed.gateway_id


def device(kind: Kind, equipment_id: str, stream: Stream) -> str:
    """Topic on which a device publishes a stream."""
    return f"{ROOT}/{kind}/{equipment_id}/{stream.name.lower()}"


def device_filter(kind: Kind, equipment_id: str) -> str:
    """Filter of everything below a device's own id: what a broker lets it publish."""
    return f"{ROOT}/{kind}/{equipment_id}/+"


def gateway(gateway_id: str) -> str:
    """Topic on which a gateway publishes."""
    return f"{ROOT}/{_GATEWAY}/{gateway_id}/{_BATCH}"


def notify(firm_id: str) -> str:
    """Topic on which a firm is notified."""
    return f"{ROOT}/notify/{firm_id}"
