"""Terminals: what stands between a machine and the broker.

They number items, stamp them with their own clock, beat, and do to messages what real ones do:
fall silent, restart, delay, repeat, tell the wrong time, send sentinels.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from domain.equipment import Kind
from domain.instants import NS_PER_MS, NS_PER_S, SHANGHAI, seconds, to_datetime, to_iso
from domain.readings import Stream
from ingest import topics
from simulators.clock import Clock
from simulators.outgoing import Outgoing

ALIVE_PERIOD_S = (20.0, 30.0)
"""Range of heartbeat periods; one server in the field used 20 s."""

LATENCY_MS = (20, 120)
"""Range of the constant network latency per device; constant, so that a network keeps order."""

SENTINEL_CHANNELS: Mapping[Kind, Mapping[str, float]] = {
    Kind.LIFT: {"cabin_temperature_c": -999.9, "load_kg": 32767},
    Kind.BOILER: {"flue_gas_temperature_c": -999.9, "feed_water_temperature_c": 65535},
    Kind.CRANE: {"wind_speed_mps": -999.9, "sway_deg": 32767},
}
"""What a broken sensor sends, on channels whose plausible range excludes it."""

_TIME_STYLES = 3


@dataclass(slots=True)
class Disturbance:
    """What happens to a device's messages on their way; shares are probabilities."""

    delay_share: float = 0.0
    delay_s: float = 0.0
    repeat_share: float = 0.0
    repeat_s: float = 0.0
    sentinels: bool = False


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
    topics: dict[Stream, str] = field(default_factory=dict)


class Terminals:
    """Terminals of a whole world, and the messages on their way to the broker.

    Parameters
    ----------
    devices
        Kind and id of each device in world order.
    rng
        Decides boots, periods, latencies and disturbances.

    Attributes
    ----------
    repeats
        Messages sent a second time on purpose.
    """

    def __init__(
        self, devices: Sequence[tuple[Kind, str]], clock: Clock, rng: np.random.Generator
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._encoder = msgspec.json.Encoder()
        self._on_the_way: list[tuple[int, int, Outgoing]] = []
        self._count = 0
        self.repeats = 0
        self.members = [self._new(kind, equipment_id) for kind, equipment_id in devices]

    def _new(self, kind: Kind, equipment_id: str) -> Terminal:
        low, high = ALIVE_PERIOD_S
        return Terminal(
            equipment_id=equipment_id,
            kind=kind,
            boot=self._new_boot(),
            seq=int(self._rng.integers(0, 1000)),
            time_style=int(self._rng.integers(_TIME_STYLES)),
            latency_ns=int(self._rng.integers(*LATENCY_MS)) * NS_PER_MS,
            alive_period_ns=round(self._rng.uniform(low, high)) * NS_PER_S,
            next_alive_ns=self._clock.start_ns,
            topics={stream: topics.device(kind, equipment_id, stream) for stream in Stream},
        )

    def _new_boot(self) -> str:
        return f"{int(self._rng.integers(1 << 32)):08x}"

    def send(self, device: int, stream: Stream, body: Mapping[str, object]) -> None:
        """Publish one item of a device now, unless its terminal is silent."""
        terminal = self.members[device]
        if terminal.silent:
            return
        if terminal.disturbance.sentinels:
            body = _with_sentinels(terminal.kind, body)
        item = {
            "ts": _device_time(terminal, self._clock.now_ns),
            "seq": terminal.seq,
            "boot": terminal.boot,
            **body,
        }
        terminal.seq += 1
        payload = self._encoder.encode(item)
        topic = terminal.topics[stream]
        if terminal.keep_next and stream in (Stream.STATUS, Stream.TELEMETRY):
            terminal.kept = (topic, payload)
            terminal.keep_next = False
        self._dispatch(terminal, topic, payload, retain=stream is Stream.ALIVE)

    def beat(self) -> None:
        """Send the heartbeats that are due."""
        now_ns = self._clock.now_ns
        for device, terminal in enumerate(self.members):
            if now_ns >= terminal.next_alive_ns:
                self.send(device, Stream.ALIVE, {"online": True})
                terminal.next_alive_ns = now_ns + terminal.alive_period_ns

    def will(self, device: int) -> None:
        """Publish what a broker does for a device that it lost."""
        terminal = self.members[device]
        self._put(
            self._clock.now_ns, terminal.topics[Stream.ALIVE], b'{"online": false}', retain=True
        )

    def restart(self, device: int) -> None:
        """Begin a new boot with another sequence."""
        terminal = self.members[device]
        terminal.boot = self._new_boot()
        terminal.seq = int(self._rng.integers(0, 1000))
        terminal.next_alive_ns = self._clock.now_ns

    def send_kept(self, device: int) -> None:
        """Deliver the message kept by ``keep_next`` once more, marked retained."""
        terminal = self.members[device]
        if terminal.kept is not None:
            topic, payload = terminal.kept
            self.repeats += 1
            self._put(self._clock.now_ns + terminal.latency_ns, topic, payload, retain=True)

    def drain(self, until_ns: int) -> list[Outgoing]:
        """Messages that reach the broker up to ``until_ns``, in order; each is given once."""
        arrived: list[Outgoing] = []
        while self._on_the_way and self._on_the_way[0][0] <= until_ns:
            arrived.append(heapq.heappop(self._on_the_way)[2])
        return arrived

    def _dispatch(self, terminal: Terminal, topic: str, payload: bytes, *, retain: bool) -> None:
        at_ns = self._clock.now_ns + terminal.latency_ns
        disturbance = terminal.disturbance
        if disturbance.delay_share and self._rng.random() < disturbance.delay_share:
            at_ns += seconds(self._rng.uniform(0.0, disturbance.delay_s))
        self._put(at_ns, topic, payload, retain=retain)
        if disturbance.repeat_share and self._rng.random() < disturbance.repeat_share:
            self.repeats += 1
            later_ns = at_ns + seconds(self._rng.uniform(0.0, disturbance.repeat_s))
            self._put(later_ns, topic, payload, retain=retain)

    def _put(self, at_ns: int, topic: str, payload: bytes, *, retain: bool) -> None:
        self._count += 1
        outgoing = Outgoing(at_ns, topic, payload, retain)
        heapq.heappush(self._on_the_way, (at_ns, self._count, outgoing))


def _device_time(terminal: Terminal, now_ns: int) -> str | int:
    instant_ns = now_ns + terminal.clock_offset_ns
    if terminal.time_style == 0:
        return to_iso(instant_ns)
    if terminal.time_style == 1:
        return to_datetime(instant_ns).astimezone(SHANGHAI).isoformat(timespec="milliseconds")
    return instant_ns // NS_PER_MS


def _with_sentinels(kind: Kind, body: Mapping[str, object]) -> Mapping[str, object]:
    values = body.get("v")
    if not isinstance(values, dict):
        return body
    broken = {name: value for name, value in SENTINEL_CHANNELS[kind].items() if name in values}
    return {**body, "v": {**values, **broken}}
