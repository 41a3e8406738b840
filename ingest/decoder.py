"""Journal frames to reading batches and refusals: identity, duplicates, device clocks, values.

A pure function of frames and its own state: any split of the frames over calls gives the same rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec

from domain.channels import COLUMNS
from domain.codes import CODES, RETURNED_TO_AUTOMATIC
from domain.equipment import Fleet, Kind
from domain.messages import Frame, Message
from domain.readings import NO_CODE, ONLINE_UNSAID, Quality, ReadingBatch, Stream
from domain.refusals import Refusal, RefusalReason
from ingest import topics
from ingest.assembly import RowBuilder, Vocabulary
from ingest.clocks import judge
from ingest.items import (
    DeviceMemory,
    Item,
    ItemError,
    Source,
    behind_newest_ns,
    codes_of,
    head_of,
    key_of,
    online_of,
)
from ingest.sequence import Arrival
from ingest.wire.catalog import items_of
from ingest.wire.native import MalformedPayloadError

# Plain integers: these are combined once an item, and enum members are slow to combine.
_LATE, _WRONG, _STEP = int(Quality.LATE), int(Quality.CLOCK_WRONG), int(Quality.CLOCK_STEP)
_RETAINED, _REBOOTED = int(Quality.RETAINED), int(Quality.REBOOTED)

_SNAPSHOT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """Limits of one payload and one device.

    Parameters
    ----------
    device_bytes_max, gateway_bytes_max
        Payload sizes of contract.md [byte].
    extras_max
        Channels outside the catalogue that one device may send.
    codes_max
        Codes of one item.
    """

    device_bytes_max: int = 64 * 1024
    gateway_bytes_max: int = 1024 * 1024
    extras_max: int = 64
    codes_max: int = 64


@dataclass(slots=True, kw_only=True)
class DecodeCounts:
    """What became of messages and items; messages = decoded + quarantined.

    Parameters
    ----------
    decoded, quarantined
        Messages with at least one usable item, and without.
    accepted, duplicated, refused_items, alive
        Items: rows given on, known already, refused, signs of life. They add up to ``items``.
    lost
        Change in the number of items missing by the devices' own numbering; negative when one
        arrives after all.
    """

    messages: int = 0
    decoded: int = 0
    quarantined: int = 0
    items: int = 0
    accepted: int = 0
    duplicated: int = 0
    lost: int = 0
    late: int = 0
    clock_wrong: int = 0
    bad_values: int = 0
    unknown_channels: int = 0
    refused_items: int = 0
    alive: int = 0

    def as_dict(self) -> dict[str, int]:
        """Counts by name."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Result of one call: rows in order of arrival, one batch a kind."""

    batches: tuple[ReadingBatch, ...]
    refusals: tuple[Refusal, ...]
    counts: DecodeCounts


class _State(msgspec.Struct):
    version: int
    devices: dict[str, DeviceMemory]
    vocabulary: list[str]


@dataclass(frozen=True, slots=True)
class _Arrived:
    """The message an item came in."""

    message: Message
    position: int
    index: int


@dataclass(slots=True)
class _Work:
    """Output of one call under construction."""

    builders: dict[Kind, RowBuilder] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    counts: DecodeCounts = field(default_factory=DecodeCounts)

    def builder(self, kind: Kind) -> RowBuilder:
        found = self.builders.get(kind)
        if found is None:
            found = self.builders[kind] = RowBuilder(kind)
        return found


