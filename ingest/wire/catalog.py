"""Every wire format, in the order in which a payload is tried; one line adds one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.messages import Message
from ingest.wire import native, senml_cbor, senml_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One wire format.

    Parameters
    ----------
    recognises
        Whether a payload is of this format, by its content; no payload is of two formats.
    items
        Raw items of a message within a size limit, in the shape of the native ones; raises
        `MalformedPayloadError` and nothing else.
    """

    name: str
    recognises: Callable[[bytes], bool]
    items: Callable[[Message, int], list[Any]]


def _native_items(message: Message, size_max: int) -> list[Any]:
    return native.items(message.payload, size_max)


FORMATS = (
    Format(name="senml+cbor", recognises=senml_cbor.recognises, items=senml_cbor.items),
    Format(name="senml+json", recognises=senml_json.recognises, items=senml_json.items),
    Format(name="native", recognises=lambda _: True, items=_native_items),
)
"""The last one takes whatever no other recognises."""


def items_of(message: Message, size_max: int) -> list[Any]:
    """Raw items of a message.

    Raises
    ------
    ingest.wire.native.MalformedPayloadError
        When its format cannot be read.
    """
    # Nearly every message is one native object, and no other format begins like it.
    if message.payload[:1] == b"{":
        return native.items(message.payload, size_max)
    return format_of(message.payload).items(message, size_max)


def format_of(payload: bytes) -> Format:
    """Format of a payload."""
    return next(found for found in FORMATS if found.recognises(payload))
