"""Resolving SenML packs (RFC 8428, RFC 9100): records with base fields to plain readings.

Strict where the RFC is: a pack of another version, with a field that must be understood, or with a
name outside the character set is refused whole. Ignored: sums (`s`, `bs`) and update times (`ut`),
which feed nothing here. Lenient in one point: a record of base fields alone only sets them.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from domain.instants import NS_PER_MS
from domain.refusals import RefusalReason
from ingest.wire.native import MalformedPayloadError

RECORDS_MAX = 10_000
"""Records of one pack: 500 items of 20 readings."""

RELATIVE_BELOW_S = 2**28
"""Times below it are relative to the time of receipt (RFC 8428, section 4.5.3)."""

VERSIONS = frozenset({*range(1, 11), 26})
"""Base versions: up to RFC 8428's own, and that with the secondary units of RFC 8798."""

UNUSABLE: list[Any] = []
"""A value that no channel takes: the decoder makes the channel unknown and counts it."""

_VALUES = ("v", "vs", "vb", "vd")
_OWN_FIELDS = frozenset({"n", "u", "s", "t", "ut", *_VALUES})
_BASE_FIELDS = frozenset({"bn", "bt", "bu", "bv", "bs", "bver"})
LABELS = _OWN_FIELDS | _BASE_FIELDS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*+")
_TIME_MAX_S = 1e11
_INTEGER_MAX = 2**63
_VERSION_DEFAULT = 10


class Reading(NamedTuple):
    """One resolved record.

    Parameters
    ----------
    ts_ms
        Time [ms since 1970], rounded.
    unit
        Stated unit, empty when none is.
    value
        Number, text, flag, ``None`` for unknown, or `UNUSABLE`.
    """

    name: str
    ts_ms: int
    unit: str
    value: Any


@dataclass(slots=True)
class _Base:
    """Base fields in force."""

    name: str = ""
    time_s: float = 0
    unit: str = ""
    value: float = 0


def resolve(pack: Sequence[Any], received_at_ns: int) -> Iterator[Reading]:
    """Readings of a pack in its order.

    Raises
    ------
    MalformedPayloadError
        When the pack breaks a rule of the RFC; nothing of it is to be used then.
    """
    if not pack:
        raise MalformedPayloadError(RefusalReason.NO_CONTENT, "the pack is empty")
    if len(pack) > RECORDS_MAX:
        raise MalformedPayloadError(
            RefusalReason.TOO_MANY_ITEMS, f"{len(pack)} records, at most {RECORDS_MAX} are allowed"
        )
    base = _Base()
    version = _VERSION_DEFAULT
    received_ms = received_at_ns // NS_PER_MS
    for number, record in enumerate(pack):
        if not isinstance(record, dict):
            _refuse(number, "is no object")
        version = _version(record, version, number)
        _check_labels(record, number)
        _take_base(record, base, number)
        if "s" in record and record.keys().isdisjoint(_VALUES):
            continue
        if not record.keys().isdisjoint(_OWN_FIELDS):
            yield _reading(record, base, received_ms, number)


def _refuse(number: int, what: str) -> NoReturn:
    raise MalformedPayloadError(RefusalReason.NOT_SENML, f"record {number} {what}")


def _version(record: dict[Any, Any], version: int, number: int) -> int:
    """Version of the pack, which every record has in common."""
    said = record.get("bver", version)
    if type(said) is not int or said not in VERSIONS:
        _refuse(number, "is of a version that is not understood")
    if number and said != version:
        _refuse(number, "is of another version than the first")
    return said


def _check_labels(record: dict[Any, Any], number: int) -> None:
    for label in record.keys() - LABELS:
        if isinstance(label, str) and label.endswith("_"):
            _refuse(number, f"has a field that must be understood: {label[:64]}")


def _take_base(record: dict[Any, Any], base: _Base, number: int) -> None:
    if record.keys().isdisjoint(_BASE_FIELDS):
        return
    base.name = _text(record, "bn", base.name, number)
    base.time_s = _number(record, "bt", base.time_s, number)
    base.unit = _text(record, "bu", base.unit, number)
    base.value = _number(record, "bv", base.value, number)


def _text(record: dict[Any, Any], label: str, default: str, number: int) -> str:
    text = record.get(label, default)
    if not isinstance(text, str):
        _refuse(number, f"has a {label} that is no text")
    return text


def _number(record: dict[Any, Any], label: str, default: float, number: int) -> float:
    value = record.get(label, default)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _INTEGER_MAX:
        return value
    _refuse(number, f"has a {label} that is no usable number")


def _reading(record: dict[Any, Any], base: _Base, received_ms: int, number: int) -> Reading:
    name = base.name + _text(record, "n", "", number)
    if not _NAME.fullmatch(name):
        _refuse(number, "has no name of the characters that the RFC allows")
    time_s = base.time_s + _number(record, "t", 0, number)
    if abs(time_s) > _TIME_MAX_S:
        raise MalformedPayloadError(RefusalReason.BAD_TIME, f"record {number} is of {time_s:g} s")
    ts_ms = round(time_s * 1000) + (received_ms if time_s < RELATIVE_BELOW_S else 0)
    unit = _text(record, "u", base.unit, number)
    return Reading(name, ts_ms, unit, _value(record, base.value))


def _value(record: dict[Any, Any], base_value: float) -> Any:  # noqa: ANN401 - any JSON value
    """Value of a record; one that says nothing, or two things at once, is unusable."""
    given = [label for label in _VALUES if label in record]
    if len(given) != 1:
        return UNUSABLE
    label = given[0]
    value = record[label]
    if value is None:
        return None
    if label == "v" and isinstance(value, int | float) and not isinstance(value, bool):
        return value + base_value if abs(value) < _INTEGER_MAX else UNUSABLE
    if (label == "vb" and isinstance(value, bool)) or (label == "vs" and isinstance(value, str)):
        return value
    return UNUSABLE


def is_number(value: object) -> bool:
    """Whether a resolved value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
