"""Load of known content: every item, every incident and every acknowledgement can be counted.

A plan is arithmetic: message number to device, sequence number and instant, so that a check knows
what must be stored without keeping what was sent. It is meant to be cheap, not lifelike; lifelike
districts are in `simulators.world`.
"""

import itertools
import threading
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from domain.equipment import Equipment, Kind
from domain.errors import EquipwatchError, UsageError
from domain.incidents import IncidentKind
from domain.instants import NS_PER_MS, NS_PER_S
from domain.readings import Stream
from ingest import topics
from simulators.outgoing import Outgoing
from simulators.publisher import BrokerAddress, Publisher, PublishLimits, PublishReport

BOOT = "load"
"""Boot of every device: one start, so a sequence number names one item."""

ITEMS_PER_DEVICE_MIN = 10
"""Fewest items of a device, or an overload could not be told from a spike."""

OVERLOAD_T, LOAD_T, RATED_T = 12.5, 4.0, 10.0

_KINDS = (*[Kind.LIFT] * 7, Kind.CRANE, Kind.CRANE, Kind.BOILER)
_NO_ITEM = 1 << 62
_VALUES: Mapping[Kind, str] = {
    Kind.LIFT: '"service_mode":1,"car_status":0,"door_zone":true,"speed_mps":0,"trips":%d',
    Kind.CRANE: '"hook_load_t":%s,"radius_m":12.5,"hook_height_m":5.25,"trolley_position_m":%d',
    Kind.BOILER: '"steam_pressure_mpa":0.71,"water_level_mm":12,"steam_flow_tph":%d',
}


