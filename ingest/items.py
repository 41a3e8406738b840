"""The head of an item: device time, number, boot, codes, and what tells it from a repetition."""

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from domain.codes import DEFAULT_DIALECT, code_text
from domain.equipment import Equipment, Kind
from domain.instants import NS_PER_MS, NS_PER_S, from_iso
from domain.readings import NO_SEQ, Quality, Stream
from domain.refusals import RefusalReason
from ingest.assembly import LABEL_CHARACTERS_MAX, Names, usable_text
from ingest.clocks import Clock
from ingest.sequence import BOOTS_MAX, KEY_BYTES, Sequence

# A plain integer: it is combined once an item, and enum members are slow to combine.
_NO_ZONE = int(Quality.NO_ZONE)
_SEQ_MAX = 2**53
_TIME_MAX_NS = 2**62
_SPREAD_MAX_NS = 900 * NS_PER_S
_DATE_CHARACTERS = len("2026-05-28")
_ACTIVE: dict[float, int] = {1: 1, 0: 0}


class ItemError(Exception):
    """An item that cannot be used, and why."""

    def __init__(self, reason: RefusalReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Source:
    """Where an item came from."""

    equipment: Equipment
    kind: Kind
    slot: int
    stream: Stream


class DeviceMemory(msgspec.Struct):
    """What the decoder remembers of one device.

    Parameters
    ----------
    ordinal
        Number of its newest row.
    boots
        Its last boots, newest last.
    """

    clock: Clock = msgspec.field(default_factory=Clock)
    sequence: Sequence = msgspec.field(default_factory=Sequence)
    ordinal: int = 0
    boots: list[str] = msgspec.field(default_factory=list)
    names: Names = msgspec.field(default_factory=Names)

    def reboots(self, boot: str) -> bool:
        """Take in the boot of an item; say whether it is a new one after another."""
        if not boot or boot in self.boots:
            return False
        self.boots.append(boot)
        del self.boots[:-BOOTS_MAX]
        return len(self.boots) > 1


@dataclass(slots=True)
class Item:
    """One item with its head read.

    Parameters
    ----------
    number
        Its place in its message.
    """

    raw: dict[str, Any]
    number: int
    source: Source
    device: DeviceMemory
    ts_ns: int | None
    seq: int
    boot: str
    flags: int = 0


def head_of(raw: dict[str, Any], number: int, source: Source, device: DeviceMemory) -> Item:
    """Item with its head read; what is unreadable in it counts as absent."""
    ts_ns, flags = _time(raw.get("ts"))
    seq, boot = _seq(raw.get("seq")), _boot(raw.get("boot"))
    return Item(raw, number, source, device, ts_ns, seq, boot, flags)


@dataclass(frozen=True, slots=True)
class Coded:
    """What an item says in codes.

    Parameters
    ----------
    keys
        ``dialect:code``, each once, in the order sent.
    active
        1 when the condition begins or is momentary, 0 when it ends.
    bad
        Parts that could not be read.
    """

    keys: tuple[str, ...] = ()
    active: int = 1
    bad: int = 0


NOT_CODED = Coded()


def coded_of(item: Item, codes_max: int) -> Coded:
    """Codes of an item; what is unreadable in them is left out and counted.

    Raises
    ------
    ItemError
        If there are more than ``codes_max``, or none is readable and the item says nothing else.
    """
    raw = item.raw
    if "code" not in raw and "codes" not in raw:
        return NOT_CODED
    listed = raw.get("codes")
    sent = [] if raw.get("code") is None else [raw["code"]]
    sent += listed if isinstance(listed, list) else [] if listed is None else [listed]
    if len(sent) > codes_max:
        raise ItemError(RefusalReason.BAD_ITEM, f"{len(sent)} codes, at most {codes_max}")
    codes = [code for code in map(_code, sent) if code]
    if sent and not codes and not isinstance(raw.get("v"), dict):
        raise ItemError(RefusalReason.BAD_ITEM, "a code is a short text or a number")
    active, bad_active = _active(raw.get("active"))
    dialect, bad_dialect = _dialect(raw.get("dialect"), item.source.equipment)
    bad = len(sent) - len(codes) + bad_active + bad_dialect
    return Coded(tuple(dict.fromkeys(f"{dialect}:{code}" for code in codes)), active, bad)


def _active(raw: Any) -> tuple[int, int]:  # noqa: ANN401 - JSON
    """1 or 0, and whether it was unreadable: then active, because nothing may be missed."""
    if raw is None:
        return 1, 0
    active = _ACTIVE.get(raw) if isinstance(raw, bool | int | float) else None
    return (1, 1) if active is None else (active, 0)


def _dialect(raw: Any, equipment: Equipment) -> tuple[str, int]:  # noqa: ANN401 - JSON
    """Dialect of an item, else of its device, and whether the item's was unreadable."""
    usual = equipment.dialect or DEFAULT_DIALECT
    if raw is None or raw == "":
        return usual, 0
    return (raw, 0) if isinstance(raw, str) and usable_text(raw) else (usual, 1)


def _time(raw: Any) -> tuple[int | None, int]:  # noqa: ANN401 - JSON
    """Device time of an item, ``None`` when absent or unreadable, with flags."""
    if isinstance(raw, str):
        return iso_time(raw)
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, int) and not isinstance(raw, bool):
        ts_ns = raw * NS_PER_MS
        return (ts_ns, 0) if abs(ts_ns) < _TIME_MAX_NS else (None, 0)
    return None, 0


