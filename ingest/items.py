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
from ingest.assembly import LABEL_CHARACTERS_MAX
from ingest.clocks import Clock
from ingest.sequence import Sequence

# A plain integer: it is combined once an item, and enum members are slow to combine.
_NO_ZONE = int(Quality.NO_ZONE)
_SEQ_MAX = 2**53
_TIME_MAX_NS = 2**62
_SPREAD_MAX_NS = 900 * NS_PER_S


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
    """What the decoder remembers of one device."""

    clock: Clock = msgspec.field(default_factory=Clock)
    sequence: Sequence = msgspec.field(default_factory=Sequence)
    ordinal: int = 0
    boot: str = ""
    extras: list[str] = msgspec.field(default_factory=list)


@dataclass(slots=True)
class Item:
    """One item with its head read."""

    raw: dict[str, Any]
    source: Source
    device: DeviceMemory
    ts_ns: int | None
    seq: int
    boot: str
    flags: int = 0


def head_of(raw: dict[str, Any], source: Source, device: DeviceMemory) -> Item:
    """Item with its head read; what is unreadable in it counts as absent."""
    ts_ns, flags = _time(raw.get("ts"))
    return Item(raw, source, device, ts_ns, _seq(raw.get("seq")), _boot(raw.get("boot")), flags)


def codes_of(item: Item, codes_max: int) -> tuple[str, ...]:
    """Keys ``dialect:code`` of an item; empty when it has none.

    Raises
    ------
    ItemError
        If its codes, their number or their dialect are not usable.
    """
    raw = item.raw
    if "code" not in raw and "codes" not in raw:
        return ()
    codes = raw["codes"] if "codes" in raw else [raw["code"]]
    if not isinstance(codes, list) or len(codes) > codes_max:
        raise ItemError(RefusalReason.BAD_ITEM, f"codes is a list of at most {codes_max} codes")
    if not isinstance(raw.get("active", True), bool | int):
        raise ItemError(RefusalReason.BAD_ITEM, "active is true or false")
    dialect = raw.get("dialect") or item.source.equipment.dialect or DEFAULT_DIALECT
    if not isinstance(dialect, str) or len(dialect) > LABEL_CHARACTERS_MAX:
        raise ItemError(RefusalReason.BAD_ITEM, "dialect is a short text")
    return tuple(f"{dialect}:{_code(code)}" for code in codes)


def _time(raw: Any) -> tuple[int | None, int]:  # noqa: ANN401 - JSON
    """Device time of an item, ``None`` when absent or unreadable, with flags."""
    if isinstance(raw, str):
        try:
            ts_ns = from_iso(raw)
        except (ValueError, OverflowError):
            return None, 0
        return ts_ns, 0 if _has_offset(raw) else _NO_ZONE
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, int) and not isinstance(raw, bool):
        ts_ns = raw * NS_PER_MS
        return (ts_ns, 0) if abs(ts_ns) < _TIME_MAX_NS else (None, 0)
    return None, 0


def _has_offset(text: str) -> bool:
    return text.endswith(("Z", "z")) or "+" in text[10:] or "-" in text[10:]


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
    usable = isinstance(raw, str | int) and not isinstance(raw, bool)
    if not usable or not 0 < len(str(raw)) <= LABEL_CHARACTERS_MAX:
        raise ItemError(RefusalReason.BAD_ITEM, "a code is a short text or a number")
    return code_text(raw)


def key_of(item: Item) -> int:
    """Digest that identifies an item without a boot: seq and time, else stream, time, content."""
    if item.seq >= 0:
        content = f"{item.seq}|{item.ts_ns}".encode()
    else:
        content = b"%d|" % item.source.stream + msgspec.json.encode(item.raw)
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


def behind_newest_ns(ts_ns: int | None, newest_ts_ns: int | None) -> int:
    """How far before the newest item of its message an item was sampled, when that is sane.

    The items of an array share a received time; with a wrong clock their spacing still holds.
    """
    if ts_ns is None or newest_ts_ns is None:
        return 0
    behind_ns = newest_ts_ns - ts_ns
    return behind_ns if 0 < behind_ns < _SPREAD_MAX_NS else 0