@dataclass(slots=True)
class LoadMessage(Outgoing):
    """A message of a plan.

    Parameters
    ----------
    number
        Its place in the plan, from 0.
    user
        Login that publishes it.
    """

    number: int = -1
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """What is sent: devices in turn, or gateways in turn with batches of their devices' items.

    Parameters
    ----------
    devices
        Seven in ten are lifts, two cranes, one a boiler.
    items
        Items of all devices; with gateways rounded up to full batches.
    rate_per_s
        Items of all devices per second.
    gateways
        0 = each device publishes its own items, one a message.
    items_per_batch
        Items of one gateway message; the contract allows 500.
    alarms, overloads
        Lifts whose alarm button is pressed once, and cranes that lift too much from some item on;
        as many as there are lifts and cranes at most.

    Raises
    ------
    UsageError
        If a device would send fewer items than `ITEMS_PER_DEVICE_MIN`.
    """

    devices: int
    items: int
    rate_per_s: float
    seed: int = 1
    gateways: int = 0
    items_per_batch: int = 80
    alarms: int = 20
    overloads: int = 10

    def __post_init__(self) -> None:
        if self.items < self.devices * ITEMS_PER_DEVICE_MIN:
            raise UsageError(
                f"{self.devices} devices need at least {self.devices * ITEMS_PER_DEVICE_MIN} items"
            )
        if self.gateways > self.devices:
            raise UsageError("there cannot be more gateways than devices")

    @property
    def items_per_message(self) -> int:
        """Items of one message."""
        return self.items_per_batch if self.gateways else 1

    @property
    def messages(self) -> int:
        """Messages of the whole plan."""
        return -(-self.items // self.items_per_message)

    @property
    def duration_s(self) -> float:
        """Time the plan takes at its rate."""
        return self.messages * self.items_per_message / self.rate_per_s

    @cached_property
    def equipment(self) -> tuple[Equipment, ...]:
        """The registry, in device order."""
        return tuple(self._equipment(device) for device in range(self.devices))

    @cached_property
    def alarmed(self) -> Mapping[int, int]:
        """Devices whose alarm button is pressed, and the sequence number of that item."""
        return self._drawn(Kind.LIFT, self.alarms, stream=1)

    @cached_property
    def overloaded(self) -> Mapping[int, int]:
        """Cranes that lift too much, and the sequence number from which on."""
        return self._drawn(Kind.CRANE, self.overloads, stream=2)

    def expected(self) -> tuple[tuple[str, IncidentKind], ...]:
        """Incidents that must be opened, each exactly once: equipment and kind, sorted."""
        of_alarms = [(self.equipment[d].id, IncidentKind.ALARM_BUTTON) for d in self.alarmed]
        of_loads = [(self.equipment[d].id, IncidentKind.OVERLOAD) for d in self.overloaded]
        return tuple(sorted(of_alarms + of_loads))

    def outgoing(self, start_ns: int, *, endless: bool = False) -> Iterator[LoadMessage]:
        """Messages in order, message 0 due at ``start_ns``; ``endless`` goes on in the same way."""
        for number in itertools.count() if endless else range(self.messages):
            yield self.message(number, start_ns)

    def message(self, number: int, start_ns: int) -> LoadMessage:
        """One message of the plan."""
        at_ns = start_ns + int(number * self.items_per_message * NS_PER_S / self.rate_per_s)
        if self.gateways:
            return self._batch(number, at_ns)
        turn, device = divmod(number, self.devices)
        stream, body = self._body(device, turn + 1, at_ns // NS_PER_MS)
        topic = self._topics[device][stream]
        return LoadMessage(at_ns, topic, f"{{{body}}}".encode(), False, number, self._ids[device])

    def identities(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Device and sequence number of every item of some messages, in their order."""
        if not self.gateways:
            return numbers % self.devices, numbers // self.devices + 1
        gateway = np.repeat(numbers % self.gateways, self.items_per_batch)
        place = (numbers // self.gateways * self.items_per_batch)[:, None]
        place = (place + np.arange(self.items_per_batch)).reshape(-1)
        members = self._members(gateway)
        return gateway + self.gateways * (place % members), place // members + 1

    def _members(self, gateway: NDArray[np.int64]) -> NDArray[np.int64]:
        """Devices behind each gateway: those whose number leaves it as remainder."""
        return (self.devices - 1 - gateway) // self.gateways + 1

    @cached_property
    def _ids(self) -> tuple[str, ...]:
        return tuple(f"{self._kind(d).value[0].upper()}{d:05d}" for d in range(self.devices))

    @cached_property
    def _topics(self) -> list[dict[Stream, str]]:
        return [
            {s: topics.device(e.kind, e.id, s) for s in (_sampled(e.kind), Stream.EVENT)}
            for e in self.equipment
        ]

    def _kind(self, device: int) -> Kind:
        return _KINDS[device % len(_KINDS)]

    def _equipment(self, device: int) -> Equipment:
        kind = self._kind(device)
        return Equipment(
            id=self._ids[device],
            kind=kind,
            gateway_id=f"G{device % self.gateways:03d}" if self.gateways else "",
            rated_load_t=RATED_T if kind is Kind.CRANE else None,
            rated_pressure_mpa=1.0 if kind is Kind.BOILER else None,
        )

    def _drawn(self, kind: Kind, count: int, stream: int) -> Mapping[int, int]:
        """Devices of a kind with a sequence number between 10 and 80 % of what each sends."""
        rng = np.random.default_rng((self.seed, stream))
        devices = np.array([d for d in range(self.devices) if self._kind(d) is kind])
        chosen = rng.permutation(devices)[:count]
        seqs = self.messages * self.items_per_message // self.devices
        at = rng.integers(seqs // 10 + 1, seqs * 8 // 10 + 1, len(chosen))
        return dict(zip(chosen.tolist(), at.tolist(), strict=True))

    def _body(self, device: int, seq: int, at_ms: int) -> tuple[Stream, str]:
        head = f'"ts":{at_ms},"seq":{seq},"boot":"{BOOT}"'
        if self.alarmed.get(device) == seq:
            return Stream.EVENT, f'{head},"code":"90"'
        kind = self._kind(device)
        if kind is Kind.CRANE:
            load = OVERLOAD_T if seq >= self.overloaded.get(device, _NO_ITEM) else LOAD_T
            values = _VALUES[kind] % (load, seq % 9)
        else:
            values = _VALUES[kind] % (seq % 9)
        return _sampled(kind), f'{head},"v":{{{values}}}'

    def _batch(self, number: int, at_ns: int) -> LoadMessage:
        """Batch whose items were sampled evenly since the gateway's last one."""
        span_ms = self.gateways * self.items_per_batch / self.rate_per_s * 1_000
        devices, seqs = self.identities(np.array([number]))
        items = []
        for k, (device, seq) in enumerate(zip(devices.tolist(), seqs.tolist(), strict=True)):
            back_ms = int((self.items_per_batch - 1 - k) * span_ms / self.items_per_batch)
            stream, body = self._body(device, seq, at_ns // NS_PER_MS - back_ms)
            items.append(
                f'{{"kind":"{self._kind(device)}","id":"{self._ids[device]}",'
                f'"stream":"{stream.name.lower()}",{body}}}'
            )
        gateway = f"G{number % self.gateways:03d}"
        payload = f"[{','.join(items)}]".encode()
        return LoadMessage(at_ns, topics.gateway(gateway), payload, False, number, gateway)


def _sampled(kind: Kind) -> Stream:
    return Stream.STATUS if kind is Kind.LIFT else Stream.TELEMETRY


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load came to.

    Parameters
    ----------
    offered
        Messages handed to the connections.
    acknowledged
        Messages whose PUBACK came.
    latency_p50_s, latency_p99_s, latency_max_s
        From the first sending of a message to its PUBACK, reconnects included.
    """

    offered: int
    acknowledged: int
    latency_p50_s: float
    latency_p99_s: float
    latency_max_s: float
    publishing: PublishReport


@dataclass(kw_only=True, eq=False)
class LoadPublisher:
    """Sends a plan in a thread of its own, one connection a login, as terminals do.

    What is not acknowledged is sent again after a reconnect with the same bytes. At
    ``limits.outstanding`` unacknowledged messages the plan waits; its instants do not, so what is
    sent afterwards is as old as what a terminal had buffered.

    Parameters
    ----------
    passwords
        Password by equipment or gateway id.
    paced
        ``False`` sends as fast as the broker acknowledges.
    endless
        Go on after the plan's last message until `stop`; such a message holds no new incident.
    """

    plan: LoadPlan
    address: BrokerAddress
    passwords: Mapping[str, str]
    limits: PublishLimits = field(default_factory=PublishLimits)
    paced: bool = True
    endless: bool = False
    offered: int = 0
    acknowledged: int = 0

    def __post_init__(self) -> None:
        self._done = bytearray(self.plan.messages)
        self._start_ns = 0
        self._latency_s = array("f")
        self._stop = threading.Event()
        self._failure: EquipwatchError | None = None
        self._report: PublishReport | None = None
        self._publisher = Publisher(
            self.address,
            self.passwords,
            limits=self.limits,
            on_acknowledged=self._on_acknowledged,
        )
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self, start_ns: int) -> None:
        """Begin; message 0 carries this instant."""
        self._start_ns = start_ns
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether messages are still to be sent or acknowledged."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Take no further message; what was taken is still delivered within ``drain_s``."""
        self._stop.set()

    def finish(self) -> LoadReport:
        """Wait for the end and report; bounded by the plan's duration and the limits.

        Raises
        ------
        EquipwatchError
            What ended the publishing early.
        """
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self.report()

    def report(self) -> LoadReport:
        """Figures so far."""
        latency_s = np.array(self._latency_s, dtype=np.float64)
        p50, p99, longest = (
            np.quantile(latency_s, (0.5, 0.99, 1.0)).tolist() if len(latency_s) else (0.0, 0.0, 0.0)
        )
        return LoadReport(
            offered=self.offered,
            acknowledged=self.acknowledged,
            latency_p50_s=p50,
            latency_p99_s=p99,
            latency_max_s=longest,
            publishing=self._report or self._publisher.report(),
        )

    def accepted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Device and sequence number of every item in an acknowledged message."""
        numbers = np.flatnonzero(np.frombuffer(bytes(self._done), dtype=np.uint8))
        return self.plan.identities(numbers.astype(np.int64))

    def _run(self) -> None:
        try:
            self._report = self._publisher.run(
                self._counted(),
                start_ns=self._start_ns,
                speed=1.0 if self.paced else None,
                stop=self._stop,
            )
        except EquipwatchError as error:
            self._failure = error

    def _counted(self) -> Iterator[LoadMessage]:
        for message in self.plan.outgoing(self._start_ns, endless=self.endless):
            if message.number >= len(self._done):
                self._done.append(0)
            yield message
            # Only now was it handed over: the publisher looks one message ahead.
            self.offered = message.number + 1

    def _on_acknowledged(self, outgoing: Outgoing, latency_s: float) -> None:
        if isinstance(outgoing, LoadMessage):
            self._done[outgoing.number] = 1
            self.acknowledged += 1
            self._latency_s.append(latency_s)
