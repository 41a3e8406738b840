"""Native JSON of contract.md: bytes to raw items, without judging what the items say."""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec
import numpy as np

from domain.errors import EquipwatchError
from domain.refusals import RefusalReason

ITEMS_MAX = 500
"""Items of one message."""

DEPTH_MAX = 8
"""Nesting of one payload; the contract's deepest legal one is 3."""

_INTEGER_CHARACTERS_MAX = 300

# Possessive, and the closing quote optional: linear in any bytes, unterminated texts included.
_TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_AS_BRACES = bytes.maketrans(b"[]", b"{}")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NO_SHAPE = bytes(set(range(256)) - set(b'[]{}"\\'))

_decode = msgspec.json.Decoder().decode


@dataclass
class MalformedPayloadError(EquipwatchError):
    """A payload that no item can be taken from.

    Parameters
    ----------
    detail
        What exactly was wrong, in one sentence for the device's maker.
    """

    reason: RefusalReason
    detail: str

    def __str__(self) -> str:
        """Reason and detail."""
        return f"{self.reason}: {self.detail}"


def items(payload: bytes, size_max: int) -> list[Any]:
    """Items of a payload in the order of sampling; they may be anything that JSON holds.

    Raises
    ------
    MalformedPayloadError
        For any bytes that are no JSON object or array within the limits; nothing else is raised.
    """
    if len(payload) > size_max:
        refuse_size(payload, size_max)
    value = _parse(payload)
    found = value if isinstance(value, list) else [value]
    if not found:
        raise MalformedPayloadError(RefusalReason.NO_CONTENT, "the array is empty")
    if len(found) > ITEMS_MAX:
        raise MalformedPayloadError(
            RefusalReason.TOO_MANY_ITEMS, f"{len(found)} items, at most {ITEMS_MAX} are allowed"
        )
    return found


def parse(payload: bytes, size_max: int) -> Any:  # noqa: ANN401 - JSON is anything
    """JSON of a payload, also where devices bend it: NaN, 1e999, a byte order mark.

    Raises
    ------
    MalformedPayloadError
        For any bytes that are no JSON within the limits; nothing else is raised.
    """
    if len(payload) > size_max:
        refuse_size(payload, size_max)
    return _parse(payload)


def _parse(payload: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    if _too_deep(payload):
        raise MalformedPayloadError(
            RefusalReason.TOO_DEEP, f"nested deeper than {DEPTH_MAX} levels"
        )
    try:
        return _decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _parse_tolerantly(payload)


def refuse_size(payload: bytes, size_max: int) -> NoReturn:
    """Refuse a payload of more than ``size_max`` bytes.

    Raises
    ------
    MalformedPayloadError
        Always.
    """
    raise MalformedPayloadError(
        RefusalReason.TOO_LARGE, f"{len(payload)} bytes, at most {size_max} are allowed"
    )


def _parse_tolerantly(payload: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedPayloadError(
            RefusalReason.NOT_UTF8, f"byte {error.start} is not UTF-8"
        ) from error
    try:
        value = json.loads(text, parse_int=_integer)
        # Half a surrogate pair passes as an escape, but no store can write it.
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise MalformedPayloadError(
            RefusalReason.NOT_UTF8, "an escape is half a surrogate pair"
        ) from error
    except (ValueError, RecursionError) as error:
        raise MalformedPayloadError(RefusalReason.NOT_JSON, str(error)) from error
    return value


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _INTEGER_CHARACTERS_MAX else float(text)


def _too_deep(payload: bytes) -> bool:
    if payload.count(b"{") + payload.count(b"[") <= DEPTH_MAX:
        return False
    # Texts without brackets and escapes shrink to two quotes. A bracket in a text keeps a quote in
    # front of it, and then only the slow way tells which are which.
    shape = payload.translate(_AS_BRACES, _NO_SHAPE).replace(b'""', b"")
    if b'"' in shape or b"\\" in shape:
        shape = _TEXTS.sub(b"", payload).translate(_AS_BRACES, _NO_BRACKETS)
    left = shape
    for _ in range(DEPTH_MAX):
        left = left.replace(b"{}", b"")
    return left != b"" and _depth(shape) > DEPTH_MAX


def _depth(braces: bytes) -> int:
    steps = np.where(np.frombuffer(braces, dtype="S1") == b"{", 1, -1)
    return int(np.cumsum(steps).max())