class Decoder:
    """Turns frames into batches; remembers per device clock, numbering and boot.

    Parameters
    ----------
    fleet
        Who may speak.
    """

    def __init__(self, fleet: Fleet, limits: DecodeLimits | None = None) -> None:
        self._limits = limits or DecodeLimits()
        self._devices: dict[str, DeviceMemory] = {}
        self._vocabulary = Vocabulary()
        self._fleet = fleet

    def set_fleet(self, fleet: Fleet) -> None:
        """Take over a changed registry; what is remembered of devices stays."""
        self._fleet = fleet

    def snapshot(self) -> bytes:
        """Everything remembered, as bytes."""
        return msgspec.msgpack.encode(
            _State(_SNAPSHOT_VERSION, self._devices, self._vocabulary.texts)
        )

    def restore(self, data: bytes) -> None:
        """Continue from a snapshot.

        Raises
        ------
        ValueError
            If the snapshot is of another version.
        """
        state = msgspec.msgpack.decode(data, type=_State)
        if state.version != _SNAPSHOT_VERSION:
            raise ValueError(f"decoder snapshot of version {state.version}")
        self._devices = state.devices
        indices = {text: index for index, text in enumerate(state.vocabulary)}
        self._vocabulary = Vocabulary(state.vocabulary, indices)

    def decode(self, frames: Sequence[Frame]) -> Decoded:
        """Decode the messages of frames; a device's fault never reaches another device."""
        work = _Work()
        # The one loop over readings in Python: everything behind it works on columns.
        for frame in frames:
            for index, message in enumerate(frame.messages):
                self._message(_Arrived(message, frame.position, index), work)
        batches = tuple(
            builder.batch(self._fleet.ids[kind], self._vocabulary)
            for kind, builder in work.builders.items()
            if builder.rows
        )
        return Decoded(batches=batches, refusals=tuple(work.refusals), counts=work.counts)

    def _message(self, arrived: _Arrived, work: _Work) -> None:
        counts = work.counts
        counts.messages += 1
        usable = counts.accepted + counts.duplicated + counts.alive
        try:
            raw_items, source_of = self._open(arrived.message)
        except MalformedPayloadError as error:
            _refuse(work, arrived, -1, error.reason, error.detail)
        else:
            counts.items += len(raw_items)
            self._items(raw_items, source_of, arrived, work)
        if counts.accepted + counts.duplicated + counts.alive > usable:
            counts.decoded += 1
        else:
            counts.quarantined += 1

    def _open(self, message: Message) -> tuple[list[Any], Callable[[dict[str, Any]], Source]]:
        """Raw items of a message, and how to find the source of each."""
        topic = topics.parse(message.topic)
        if topic is None:
            raise MalformedPayloadError(
                RefusalReason.BAD_TOPIC, "the topic is none of contract version 1"
            )
        if isinstance(topic, topics.GatewayTopic):
            raw_items = items_of(message, self._limits.gateway_bytes_max)
            return raw_items, lambda raw: self._gateway_source(topic.gateway_id, raw)
        try:
            source = self._source(topic.kind, topic.equipment_id, topic.stream)
        except ItemError as error:
            raise MalformedPayloadError(error.reason, error.detail) from error
        return items_of(message, self._limits.device_bytes_max), lambda _raw: source

    def _items(
        self,
        raw_items: list[Any],
        source_of: Callable[[dict[str, Any]], Source],
        arrived: _Arrived,
        work: _Work,
    ) -> None:
        heads: list[tuple[int, Item]] = []
        for number, raw in enumerate(raw_items):
            try:
                heads.append((number, self._head(raw, source_of)))
            except ItemError as error:
                work.counts.refused_items += 1
                _refuse(work, arrived, number, error.reason, error.detail)
        newest_ts = {id(item.device): item.ts_ns for _, item in heads}
        for number, item in heads:
            try:
                self._item(item, newest_ts[id(item.device)], arrived, work)
            except ItemError as error:
                work.counts.refused_items += 1
                _refuse(work, arrived, number, error.reason, error.detail)

    def _source(self, kind: Kind, equipment_id: str, stream: Stream) -> Source:
        place = self._fleet.slots.get(equipment_id)
        if place is None:
            raise ItemError(
                RefusalReason.UNKNOWN_EQUIPMENT, f"{equipment_id} is not in the registry"
            )
        known_kind, slot = place
        if known_kind is not kind:
            raise ItemError(
                RefusalReason.WRONG_KIND, f"{equipment_id} is a {known_kind}, not a {kind}"
            )
        return Source(self._fleet.devices[kind][slot], kind, slot, stream)

    def _gateway_source(self, gateway_id: str, raw: dict[str, Any]) -> Source:
        words = [raw.get("kind"), raw.get("id"), raw.get("stream")]
        topic = topics.parse("/".join([topics.ROOT, *map(str, words)]))
        if not isinstance(topic, topics.DeviceTopic):
            raise ItemError(RefusalReason.BAD_ITEM, "the item has no usable kind, id and stream")
        equipment_id = topic.equipment_id
        source = self._source(topic.kind, equipment_id, topic.stream)
        if source.equipment.gateway_id != gateway_id:
            raise ItemError(
                RefusalReason.FOREIGN_ID,
                f"the registry does not name {gateway_id} as gateway of {equipment_id}",
            )
        return source

    def _head(self, raw: Any, source_of: Callable[[dict[str, Any]], Source]) -> Item:  # noqa: ANN401 - JSON
        if not isinstance(raw, dict):
            raise ItemError(RefusalReason.BAD_ITEM, "an item is a JSON object")
        source = source_of(raw)
        device = self._devices.get(source.equipment.id)
        if device is None:
            device = self._devices[source.equipment.id] = DeviceMemory()
        return head_of(raw, source, device)

    def _item(self, item: Item, newest_ts_ns: int | None, arrived: _Arrived, work: _Work) -> None:
        """Check, de-duplicate, place in time and add the rows of one item."""
        alive = item.source.stream is Stream.ALIVE
        online = online_of(item.raw) if alive else ONLINE_UNSAID
        codes = () if alive else codes_of(item, self._limits.codes_max)
        if not alive and not codes and not isinstance(item.raw.get("v"), dict):
            raise ItemError(RefusalReason.NO_CONTENT, "the item has neither v nor a code")
        if online != 0 and self._duplicate(item, work):
            work.counts.duplicated += 1
            return
        event_time_ns = self._place(item, online, newest_ts_ns, arrived.message, work)
        builder = work.builder(item.source.kind)
        if alive:
            work.counts.alive += 1
            self._row(builder, item, event_time_ns, arrived, online=online)
            return
        work.counts.accepted += 1
        self._rows(builder, item, event_time_ns, codes, arrived, work)

    def _duplicate(self, item: Item, work: _Work) -> bool:
        sequence = item.device.sequence
        if item.seq < 0 and item.ts_ns is None:
            # Without number and time nothing tells a repetition from a repeated state.
            return False
        lost = sequence.lost
        if item.seq >= 0 and item.boot:
            arrival = sequence.numbered(item.boot, item.seq)
        else:
            arrival = sequence.keyed(key_of(item), item.seq)
        work.counts.lost += sequence.lost - lost
        return arrival is Arrival.DUPLICATE

    def _place(
        self,
        item: Item,
        online: int,
        newest_ts_ns: int | None,
        message: Message,
        work: _Work,
    ) -> int:
        """Event time of an item; its flags go into ``item.flags``."""
        received_at_ns = message.received_at_ns
        if message.retain:
            item.flags |= _RETAINED | _LATE
            work.counts.late += 1
            return received_at_ns if item.ts_ns is None else item.ts_ns
        if online == 0:
            # A last will was written at connect: its own time says nothing about now.
            return received_at_ns
        event_time_ns, flags = judge(
            item.device.clock, item.ts_ns, received_at_ns, item.seq, item.boot
        )
        item.flags |= flags
        work.counts.late += bool(flags & _LATE)
        if flags & _WRONG:
            work.counts.clock_wrong += 1
            event_time_ns -= behind_newest_ns(item.ts_ns, newest_ts_ns)
        if item.boot and item.boot != item.device.boot:
            item.flags |= _REBOOTED if item.device.boot else 0
            item.device.boot = item.boot
        return event_time_ns

    def _rows(
        self,
        builder: RowBuilder,
        item: Item,
        event_time_ns: int,
        codes: tuple[str, ...],
        arrived: _Arrived,
        work: _Work,
    ) -> None:
        """Add one row, or one a code; the values stand in the first."""
        values = item.raw.get("v")
        flags = 0
        if isinstance(values, dict):
            flags, bad, strangers = builder.read(
                values, self._vocabulary, item.device.extras, self._limits.extras_max
            )
            work.counts.bad_values += bad
            work.counts.unknown_channels += strangers
        item.flags |= flags
        active = int(bool(item.raw.get("active", True)))
        for key in codes or ("",):
            _apply_code(builder, key, active)
            index = self._vocabulary.index(key) if key else NO_CODE
            code = NO_CODE if index is None else index
            self._row(builder, item, event_time_ns, arrived, code=code, active=active)
            item.flags &= ~(_STEP | _REBOOTED)

    def _row(
        self,
        builder: RowBuilder,
        item: Item,
        event_time_ns: int,
        arrived: _Arrived,
        *,
        code: int = NO_CODE,
        active: int = 1,
        online: int = ONLINE_UNSAID,
    ) -> None:
        item.device.ordinal += 1
        builder.rows.append(
            (
                item.source.slot,
                event_time_ns,
                arrived.message.received_at_ns,
                arrived.position,
                item.device.ordinal,
                item.seq,
                item.source.stream,
                item.flags,
                code,
                active,
                online,
            )
        )


def _refuse(work: _Work, arrived: _Arrived, item: int, reason: RefusalReason, detail: str) -> None:
    message = arrived.message
    work.refusals.append(
        Refusal(
            reason=reason,
            position=arrived.position,
            index=arrived.index,
            item=item,
            topic=message.topic,
            sender=topics.sender(message.topic),
            payload=message.payload,
            received_at_ns=message.received_at_ns,
            detail=detail,
        )
    )


def _apply_code(builder: RowBuilder, key: str, active: int) -> None:
    """Give the coming row the channel value that a code means."""
    code = CODES.get(key)
    if code is None:
        return
    effect = code.sets if active else code.restores
    if effect is not None and effect[0] in COLUMNS[builder.kind]:
        builder.set(*effect)
    if key == RETURNED_TO_AUTOMATIC and active and builder.kind is Kind.LIFT:
        builder.set("mains_power", 1)
