"""The messages of a benchmark: a plan of `simulators.load`, sent by one cheap process.

One connection with a login of its own speaks for all devices: thousands of connections would cost
the machine more than what is measured. Nothing else differs from what devices send.
"""

import multiprocessing
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from domain.errors import DependencyError
from domain.instants import seconds
from ingest import topics
from ingest.broker import Login
from runtime.bench.bare import Address, client_of
from runtime.supervisor import die_with_parent
from simulators.load import ITEMS_PER_DEVICE_MIN, LoadPlan

PUBLISHER_USER = "equipwatch.bench"
"""Login that may publish for every device of the benchmark's own broker."""

OUTSTANDING_MAX = 5_000
"""Messages not acknowledged by the broker at which the publisher waits."""

ITEMS_PER_BATCH = 80

_TURN_S = 0.005
_CONNECT_TIMEOUT_S = 20.0
_DRAIN_S = 60.0
_KEEPALIVE_S = 60
_ALARM = b'"code":"90"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is offered.

    Parameters
    ----------
    name
        ``single`` or ``batch``.
    devices
        Most devices; fewer when a run is too short for all of them.
    items_per_s
        Of all devices together.
    gateways
        0 = one item a message.
    """

    name: str
    devices: int
    items_per_s: float
    gateways: int = 0

    @property
    def messages_per_s(self) -> float:
        """Messages a second that shall be sent."""
        return self.items_per_s / ITEMS_PER_BATCH if self.gateways else self.items_per_s

    def plan(self, duration_s: float, *, alarms: int) -> LoadPlan:
        """Plan of a run of this length."""
        items = int(self.items_per_s * duration_s)
        devices = max(1, min(self.devices, items // ITEMS_PER_DEVICE_MIN))
        return LoadPlan(
            devices=devices,
            items=max(items, devices * ITEMS_PER_DEVICE_MIN),
            rate_per_s=self.items_per_s,
            gateways=min(self.gateways, devices),
            items_per_batch=ITEMS_PER_BATCH,
            alarms=alarms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the publisher did.

    Parameters
    ----------
    messages, items
        Acknowledged by the broker.
    messages_per_s
        From the first to the last message.
    alarms_ns
        Instant at which the message with a device's alarm was handed to the connection.
    """

    messages: int
    items: int
    messages_per_s: float
    alarms_ns: Mapping[str, int]


def publisher_login(password: str) -> Login:
    """Login of the publisher."""
    return Login(username=PUBLISHER_USER, password=password, publish=(f"{topics.ROOT}/#",))


class LoadProcess:
    """A process that sends one plan.

    Parameters
    ----------
    paced
        ``False`` sends as fast as the broker takes it, as if buffered over the plan's duration
        until now.
    """

    def __init__(self, plan: LoadPlan, address: Address, *, paced: bool) -> None:
        self._plan = plan
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_send, args=(plan, address, theirs, paced))
        self._process.start()
        theirs.close()

    def go(self) -> None:
        """Begin to send as soon as it is connected."""
        self._receive(_CONNECT_TIMEOUT_S)
        self._pipe.send(None)

    def finish(self) -> Sent:
        """Wait until all is acknowledged."""
        sent: Sent = self._receive(self._plan.duration_s * 2 + _DRAIN_S)
        self._process.join()
        return sent

    def close(self) -> None:
        """End the process if it still runs."""
        self._process.terminate()
        self._process.join()
        self._pipe.close()

    def _receive(self, timeout_s: float) -> Any:  # noqa: ANN401 - what a pipe holds
        if not self._pipe.poll(timeout_s):
            raise DependencyError(f"the publisher did not finish within {timeout_s:g} s")
        try:
            return self._pipe.recv()
        except EOFError as error:
            raise DependencyError("the publisher ended by itself") from error


def _send(plan: LoadPlan, address: Address, pipe: Connection, paced: bool) -> None:
    """Body of the process."""
    die_with_parent()
    sender = _Sender(plan, address)
    # The first message builds the plan's tables.
    plan.message(0, 0)
    pipe.send(None)
    pipe.recv()
    pipe.send(sender.run(paced=paced))


class _Sender:
    def __init__(self, plan: LoadPlan, address: Address) -> None:
        self._plan = plan
        self._acknowledged = 0
        self._alarms: dict[int, int] = {}
        connected = threading.Event()
        self._client = client = client_of(address, manual_ack=False)
        # paho would keep what exceeds its window in a second queue.
        client.max_inflight_messages_set(OUTSTANDING_MAX)
        client.on_connect = lambda *_: connected.set()
        client.on_publish = self._on_publish
        host, port = address.endpoint()
        client.connect(host, port, _KEEPALIVE_S)
        client.loop_start()
        if not connected.wait(_CONNECT_TIMEOUT_S):
            raise DependencyError("the broker does not let the publisher in")

    def run(self, *, paced: bool) -> Sent:
        """Send everything, wait for the acknowledgements and disconnect."""
        plan = self._plan
        start_ns = time.time_ns() - (0 if paced else seconds(plan.duration_s))
        begin_s = last_s = time.monotonic()
        sent = 0
        while sent < plan.messages:
            due = self._due(last_s - begin_s) if paced else plan.messages
            for number in range(sent, min(due, self._acknowledged + OUTSTANDING_MAX)):
                self._publish(number, start_ns)
                sent = number + 1
            time.sleep(_TURN_S)
            last_s = time.monotonic()
        self._drain()
        return Sent(
            messages=self._acknowledged,
            items=self._acknowledged * plan.items_per_message,
            messages_per_s=sent / (last_s - begin_s),
            alarms_ns=self._by_device(),
        )

    def _due(self, elapsed_s: float) -> int:
        """Messages that should have been sent by now."""
        plan = self._plan
        return min(int(elapsed_s * plan.rate_per_s / plan.items_per_message) + 1, plan.messages)

    def _publish(self, number: int, start_ns: int) -> None:
        message = self._plan.message(number, start_ns)
        if _ALARM in message.payload:
            self._alarms[number] = time.time_ns()
        self._client.publish(message.topic, message.payload, qos=1)

    def _on_publish(self, *_: object) -> None:
        self._acknowledged += 1

    def _drain(self) -> None:
        deadline_s = time.monotonic() + _DRAIN_S
        while self._acknowledged < self._plan.messages and time.monotonic() < deadline_s:
            time.sleep(_TURN_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _by_device(self) -> dict[str, int]:
        """Instants of the alarms by equipment: a batch may hold several."""
        plan, instants = self._plan, {}
        for number, sent_ns in self._alarms.items():
            devices, seqs = plan.identities(np.array([number]))
            for device, seq in zip(devices.tolist(), seqs.tolist(), strict=True):
                if plan.alarmed.get(device) == seq:
                    instants[plan.equipment[device].id] = sent_ns
        return instants
