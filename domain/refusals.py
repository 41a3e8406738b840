"""Why something a device sent was not used. A refusal is stored, counted and shown."""

from dataclasses import dataclass
from enum import StrEnum


class RefusalReason(StrEnum):
    """Reasons for quarantine; the word is stable, because operators filter and count by it."""

    BAD_TOPIC = "bad_topic"
    UNKNOWN_EQUIPMENT = "unknown_equipment"
    WRONG_KIND = "wrong_kind"
    FOREIGN_ID = "foreign_id"
    TOO_LARGE = "too_large"
    TOO_MANY_ITEMS = "too_many_items"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_CBOR = "not_cbor"
    NOT_SENML = "not_senml"
    TOO_DEEP = "too_deep"
    BAD_ITEM = "bad_item"
    BAD_TIME = "bad_time"
    NO_CONTENT = "no_content"


SECURITY_REASONS = frozenset({RefusalReason.FOREIGN_ID})
"""Refusals that are also written to the security log: somebody speaks for another's equipment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One message, or one item of a message, that was put aside.

    Parameters
    ----------
    position, index
        Journal frame and the message's place in it: the identity of the message, so that a replay
        puts nothing aside twice.
    item
        Index of the item within the message, -1 when the whole message was refused.
    sender
        Equipment or gateway id of the topic, empty when the topic names none.
    equipment_id
        Equipment that an item of a gateway is about, empty when that is not known.
    detail
        What exactly was wrong, in one sentence for the device's maker.
    """

    reason: RefusalReason
    position: int
    index: int
    item: int
    topic: str
    sender: str
    payload: bytes
    received_at_ns: int
    detail: str
    equipment_id: str = ""
