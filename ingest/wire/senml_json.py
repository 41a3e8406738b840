"""SenML in JSON (application/senml+json)."""

import re
from typing import Any

from domain.messages import Message
from ingest.wire import native, senml_items
from ingest.wire.senml import LABELS

# Possessive: linear in any bytes. Records hold no objects, so that a native item with values, which
# does, falls out at its first brace.
_FIRST = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*+\[\s*+\{((?:[^{}\[\]"]++|"(?:[^"\\]++|\\.)*+")*+)\}', re.DOTALL
)
_KEYS = re.compile(rb'"((?:[^"\\]++|\\.)*+)"\s*+:', re.DOTALL)

_NATIVE = frozenset(b"ts seq boot code codes active dialect online kind id stream".split())
_SENML = {label.encode() for label in LABELS} - {b"v"}


def recognises(payload: bytes) -> bool:
    """Whether a payload is an array whose first element has SenML's words and no native one."""
    first = _FIRST.match(payload)
    if first is None:
        return False
    keys = set(_KEYS.findall(first[1]))
    return not keys.isdisjoint(_SENML) and keys.isdisjoint(_NATIVE)


def items(message: Message, size_max: int) -> list[Any]:
    """Raw items of a message.

    Raises
    ------
    MalformedPayloadError
        When it is no JSON or no SenML pack within the limits; nothing else is raised.
    """
    return senml_items.items(native.parse(message.payload, size_max), message)
