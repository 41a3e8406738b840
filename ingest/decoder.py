"""Journal frames to reading batches and refusals: identity, duplicates, device clocks, values.

A pure function of frames and its own state: any split of the frames over calls gives the same rows.
Items of steady devices are taken as columns (`ingest.steady`), all others one at a time
(`ingest.general`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np

from domain.channels import CHANNELS
from domain.equipment import Fleet, Kind
from domain.messages import OWN_GAP_NS, Frame
from domain.readings import STREAMS, ReadingBatch, Stream
from domain.refusals import Refusal, RefusalReason
from ingest import service, topics
from ingest.assembly import Vocabulary
from ingest.clocks import OwnGap
from ingest.general import General
from ingest.items import DeviceMemory, Source, iso_time
from ingest.service import ServiceEventKind, ServiceNotice
from ingest.steady import PLACE_BITS, Boots, Candidate, Steady
from ingest.wire.typed import GATEWAY_ITEMS, ORDINARY_ITEMS, Readers
from ingest.work import Arrived, DecodeCounts, DecodeLimits, Work

__all__ = ["DecodeCounts", "DecodeLimits", "Decoded", "Decoder"]

_SNAPSHOT_VERSION = 3
_NS_PER_MS = 1_000_000
_STEADY_STREAMS = frozenset({Stream.STATUS, Stream.TELEMETRY, Stream.ALIVE})
_STREAM_NUMBERS = {
    name: int(stream) for name, stream in STREAMS.items() if stream in _STEADY_STREAMS
}
_ALIVE = int(Stream.ALIVE)
_NOTHING_SAID = {kind: (float("nan"),) * len(CHANNELS[kind]) for kind in Kind}
_KIND_OF = {item: kind for kind, item in GATEWAY_ITEMS.items()}
_ORDINARY_KINDS = {item: kind for kind, item in ORDINARY_ITEMS.items()}
_NOBODY: Mapping[str, int] = {}
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_values_of = msgspec.structs.astuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Result of one call: rows in order of arrival, one batch a kind.

    Parameters
    ----------
    repeats
        Equipment id and received time of every duplicate.
    gaps
        Ids of the equipment whose count of missing items changed, each once.
    service
        What ingest said of itself.
    """

    batches: tuple[ReadingBatch, ...]
    refusals: tuple[Refusal, ...]
    counts: DecodeCounts
    repeats: tuple[tuple[str, int], ...] = ()
    gaps: tuple[str, ...] = ()
    service: tuple[ServiceNotice, ...] = ()


class _Version(msgspec.Struct):
    version: int


class _State(msgspec.Struct):
    version: int
    devices: dict[str, DeviceMemory]
    vocabulary: list[str]
    broker_dropped: int
    frame_ns: int
    own_gap: OwnGap


class _DeviceRoute(NamedTuple):
    equipment_id: str
    kind: Kind
    slot: int
    stream: int
    read: Callable[[bytes], Any]


_Members = Mapping[Kind, Mapping[str, int]]
"""Slots of a gateway's devices, by kind and equipment id."""


class _GatewayRoute(NamedTuple):
    members: _Members


