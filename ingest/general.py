"""The general path of the decoder: any item, one at a time, with everything that can be wrong."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.channels import COLUMNS
from domain.codes import CODES, RETURNS_TO_AUTOMATIC
from domain.equipment import Fleet, Kind
from domain.messages import Message
from domain.readings import NO_CODE, ONLINE_UNSAID, Quality, Stream
from domain.refusals import RefusalReason
from ingest import topics
from ingest.assembly import RowBuilder, Vocabulary
from ingest.clocks import OwnGap
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
from ingest.work import Arrived, DecodeLimits, Work

# Plain integers: these are combined once an item, and enum members are slow to combine.
_LATE, _WRONG, _STEP = int(Quality.LATE), int(Quality.CLOCK_WRONG), int(Quality.CLOCK_STEP)
_REBOOTED = int(Quality.REBOOTED)
_BAD_VALUE = int(Quality.BAD_VALUE)

_KINDS = frozenset(Kind)

SourceOf = Callable[[dict[str, Any]], Source]


class General:
    """Reads items and keeps what is to be remembered of each device.

    Parameters
    ----------
    before, after
        Called with the source and the memory of a device before an item of it is looked at, and
        when its message is done.

    Attributes
    ----------
    devices
        What is remembered of each device that was heard, by its id.
    own_gap
        Our own last absence.
    """

    def __init__(
        self,
        fleet: Fleet,
        limits: DecodeLimits,
        *,
        before: Callable[[Source, DeviceMemory, Work], None],
        after: Callable[[Source, DeviceMemory], None],
    ) -> None:
        self.fleet = fleet
        self.devices: dict[str, DeviceMemory] = {}
        self.vocabulary = Vocabulary()
        self.own_gap = OwnGap()
        self._limits = limits
        self._before = before
        self._after = after

    def message(self, arrived: Arrived, work: Work) -> None:
        """Read all items of a message."""
        try:
            raw_items, source_of = self._open(arrived.message)
        except MalformedPayloadError as error:
            work.refuse(arrived, -1, error.reason, error.detail)
        else:
            work.counts.items += len(raw_items)
            self._items(list(enumerate(raw_items)), source_of, arrived, work)

    def some_items(self, places: Sequence[int], arrived: Arrived, work: Work) -> None:
        """Read some items of a message that can be read and whose items were counted."""
        raw_items, source_of = self._open(arrived.message)
        self._items([(place, raw_items[place]) for place in places], source_of, arrived, work)

    def _open(self, message: Message) -> tuple[list[Any], SourceOf]:
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
        placed: Sequence[tuple[int, Any]],
        source_of: SourceOf,
        arrived: Arrived,
        work: Work,
    ) -> None:
        """Read items given with their place in the message."""
        counts = work.counts
        used = counts.accepted + counts.duplicated + counts.alive
        heads = self._heads(placed, source_of, arrived, work)
        runs = runs_of(heads, arrived.message.received_at_ns, self.own_gap)
        for item in heads:
            try:
                self._item(item, runs[id(item.device)], arrived, work)
            except ItemError as error:
                # It arrived, so that its number is not missing.
                self._duplicate(item, arrived.message, work)
                counts.refused_items += 1
                equipment_id = item.source.equipment.id
                work.refuse(arrived, item.number, error.reason, error.detail, equipment_id)
        for run in runs.values():
            self._after(run.newest.source, run.newest.device)
        if counts.accepted + counts.duplicated + counts.alive > used:
            work.usable[arrived.number] = True

    def _heads(
        self,
        placed: Sequence[tuple[int, Any]],
        source_of: SourceOf,
        arrived: Arrived,
        work: Work,
    ) -> list[Item]:
        heads: list[Item] = []
        for place, raw in placed:
            try:
                heads.append(self._head(raw, place, source_of, work))
            except ItemError as error:
                work.counts.refused_items += 1
                work.refuse(arrived, place, error.reason, error.detail)
        return heads

    def _source(self, kind: Kind, equipment_id: str, stream: Stream) -> Source:
        place = self.fleet.slots.get(equipment_id)
        if place is None:
            raise ItemError(
                RefusalReason.UNKNOWN_EQUIPMENT, f"{equipment_id} is not in the registry"
            )
        known_kind, slot = place
        if known_kind is not kind:
            raise ItemError(
                RefusalReason.WRONG_KIND, f"{equipment_id} is a {known_kind}, not a {kind}"
            )
        return Source(self.fleet.devices[kind][slot], kind, slot, stream)

    def _own_source(self, source: Source, raw: dict[str, Any]) -> Source:
        """Source of the topic, unless the body says that it is another known device."""
        named = raw.get("id")
        if isinstance(named, str) and named != source.equipment.id and named in self.fleet.slots:
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
        equipment = self.fleet.find(topic.equipment_id)
        if equipment is None or equipment.gateway_id != gateway_id:
            raise ItemError(
                RefusalReason.FOREIGN_ID,
                f"the registry does not name {gateway_id} as gateway of {topic.equipment_id}",
            )
        return self._source(topic.kind, topic.equipment_id, topic.stream)

    def _head(self, raw: Any, place: int, source_of: SourceOf, work: Work) -> Item:  # noqa: ANN401 - JSON
        if not isinstance(raw, dict):
            raise ItemError(RefusalReason.BAD_ITEM, "an item is a JSON object")
        source = source_of(raw)
        device = self.devices.get(source.equipment.id)
        if device is None:
            device = self.devices[source.equipment.id] = DeviceMemory()
        self._before(source, device, work)
        return head_of(raw, place, source, device)

    def _item(self, item: Item, run: Run, arrived: Arrived, work: Work) -> None:
        """Check, de-duplicate, place in time and add the rows of one item."""
        alive = item.source.stream is Stream.ALIVE
        online = online_of(item.raw) if alive else ONLINE_UNSAID
        coded = NOT_CODED if alive else coded_of(item, self._limits.codes_max)
        if not alive and not coded.keys and not isinstance(item.raw.get("v"), dict):
            raise ItemError(RefusalReason.NO_CONTENT, "the item has neither v nor a code")
        if online != 0 and self._duplicate(item, arrived.message, work):
            work.counts.duplicated += 1
            work.repeats.append((item.source.equipment.id, arrived.message.received_at_ns))
            return
        event_time_ns = self._place(item, online, run, arrived.message, work)
        builder = work.builder(item.source.kind)
        if alive:
            work.counts.alive += 1
            self._row(builder, item, event_time_ns, arrived, online=online)
            return
        work.counts.accepted += 1
        self._rows(builder, item, event_time_ns, coded, arrived, work)

    def _duplicate(self, item: Item, message: Message, work: Work) -> bool:
        """Take an item into the device's numbering; say whether it was there already."""
        sequence = item.device.sequence
        numbered = item.seq >= 0 and item.boot
        if message.retain:
            if numbered and sequence.holds(item.boot, item.seq):
                return True
            return not sequence.keyed(retained_key_of(item))
        if numbered:
            lost = sequence.lost
            fresh = sequence.numbered(item.boot, item.seq, message.received_at_ns)
            if sequence.lost != lost:
                work.counts.lost += sequence.lost - lost
                work.gaps[item.source.equipment.id] = None
            return not fresh
        if item.seq < 0 and item.ts_ns is None:
            # Without number and time nothing tells a repetition from a repeated state.
            return False
        return not sequence.keyed(key_of(item))

    def _place(self, item: Item, online: int, run: Run, message: Message, work: Work) -> int:
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
        arrived: Arrived,
        work: Work,
    ) -> None:
        """Add one row, or one a code; the values stand in the first."""
        values = item.raw.get("v")
        device, bad = item.device, coded.bad
        if isinstance(values, dict):
            flags, bad_values, strangers = builder.read(
                values, self.vocabulary, device.names, self._limits.extras_max
            )
            item.flags |= flags
            bad += bad_values
            work.counts.unknown_channels += strangers
        else:
            bad += values is not None
            values = {}
        for key in coded.keys or ("",):
            code = self.vocabulary.index(key, device.names) if key else NO_CODE
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
        arrived: Arrived,
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
                arrived.arrival(item.number),
            )
        )


def _apply_code(builder: RowBuilder, key: str, active: int, said: Mapping[str, Any]) -> None:
    """Give the coming row the channel value that a code means, unless the item says one itself."""
    code = CODES.get(key)
    if code is None:
        return
    effects = [code.sets if active else code.restores]
    if key in RETURNS_TO_AUTOMATIC and active:
        effects.append(("mains_power", 1))
    for effect in effects:
        if effect is not None and effect[0] in COLUMNS[builder.kind] and effect[0] not in said:
            builder.set(*effect)
