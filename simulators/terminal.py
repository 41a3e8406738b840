"""Terminals: what stands between a machine and the broker.

They number items, stamp them with their own clock, beat, and do to messages what real ones do:
fall silent, restart, delay, repeat, tell the wrong time, send sentinels.
"""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from domain.equipment import Kind
from domain.instants import NS_PER_MS, NS_PER_S, SHANGHAI, seconds, to_datetime, to_iso
from domain.readings import Stream
from ingest import topics
from simulators.clock import Clock
from simulators.outgoing import Outgoing

ALIVE_SPREAD = (0.8, 1.2)
"""Range of devices' heartbeat periods over the mean one; one server in the field used 20 s."""

LATENCY_MS = (20, 120)
"""Range of the constant network latency per device; constant, so that a network keeps order."""

SENTINEL_CHANNELS: Mapping[Kind, Mapping[str, float]] = {
    Kind.LIFT: {"cabin_temperature_c": -999.9, "load_kg": 32767},
    Kind.BOILER: {"flue_gas_temperature_c": -999.9, "feed_water_temperature_c": 65535},
    Kind.CRANE: {"wind_speed_mps": -999.9, "sway_deg": 32767},
    Kind.ESCALATOR: {"handrail_speed_left_mps": -999.9, "handrail_speed_right_mps": 32767},
    Kind.VESSEL: {"temperature_c": 32767},
}
"""What a broken sensor sends, on channels whose plausible range excludes it."""

_TIME_STYLES = 3
_ALIVE = Stream.ALIVE
_VALUE_STREAMS = (Stream.STATUS, Stream.TELEMETRY)


@dataclass(slots=True)
class Disturbance:
    """What happens to a device's messages on their way; shares are probabilities.

    Parameters
    ----------
    sensors
        What a faulty sensor makes of a channel's value.
    """

    delay_share: float = 0.0
    delay_s: float = 0.0
    repeat_share: float = 0.0
    repeat_s: float = 0.0
    loss_share: float = 0.0
    sentinels: bool = False
    sensors: dict[str, Callable[[float], float]] = field(default_factory=dict)


@dataclass(slots=True)
class Terminal:
    """State of one device's terminal."""

    equipment_id: str
    kind: Kind
    boot: str
    seq: int
    time_style: int
    latency_ns: int
    alive_period_ns: int
    next_alive_ns: int
    silent: bool = False
    clock_offset_ns: int = 0
    disturbance: Disturbance = field(default_factory=Disturbance)
    keep_next: bool = False
    kept: tuple[str, bytes] | None = None
    topics: tuple[str, ...] = ()

    @property
    def disturbed(self) -> bool:
        """Whether anything befalls its messages, or one of them is to be kept."""
        way = self.disturbance
        return bool(
            way.delay_share
            or way.repeat_share
            or way.loss_share
            or way.sentinels
            or way.sensors
            or self.clock_offset_ns
            or self.keep_next
        )