def iso_time(text: str) -> tuple[int | None, int]:
    """Device time of an ISO 8601 text, ``None`` when it is none, with flags."""
    if len(text) <= _DATE_CHARACTERS:
        return None, 0
    try:
        ts_ns = from_iso(text)
    except (ValueError, OverflowError):
        return None, 0
    if abs(ts_ns) >= _TIME_MAX_NS:
        return None, 0
    return ts_ns, 0 if _has_offset(text) else _NO_ZONE


def _has_offset(text: str) -> bool:
    time = text[_DATE_CHARACTERS:]
    return time.endswith(("Z", "z")) or "+" in time or "-" in time


def _seq(raw: Any) -> int:  # noqa: ANN401 - JSON
    usable = isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < _SEQ_MAX
    return raw if usable else NO_SEQ


def _boot(raw: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(raw, str | int) and not isinstance(raw, bool):
        return str(raw)[:LABEL_CHARACTERS_MAX]
    return ""


def online_of(raw: dict[str, Any]) -> int:
    """Whether an alive item says online, 1 or 0.

    Raises
    ------
    ItemError
        If it says neither.
    """
    online = raw.get("online")
    if online not in (0, 1) or not isinstance(online, bool | int):
        raise ItemError(RefusalReason.BAD_ITEM, "alive needs online true or false")
    return int(online)


def _code(raw: Any) -> str:  # noqa: ANN401 - JSON
    """Text of a code, empty when it is none."""
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        return ""
    text = code_text(raw)
    return text if usable_text(text) else ""


def key_of(item: Item) -> bytes:
    """Digest that identifies an item without boot and number together.

    Number and time; without either, stream, time and content. A number without a time is no
    identity, since the device may have started anew: then the content counts too.
    """
    if item.seq >= 0 and item.ts_ns is not None:
        content = f"{item.seq}|{item.ts_ns}".encode()
    else:
        content = b"%d|" % item.source.stream + msgspec.json.encode(item.raw)
    return hashlib.blake2b(content, digest_size=KEY_BYTES).digest()


def retained_key_of(item: Item) -> bytes:
    """Digest of a retained item: it must not count in the numbering, which is of live items."""
    if item.seq < 0 or not item.boot:
        return key_of(item)
    content = f"{item.boot}|{item.seq}".encode()
    return hashlib.blake2b(content, digest_size=KEY_BYTES).digest()


def behind_newest_ns(ts_ns: int | None, newest_ts_ns: int | None) -> int:
    """How far before the newest item of its message an item was sampled, when that is sane.

    The items of an array share a received time; with a wrong clock their spacing still holds.
    """
    if ts_ns is None or newest_ts_ns is None:
        return 0
    behind_ns = newest_ts_ns - ts_ns
    return behind_ns if 0 < behind_ns < _SPREAD_MAX_NS else 0
