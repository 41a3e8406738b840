"""Every wire format, in the order in which a message is tried; one line adds one."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.messages import Message
from ingest.wire import native

FORMATS: Mapping[str, Callable[[bytes, int], list[Any]]] = {
    "native": native.items,
}
"""Format name to a function of payload and size limit that gives raw items."""


def items_of(message: Message, size_max: int) -> list[Any]:
    """Raw items of a message.

    Raises
    ------
    ingest.wire.native.MalformedPayloadError
        When its format cannot be read.
    """
    return FORMATS["native"](message.payload, size_max)