class Terminals:
    """Terminals of a whole world, and the messages on their way to the broker.

    Parameters
    ----------
    devices
        Kind and id of each device in world order.
    rng
        Decides boots, periods, latencies and disturbances.
    heartbeat_s
        Mean period of the heartbeat.

    Attributes
    ----------
    repeats
        Messages sent a second time on purpose.
    """

    def __init__(
        self,
        devices: Sequence[tuple[Kind, str]],
        clock: Clock,
        rng: np.random.Generator,
        *,
        heartbeat_s: float = 25.0,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._encoder = msgspec.json.Encoder()
        self._on_the_way: list[tuple[int, int, Outgoing]] = []
        self._count = 0
        self._told_ns = -1
        self._told_text: tuple[str | int, ...] = ()
        self.repeats = 0
        self.members = [
            self._new(kind, equipment_id, heartbeat_s) for kind, equipment_id in devices
        ]
        self._beats = [(clock.start_ns, device) for device in range(len(self.members))]

    def _new(self, kind: Kind, equipment_id: str, heartbeat_s: float) -> Terminal:
        low, high = (share * heartbeat_s for share in ALIVE_SPREAD)
        return Terminal(
            equipment_id=equipment_id,
            kind=kind,
            boot=self._new_boot(),
            seq=int(self._rng.integers(0, 1000)),
            time_style=int(self._rng.integers(_TIME_STYLES)),
            latency_ns=int(self._rng.integers(*LATENCY_MS)) * NS_PER_MS,
            alive_period_ns=round(self._rng.uniform(low, high)) * NS_PER_S,
            next_alive_ns=self._clock.start_ns,
            topics=_topics(kind, equipment_id),
        )

    def _new_boot(self) -> str:
        return f"{int(self._rng.integers(1 << 32)):08x}"

    def send(self, device: int, stream: Stream, body: Mapping[str, object]) -> None:
        """Publish one item of a device now, unless its terminal is silent."""
        terminal = self.members[device]
        if terminal.silent:
            return
        now_ns = self._clock.now_ns
        if terminal.disturbed or now_ns != self._told_ns:
            item = self._item(terminal, now_ns, body)
            self._publish(terminal, stream, self._encoder.encode(item))
            return
        # The hot path of a world: what `_item` and `_publish` come to for a terminal in order.
        seq = terminal.seq
        terminal.seq = seq + 1
        told = self._told_text[terminal.time_style]
        payload = self._encoder.encode({"ts": told, "seq": seq, "boot": terminal.boot, **body})
        at_ns = now_ns + terminal.latency_ns
        self._count += 1
        outgoing = Outgoing(at_ns, terminal.topics[stream], payload, stream is _ALIVE)
        self._on_the_way.append((at_ns, self._count, outgoing))

    def send_samples(
        self, device: int, stream: Stream, samples: Sequence[tuple[int, Mapping[str, object]]]
    ) -> None:
        """Publish items of several instants [ns] as one array, unless the terminal is silent."""
        terminal = self.members[device]
        if not terminal.silent:
            items = [self._item(terminal, at_ns, body) for at_ns, body in samples]
            self._publish(terminal, stream, self._encoder.encode(items))

    def _item(
        self, terminal: Terminal, at_ns: int, body: Mapping[str, object]
    ) -> Mapping[str, object]:
        disturbance = terminal.disturbance
        if disturbance.sentinels:
            body = _with_sentinels(terminal.kind, body)
        if disturbance.sensors:
            body = _as_sensed(disturbance.sensors, body)
        seq = terminal.seq
        terminal.seq = seq + 1
        told = self._told(terminal, at_ns)
        return {"ts": told, "seq": seq, "boot": terminal.boot, **body}

    def _publish(self, terminal: Terminal, stream: Stream, payload: bytes) -> None:
        topic = terminal.topics[stream]
        if terminal.keep_next and stream in _VALUE_STREAMS:
            terminal.kept = (topic, payload)
            terminal.keep_next = False
        at_ns = self._clock.now_ns + terminal.latency_ns
        disturbance = terminal.disturbance
        if disturbance.loss_share and self._rng.random() < disturbance.loss_share:
            return
        if disturbance.delay_share and self._rng.random() < disturbance.delay_share:
            at_ns += seconds(self._rng.uniform(0.0, disturbance.delay_s))
        retain = stream is _ALIVE
        self._put(at_ns, topic, payload, retain=retain)
        if disturbance.repeat_share and self._rng.random() < disturbance.repeat_share:
            self.repeats += 1
            later_ns = at_ns + seconds(self._rng.uniform(0.0, disturbance.repeat_s))
            self._put(later_ns, topic, payload, retain=retain)

    def _told(self, terminal: Terminal, at_ns: int) -> str | int:
        """Device time in the device's form; devices of one step mostly share the text."""
        if terminal.clock_offset_ns:
            return _device_time(terminal.time_style, at_ns + terminal.clock_offset_ns)
        if at_ns != self._told_ns:
            self._told_ns = at_ns
            self._told_text = tuple(_device_time(style, at_ns) for style in range(_TIME_STYLES))
        return self._told_text[terminal.time_style]

    def beat(self) -> None:
        """Send the heartbeats that are due."""
        now_ns = self._clock.now_ns
        while self._beats and self._beats[0][0] <= now_ns:
            due_ns, device = heapq.heappop(self._beats)
            terminal = self.members[device]
            if due_ns != terminal.next_alive_ns:
                continue
            self.send(device, _ALIVE, {"online": True})
            self.beat_at(device, now_ns + terminal.alive_period_ns)

    def beat_at(self, device: int, instant_ns: int) -> None:
        """Set the instant of a device's next heartbeat."""
        self.members[device].next_alive_ns = instant_ns
        heapq.heappush(self._beats, (instant_ns, device))

    def will(self, device: int) -> None:
        """Publish what a broker does for a device that it lost."""
        terminal = self.members[device]
        self._put(self._clock.now_ns, terminal.topics[_ALIVE], b'{"online": false}', retain=True)

    def restart(self, device: int) -> None:
        """Begin a new boot with another sequence."""
        terminal = self.members[device]
        terminal.boot = self._new_boot()
        terminal.seq = int(self._rng.integers(0, 1000))
        self.beat_at(device, self._clock.now_ns)

    def send_kept(self, device: int) -> None:
        """Deliver the message kept by ``keep_next`` once more, marked retained."""
        terminal = self.members[device]
        if terminal.kept is not None:
            topic, payload = terminal.kept
            self.repeats += 1
            self._put(self._clock.now_ns + terminal.latency_ns, topic, payload, retain=True)

    def drain(self, until_ns: int) -> list[Outgoing]:
        """Messages that reach the broker up to ``until_ns``, in order; each is given once."""
        way = self._on_the_way
        if not way:
            return []
        way.sort()
        split = bisect_right(way, until_ns, key=_arrival)
        self._on_the_way = way[split:]
        return [outgoing for _, _, outgoing in way[:split]]

    def _put(self, at_ns: int, topic: str, payload: bytes, *, retain: bool) -> None:
        self._count += 1
        self._on_the_way.append((at_ns, self._count, Outgoing(at_ns, topic, payload, retain)))


def _topics(kind: Kind, equipment_id: str) -> tuple[str, ...]:
    """Topics with their stream as the index."""
    return tuple(topics.device(kind, equipment_id, stream) for stream in sorted(Stream))


def _arrival(sent: tuple[int, int, Outgoing]) -> int:
    return sent[0]


def _device_time(style: int, instant_ns: int) -> str | int:
    if style == 0:
        return to_iso(instant_ns)
    if style == 1:
        return to_datetime(instant_ns).astimezone(SHANGHAI).isoformat(timespec="milliseconds")
    return instant_ns // NS_PER_MS


def _as_sensed(
    sensors: Mapping[str, Callable[[float], float]], body: Mapping[str, object]
) -> Mapping[str, object]:
    values = body.get("v")
    if not isinstance(values, dict):
        return body
    sensed = {
        name: sense(value)
        for name, sense in sensors.items()
        if isinstance(value := values.get(name), int | float)
    }
    return {**body, "v": {**values, **sensed}}


def _with_sentinels(kind: Kind, body: Mapping[str, object]) -> Mapping[str, object]:
    values = body.get("v")
    if not isinstance(values, dict):
        return body
    broken = {name: value for name, value in SENTINEL_CHANNELS[kind].items() if name in values}
    return {**body, "v": {**values, **broken}}