class Decoder:
    """Turns frames into batches; remembers per device clock, numbering and boot.

    Parameters
    ----------
    fleet
        Who may speak.
    """

    def __init__(self, fleet: Fleet, limits: DecodeLimits | None = None) -> None:
        self._limits = limits or DecodeLimits()
        self._general = General(fleet, self._limits, before=self._release, after=self._take_over)
        self._steady = {kind: Steady(kind) for kind in Kind}
        self._boots = Boots()
        self._readers = Readers(self._general.vocabulary.indices)
        self._broker_dropped = 0
        self._frame_ns = 0
        self.set_fleet(fleet)

    @property
    def devices(self) -> Mapping[str, DeviceMemory]:
        """What is remembered of each device that was heard, by its id; read it, and soon."""
        memories = self._general.devices
        for kind, steady in self._steady.items():
            ids = self._fleet.ids[kind]
            steady.write_all_back([memories.get(equipment_id) for equipment_id in ids])
        return memories

    def device(self, equipment_id: str) -> DeviceMemory:
        """What is remembered of one device that was heard; read it, and soon."""
        memory = self._general.devices[equipment_id]
        kind, slot = self._fleet.slots[equipment_id]
        if self._steady[kind].is_steady[slot]:
            self._steady[kind].write_back(slot, memory)
        return memory

    def set_fleet(self, fleet: Fleet) -> None:
        """Take over a changed registry; what is remembered of devices stays."""
        self._fleet = self._general.fleet = fleet
        # Topics of known devices only, so that nobody can fill it.
        self._routes: dict[str, _DeviceRoute | _GatewayRoute] = {}
        self._members: dict[str, dict[Kind, dict[str, int]]] = {}
        for kind, steady in self._steady.items():
            steady.grow(len(fleet.members(kind)))
            for slot, equipment in enumerate(fleet.members(kind)):
                if equipment.gateway_id:
                    members = self._members.setdefault(equipment.gateway_id, {})
                    members.setdefault(kind, {})[equipment.id] = slot

    def snapshot(self) -> bytes:
        """Everything remembered, as bytes."""
        texts = self._general.vocabulary.texts
        devices, gap = dict(self.devices), self._general.own_gap
        return msgspec.msgpack.encode(
            _State(_SNAPSHOT_VERSION, devices, texts, self._broker_dropped, self._frame_ns, gap)
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
        self._broker_dropped = state.broker_dropped
        self._frame_ns = state.frame_ns
        self._general.own_gap = state.own_gap
        self._general.devices = state.devices
        self._general.vocabulary = Vocabulary(state.vocabulary)
        self._readers = Readers(self._general.vocabulary.indices)
        self._routes = {}
        for equipment_id, memory in state.devices.items():
            kind, slot = self._fleet.slots[equipment_id]
            self._steady[kind].take_over(slot, memory, self._boots)

    def decode(self, frames: Sequence[Frame]) -> Decoded:
        """Decode the messages of frames; a device's fault never reaches another device."""
        work = Work()
        notices: list[ServiceNotice] = []
        # The one loop over readings in Python: everything behind it works on columns.
        for frame in frames:
            self._pass(frame, work)
            for index, message in enumerate(frame.messages):
                arrived = work.message(message, frame.position, index)
                if message.topic == service.TOPIC:
                    notices += self._notices(arrived, work)
                else:
                    self._message(arrived, work)
        self._settle(work)
        counts = work.counts
        counts.messages = len(work.usable)
        counts.decoded = sum(work.usable)
        counts.quarantined = counts.messages - counts.decoded
        vocabulary, ids = self._general.vocabulary, self._fleet.ids
        made = [builder.batch(ids[kind], vocabulary) for kind, builder in work.builders.items()]
        return Decoded(
            batches=tuple(batch for batch in made if batch is not None),
            refusals=tuple(sorted(work.refusals, key=lambda r: (r.position, r.index, r.item))),
            counts=counts,
            repeats=tuple(work.repeats),
            gaps=tuple(work.gaps),
            service=tuple(notices),
        )

    def _pass(self, frame: Frame, work: Work) -> None:
        """Notice that we were away before a frame."""
        came_ns = frame.messages[0].received_at_ns if frame.messages else frame.received_at_ns
        if self._frame_ns and came_ns - self._frame_ns > OWN_GAP_NS:
            self._settle(work)
            self._general.own_gap = OwnGap(self._frame_ns, came_ns)
        self._frame_ns = max(self._frame_ns, frame.received_at_ns)

    def _message(self, arrived: Arrived, work: Work) -> None:
        message = arrived.message
        route = self._routes.get(message.topic) or self._find_route(message.topic)
        if route is None or message.retain:
            self._general.message(arrived, work)
        elif isinstance(route, _DeviceRoute):
            self._device_message(route, arrived, work)
        else:
            self._gateway_message(route, arrived, work)

    def _find_route(self, topic: str) -> _DeviceRoute | _GatewayRoute | None:
        """Route of a topic on which steady items may come, ``None`` for any other."""
        parsed = topics.parse(topic)
        route: _DeviceRoute | _GatewayRoute | None = None
        if isinstance(parsed, topics.DeviceTopic):
            route = self._device_route(parsed)
        elif parsed is not None:
            members = self._members.get(parsed.gateway_id)
            route = _GatewayRoute(members) if members else None
        if route is not None:
            self._routes[topic] = route
        return route

    def _device_route(self, topic: topics.DeviceTopic) -> _DeviceRoute | None:
        kind, slot = self._fleet.slots.get(topic.equipment_id, (None, 0))
        if kind is not topic.kind or topic.stream not in _STEADY_STREAMS:
            return None
        read = self._readers.device[topic.kind]
        return _DeviceRoute(topic.equipment_id, topic.kind, slot, int(topic.stream), read)

    def _device_message(self, route: _DeviceRoute, arrived: Arrived, work: Work) -> None:
        found = _read(route.read, arrived.message.payload, self._limits.device_bytes_max)
        items = found if found.__class__ is list else (found,)
        heads = [] if found is None else self._heads(items, route.slot, route.stream, arrived)
        if not heads:
            self._general.message(arrived, work)
            return
        candidates = work.candidates_of(route.kind)
        for item, head in zip(items, heads, strict=True):
            candidates.add(head, _said(item, route.kind))
        work.counts.items += len(heads)

    def _heads(
        self, items: Sequence[Any], slot: int, stream: int, arrived: Arrived
    ) -> list[Candidate]:
        """Heads of a device's items; none when one of them is not for the steady path."""
        heads: list[Candidate] = []
        for place, item in enumerate(items):
            head = self._head(item, slot, stream, arrived.arrival(place))
            if head is None:
                return []
            heads.append(head)
        return heads

    def _head(
        self,
        item: Any,  # noqa: ANN401 - a made type
        slot: int,
        stream: int,
        arrival: int,
    ) -> Candidate | None:
        """Head of an item, ``None`` when it is not for the steady path."""
        boot = self._boots.numbers.get(item.boot)
        ts_ns = _exact_ns(item.ts)
        is_alive = stream == _ALIVE
        said = (item.v is None) is is_alive and item.online is (is_alive or None)
        if ts_ns is None or boot is None or not said:
            return None
        return Candidate(slot, ts_ns, item.seq, boot, stream, arrival)

    def _gateway_message(self, route: _GatewayRoute, arrived: Arrived, work: Work) -> None:
        payload, size_max = arrived.message.payload, self._limits.gateway_bytes_max
        ordinary = _read(self._readers.ordinary, payload, size_max)
        if ordinary is not None and self._ordinary_batch(ordinary, route.members, arrived, work):
            return
        items = _read(self._readers.gateway, payload, size_max)
        if items is None:
            self._general.message(arrived, work)
        else:
            self._mixed_batch(items, route.members, arrived, work)

    def _ordinary_batch(
        self, items: list[Any], members: _Members, arrived: Arrived, work: Work
    ) -> bool:
        """Take a batch of sampled items as columns; ``False`` when one is of no known member."""
        first, number_of = arrived.arrival(0), self._boots.numbers.get
        parts = []
        for type_, arrivals in _by_type(items, first).items():
            kind = _ORDINARY_KINDS[type_]
            chosen = items
            if len(arrivals) < len(items):
                chosen = [items[arrival - first] for arrival in arrivals]
            ids, streams, ts_ms, seqs, boots, said = zip(*map(_values_of, chosen), strict=True)
            slots = list(map(members.get(kind, _NOBODY).get, ids))
            numbers = list(map(number_of, boots))
            if None in slots or None in numbers:
                return False
            parts.append((kind, ids, slots, numbers, arrivals, streams, ts_ms, seqs, said))
        for kind, ids, slots, numbers, arrivals, streams, ts_ms, seqs, said in parts:
            ts_ns = [ms * _NS_PER_MS for ms in ts_ms]
            codes = map(_STREAM_NUMBERS.__getitem__, streams)
            heads = zip(slots, ts_ns, seqs, numbers, codes, arrivals, strict=True)
            work.candidates_of(kind).extend(len(ids), heads, map(_values_of, said))
        work.counts.items += len(items)
        return True

    def _mixed_batch(
        self, items: list[Any], members: _Members, arrived: Arrived, work: Work
    ) -> None:
        """Take what is for the steady path of a batch, and give the rest to the general one."""
        heads: list[Candidate | None] = []
        for place, item in enumerate(items):
            slot = members.get(_KIND_OF[item.__class__], _NOBODY).get(item.id)
            stream = _STREAM_NUMBERS.get(item.stream)
            coded = item.code is not None or item.codes is not None
            if slot is None or stream is None or coded:
                heads.append(None)
            else:
                heads.append(self._head(item, slot, stream, arrived.arrival(place)))
        # The items of one device in one message are judged together.
        odd = {item.id for item, head in zip(items, heads, strict=True) if head is None}
        for item, head in zip(items, heads, strict=True):
            if head is not None and item.id not in odd:
                kind = _KIND_OF[item.__class__]
                work.candidates_of(kind).add(head, _said(item, kind))
        work.counts.items += len(items)
        if odd:
            places = [place for place, item in enumerate(items) if item.id in odd]
            self._general.some_items(places, arrived, work)

    def _settle(self, work: Work) -> None:
        """Apply the candidates gathered so far; those that are not steady go the general path."""
        if not work.candidates:
            return
        candidates, work.candidates = work.candidates, {}
        received_ns = np.array(work.received, dtype=np.int64)
        others: dict[int, list[int]] = {}
        for kind, gathered in candidates.items():
            taken, left = self._steady[kind].settle(gathered, received_ns, self._general.own_gap)
            work.add_steady(kind, taken)
            for arrival in left.tolist():
                number, place = divmod(arrival, 1 << PLACE_BITS)
                others.setdefault(number, []).append(place)
        for number in sorted(others):
            self._general.some_items(sorted(others[number]), work.arrived[number], work)

    def _notices(self, arrived: Arrived, work: Work) -> list[ServiceNotice]:
        """What ingest says of itself, unless it is nothing new."""
        message = arrived.message
        try:
            event = service.event_of(message)
        except ValueError as error:
            work.refuse(arrived, -1, RefusalReason.BAD_ITEM, str(error))
            return []
        work.usable[arrived.number] = True
        count = event.count
        if event.kind is ServiceEventKind.BROKER_DROPPED:
            # A broker that started anew counts from zero again.
            known, self._broker_dropped = self._broker_dropped, count
            count -= known if count >= known else 0
            if not count:
                return []
        return [
            ServiceNotice(
                event=event,
                count=count,
                position=arrived.position,
                received_at_ns=message.received_at_ns,
            )
        ]

    def _release(self, source: Source, memory: DeviceMemory, work: Work) -> None:
        """Before the general path looks at an item: earlier ones of its device come first."""
        candidates = work.candidates.get(source.kind)
        if candidates is not None and candidates.hold(source.slot):
            self._settle(work)
        self._steady[source.kind].release(source.slot, memory)

    def _take_over(self, source: Source, memory: DeviceMemory) -> None:
        self._steady[source.kind].take_over(source.slot, memory, self._boots)


def _by_type(items: list[Any], first: int) -> Mapping[type, Sequence[int]]:
    """Arrivals of items that follow each other from ``first`` on, by type of item."""
    if len(set(map(type, items))) == 1:
        return {type(items[0]): range(first, first + len(items))}
    arrivals: dict[type, list[int]] = {}
    for arrival, type_ in enumerate(map(type, items), first):
        arrivals.setdefault(type_, []).append(arrival)
    return arrivals


def _said(item: Any, kind: Kind) -> tuple[float, ...]:  # noqa: ANN401 - a made type
    """Readings of an item, a column a channel."""
    return _NOTHING_SAID[kind] if item.v is None else _values_of(item.v)


def _read(read: Callable[[bytes], Any], payload: bytes, size_max: int) -> Any:  # noqa: ANN401 - a made type
    """Typed content of a payload, ``None`` when the general path must look at it."""
    if len(payload) > size_max:
        return None
    try:
        return read(payload)
    except _UNREADABLE:
        return None


def _exact_ns(ts: int | str) -> int | None:
    """Device time that needs no remark, else ``None``."""
    if isinstance(ts, int):
        return ts * _NS_PER_MS
    ts_ns, flags = iso_time(ts)
    return None if flags else ts_ns
