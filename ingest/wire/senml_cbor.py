"""SenML in CBOR (application/senml+cbor): RFC 8428 section 6 on the data items of RFC 8949."""

import io
from collections.abc import Mapping
from typing import Any

import cbor2

from domain.messages import Message
from domain.refusals import RefusalReason
from ingest.wire import senml_items
from ingest.wire.native import MalformedPayloadError, refuse_size
from ingest.wire.senml import RECORDS_MAX

DEPTH_MAX = 4
"""Nesting: pack, record, decimal fraction, and one level for an extension's field."""

_ARRAYS = range(0x80, 0xA0)
_DECIMAL_FRACTION = 4
_LABELS: Mapping[int, str] = {
    -6: "bs",
    -5: "bv",
    -4: "bu",
    -3: "bt",
    -2: "bn",
    -1: "bver",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}


def recognises(payload: bytes) -> bool:
    """Whether a payload begins with a CBOR array; no JSON text begins with any of these bytes."""
    return payload[:1] != b"" and payload[0] in _ARRAYS


def items(message: Message, size_max: int) -> list[Any]:
    """Raw items of a message.

    Raises
    ------
    MalformedPayloadError
        When it is no CBOR or no SenML pack within the limits; nothing else is raised.
    """
    if len(message.payload) > size_max:
        refuse_size(message.payload, size_max)
    pack = [_labelled(record) for record in _decode(message.payload)]
    return senml_items.items(pack, message)


def _decode(payload: bytes) -> list[Any]:
    """Array of a payload that is one data item of it and nothing more."""
    stream = io.BytesIO(payload)
    decoder = cbor2.CBORDecoder(
        stream, semantic_decoders=_TAGS, max_depth=DEPTH_MAX, allow_duplicate_keys=False
    )
    try:
        pack = decoder.decode()
    except (cbor2.CBORDecodeError, ValueError) as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        raise MalformedPayloadError(RefusalReason.NOT_CBOR, f"{error}{cause}"[:200]) from error
    if not isinstance(pack, list) or stream.tell() != len(payload):
        raise MalformedPayloadError(RefusalReason.NOT_CBOR, "there is more than one array")
    if len(pack) > RECORDS_MAX:
        raise MalformedPayloadError(
            RefusalReason.TOO_MANY_ITEMS, f"{len(pack)} records, at most {RECORDS_MAX} are allowed"
        )
    return pack


def _labelled(record: Any) -> Any:  # noqa: ANN401 - any data item
    """Record with the labels of JSON; integers outside RFC 8428's closed table mean nothing."""
    if not isinstance(record, dict):
        return record
    named: dict[str, Any] = {}
    for label, value in record.items():
        word = _LABELS.get(label) if type(label) is int else label
        if not isinstance(word, str):
            continue
        if word in named:
            raise MalformedPayloadError(RefusalReason.NOT_SENML, f"{word[:64]} is there twice")
        named[word] = value
    return named


def _decimal_fraction(parts: Any, immutable: bool) -> float:  # noqa: ANN401, ARG001 - cbor2's callback
    """Tag 4, the one that SenML allows: the nearest float, never a number of 10^18 digits."""
    exponent, mantissa = parts
    if type(exponent) is not int or type(mantissa) is not int:
        raise ValueError("a decimal fraction is two integers")
    return float(f"{mantissa}e{exponent}")


def _refused(*_: object) -> Any:  # noqa: ANN401 - it never returns
    raise ValueError("SenML has no such tag")


class _Tags(dict[int, Any]):
    """Decoders by tag: every tag but one is refused, shared references and big numbers first."""

    def __missing__(self, tag: int) -> Any:  # noqa: ANN401 - cbor2's callback
        return _refused


_TAGS = _Tags({_DECIMAL_FRACTION: _decimal_fraction})
