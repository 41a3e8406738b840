"""Journal frames to reading batches and refusals: identity, duplicates, device clocks, values.

A pure function of frames and its own state: any split of the frames over calls gives the same rows.
"""

from collections.abc import Callable, Mapping, Sequence
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
from ingest.items import (
    NOT_CODED,
    Coded,
    DeviceMemory,
    Item,
    ItemError,
    Source,
    coded_of,
    head_of,
    key_of,
    online_of,
    retained_key_of,
)
from ingest.placing import Run, place_retained, place_will, runs_of
from ingest.wire.catalog import items_of
from ingest.wire.native import MalformedPayloadError

# Plain integers: these are combined once an item, and enum members are slow to combine.
_LATE, _WRONG, _STEP = int(Quality.LATE), int(Quality.CLOCK_WRONG), int(Quality.CLOCK_STEP)
_REBOOTED = int(Quality.REBOOTED)
_BAD_VALUE = int(Quality.BAD_VALUE)

_SNAPSHOT_VERSION = 2
_KINDS = frozenset(Kind)


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


class _Version(msgspec.Struct):
    version: int


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
            If the snapshot is of another version or no snapshot at all.
        """
        try:
            version = msgspec.msgpack.decode(data, type=_Version).version
            if version != _SNAPSHOT_VERSION:
                raise ValueError(f"decoder snapshot of version {version}")
            state = msgspec.msgpack.decode(data, type=_State)
        except msgspec.MsgspecError as error:
            raise ValueError(f"unreadable decoder snapshot: {error}") from error
        self._devices = state.devices
        self._vocabulary = Vocabulary(state.vocabulary)

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
        raw_items = items_of(message, self._limits.device_bytes_max)
        return raw_items, lambda raw: self._own_source(source, raw)

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
        runs = runs_of([item for _, item in heads], arrived.message.received_at_ns)
        for number, item in heads:
            try:
                self._item(item, runs[id(item.device)], arrived, work)
            except ItemError as error:
                # It arrived, so that its number is not missing.
                self._duplicate(item, arrived.message, work)
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

    def _own_source(self, source: Source, raw: dict[str, Any]) -> Source:
        """Source of the topic, unless the body says that it is another known device."""
        named = raw.get("id")
        if isinstance(named, str) and named != source.equipment.id and named in self._fleet.slots:
            raise ItemError(RefusalReason.FOREIGN_ID, f"{source.equipment.id} speaks for {named}")
        kind = raw.get("kind")
        if isinstance(kind, str) and kind != source.kind and kind in _KINDS:
            raise ItemError(
                RefusalReason.WRONG_KIND, f"{source.equipment.id} is a {source.kind}, not a {kind}"
            )
        return source

    def _gateway_source(self, gateway_id: str, raw: dict[str, Any]) -> Source:
        words = [raw.get("kind"), raw.get("id"), raw.get("stream")]
        topic = topics.parse("/".join([topics.ROOT, *map(str, words)]))
        if not isinstance(topic, topics.DeviceTopic):
            raise ItemError(RefusalReason.BAD_ITEM, "the item has no usable kind, id and stream")
        equipment = self._fleet.find(topic.equipment_id)
        if equipment is None or equipment.gateway_id != gateway_id:
            raise ItemError(
                RefusalReason.FOREIGN_ID,
                f"the registry does not name {gateway_id} as gateway of {topic.equipment_id}",
            )
        return self._source(topic.kind, topic.equipment_id, topic.stream)

    def _head(self, raw: Any, source_of: Callable[[dict[str, Any]], Source]) -> Item:  # noqa: ANN401 - JSON
        if not isinstance(raw, dict):
            raise ItemError(RefusalReason.BAD_ITEM, "an item is a JSON object")
        source = source_of(raw)
        device = self._devices.get(source.equipment.id)
        if device is None:
            device = self._devices[source.equipment.id] = DeviceMemory()
        return head_of(raw, source, device)

    def _item(self, item: Item, run: Run, arrived: _Arrived, work: _Work) -> None:
        """Check, de-duplicate, place in time and add the rows of one item."""
        alive = item.source.stream is Stream.ALIVE
        online = online_of(item.raw) if alive else ONLINE_UNSAID
        coded = NOT_CODED if alive else coded_of(item, self._limits.codes_max)
        if not alive and not coded.keys and not isinstance(item.raw.get("v"), dict):
            raise ItemError(RefusalReason.NO_CONTENT, "the item has neither v nor a code")
        if online != 0 and self._duplicate(item, arrived.message, work):
            work.counts.duplicated += 1
            return
        event_time_ns = self._place(item, online, run, arrived.message, work)
        builder = work.builder(item.source.kind)
        if alive:
            work.counts.alive += 1
            self._row(builder, item, event_time_ns, arrived, online=online)
            return
        work.counts.accepted += 1
        self._rows(builder, item, event_time_ns, coded, arrived, work)

    def _duplicate(self, item: Item, message: Message, work: _Work) -> bool:
        """Take an item into the device's numbering; say whether it was there already."""
        sequence = item.device.sequence
        numbered = item.seq >= 0 and item.boot
        if message.retain:
            if numbered and sequence.holds(item.boot, item.seq):
                return True
            return not sequence.keyed(retained_key_of(item))
        if numbered:
            lost = sequence.lost
            fresh = sequence.numbered(item.boot, item.seq)
            work.counts.lost += sequence.lost - lost
            return not fresh
        if item.seq < 0 and item.ts_ns is None:
            # Without number and time nothing tells a repetition from a repeated state.
            return False
        return not sequence.keyed(key_of(item))

    def _place(self, item: Item, online: int, run: Run, message: Message, work: _Work) -> int:
        """Event time of an item; its flags go into ``item.flags``."""
        received_at_ns = message.received_at_ns
        if message.retain:
            event_time_ns, flags = place_retained(item, online, received_at_ns)
        elif online == 0:
            event_time_ns, flags = place_will(received_at_ns)
        else:
            event_time_ns, flags = run.place(item, received_at_ns)
            if item.device.reboots(item.boot):
                flags |= _REBOOTED
        item.flags |= flags
        work.counts.late += bool(flags & _LATE)
        work.counts.clock_wrong += bool(flags & _WRONG)
        return event_time_ns

    def _rows(
        self,
        builder: RowBuilder,
        item: Item,
        event_time_ns: int,
        coded: Coded,
        arrived: _Arrived,
        work: _Work,
    ) -> None:
        """Add one row, or one a code; the values stand in the first."""
        values = item.raw.get("v")
        device, bad = item.device, coded.bad
        if isinstance(values, dict):
            flags, bad_values, strangers = builder.read(
                values, self._vocabulary, device.names, self._limits.extras_max
            )
            item.flags |= flags
            bad += bad_values
            work.counts.unknown_channels += strangers
        else:
            bad += values is not None
            values = {}
        for key in coded.keys or ("",):
            code = self._vocabulary.index(key, device.names) if key else NO_CODE
            bad += code is None
            item.flags |= _BAD_VALUE if bad else 0
            _apply_code(builder, key, coded.active, values)
            index = NO_CODE if code is None else code
            self._row(builder, item, event_time_ns, arrived, code=index, active=coded.active)
            item.flags &= ~(_STEP | _REBOOTED)
        work.counts.bad_values += bad

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


def _apply_code(builder: RowBuilder, key: str, active: int, said: Mapping[str, Any]) -> None:
    """Give the coming row the channel value that a code means, unless the item says one itself."""
    code = CODES.get(key)
    if code is None:
        return
    effects = [code.sets if active else code.restores]
    if key == RETURNED_TO_AUTOMATIC and active:
        effects.append(("mains_power", 1))
    for effect in effects:
        if effect is not None and effect[0] in COLUMNS[builder.kind] and effect[0] not in said:
            builder.set(*effect)
