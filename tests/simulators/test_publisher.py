"""The publisher against a real mosquitto."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from domain.errors import DependencyError, UsageError
from domain.instants import NS_PER_S
from simulators import publisher as publisher_module
from simulators.outgoing import Outgoing
from simulators.publisher import BrokerAddress, Publisher, PublishLimits
from simulators.scenario import FleetSize, Scenario
from simulators.world import World
from tests.support.simulator_broker import MOSQUITTO, free_port, mosquitto, write_config

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed"),
]

START_NS = 1_764_000_000 * NS_PER_S
WATCHER = "watcher"
PASSWORDS = {f"lift-{n:04d}": f"word-{n}" for n in range(1, 21)} | {WATCHER: "see"}
WAIT_S = 10.0


class Listener:
    """Collects everything that is published, like ingest would."""

    def __init__(self, port: int, *, login: bool = True) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=WATCHER)
        if login:
            self._client.username_pw_set(WATCHER, PASSWORDS[WATCHER])
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._keep
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(WAIT_S)

    def _subscribe(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe("ew/#", qos=1)

    def _subscribed(self, *_: Any) -> None:
        self._ready.set()

    def _keep(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.messages.append((message.topic, bytes(message.payload), message.retain))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert condition()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    with mosquitto(write_config(tmp_path, port, PASSWORDS), port):
        yield port


def lift_world(lifts: int) -> World:
    scenario = Scenario(name="plain", duration_s=60.0, fleet=FleetSize(lifts=lifts))
    return World(scenario, 5, START_NS)


def test_every_message_of_every_device_arrives_with_its_own_login(port: int) -> None:
    listener = Listener(port)
    sent = list(lift_world(20).outgoing())
    publisher = Publisher(BrokerAddress(port=port), PASSWORDS)
    report = publisher.run(sent, start_ns=START_NS, speed=None)
    wait_until(lambda: len(listener.messages) >= len(sent))
    listener.close()
    assert report.published == report.acknowledged == len(sent)
    assert report.failed == 0
    assert sum(report.by_stream.values()) == len(sent)
    assert sorted(m[:2] for m in listener.messages) == sorted((o.topic, o.payload) for o in sent)
    # A clean end publishes no last will.
    assert not any(
        b"false}" in payload for topic, payload, _ in listener.messages if "alive" in topic
    )


def test_order_of_a_device_survives(port: int) -> None:
    listener = Listener(port)
    sent = [
        Outgoing(START_NS, "ew/v1/lift/lift-0001/status", f'{{"seq":{n}}}'.encode())
        for n in range(500)
    ]
    Publisher(BrokerAddress(port=port), PASSWORDS).run(sent, start_ns=START_NS, speed=None)
    wait_until(lambda: len(listener.messages) == len(sent))
    listener.close()
    assert [json.loads(m[1])["seq"] for m in listener.messages] == list(range(500))


def test_messages_go_out_when_they_are_due(port: int) -> None:
    sent = [
        Outgoing(START_NS + n * NS_PER_S, "ew/v1/lift/lift-0001/status", b"{}") for n in range(5)
    ]
    publisher = Publisher(BrokerAddress(port=port), PASSWORDS)
    report = publisher.run(sent, start_ns=START_NS, speed=10.0)
    assert 0.4 <= report.duration_s < 3.0
    assert report.published == 5


def test_a_stop_and_a_time_limit_end_the_run(port: int) -> None:
    def endless() -> Iterator[Outgoing]:
        number = 0
        while True:
            number += 1
            at_ns = START_NS + number * NS_PER_S // 100
            yield Outgoing(at_ns, "ew/v1/lift/lift-0001/status", b"{}")

    publisher = Publisher(BrokerAddress(port=port), PASSWORDS)
    report = publisher.run(endless(), start_ns=START_NS, duration_s=0.5)
    assert 10 <= report.published <= 60
    assert report.failed == 0
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    report = Publisher(BrokerAddress(port=port), PASSWORDS).run(
        endless(), start_ns=START_NS, stop=stop
    )
    assert report.duration_s < 5.0
    assert report.failed == 0


def test_a_wrong_password_is_reported_and_stops_nobody_else(port: int) -> None:
    passwords = PASSWORDS | {"lift-0002": "wrong"}
    limits = PublishLimits(refusals=2, backoff_first_s=0.05, drain_s=5.0)
    sent = [Outgoing(START_NS, f"ew/v1/lift/lift-{n:04d}/status", b"{}") for n in (1, 2, 3)]
    publisher = Publisher(BrokerAddress(port=port), passwords, limits=limits)
    report = publisher.run(sent, start_ns=START_NS, speed=None)
    assert report.refused == ("lift-0002",)
    assert report.published == 2
    assert report.failed == 1


def test_a_restart_of_the_broker_loses_nothing_and_says_online_again(
    tmp_path: Path,
) -> None:
    port = free_port()
    config = write_config(tmp_path, port, {})
    stop = threading.Event()
    sent: list[Outgoing] = []

    def source() -> Iterator[Outgoing]:
        while not stop.is_set():
            number = len(sent)
            topic = f"ew/v1/lift/lift-{number % 5 + 1:04d}/status"
            at_ns = START_NS + number * NS_PER_S // 200
            sent.append(Outgoing(at_ns, topic, f'{{"seq":{number}}}'.encode()))
            yield sent[-1]

    limits = PublishLimits(backoff_first_s=0.1, backoff_longest_s=0.5)
    publisher = Publisher(BrokerAddress(port=port), limits=limits)
    results = []
    thread = threading.Thread(
        target=lambda: results.append(publisher.run(source(), start_ns=START_NS, stop=stop))
    )
    with mosquitto(config, port):
        thread.start()
        wait_until(lambda: publisher.report().published > 50)
    before = publisher.report().published
    with mosquitto(config, port):
        listener = Listener(port, login=False)
        wait_until(lambda: publisher.report().published > before + 200)
        wait_until(lambda: sum("status" in m[0] for m in listener.messages) > 200)
        stop.set()
        thread.join(WAIT_S)
        (report,) = results
        listener.close()
    assert report.failed == 0
    assert report.reconnects == 5
    assert report.by_stream["alive"] == 5
    assert report.by_stream["status"] == report.published - 5
    assert any(b'"online":true' in payload for _, payload, _ in listener.messages)


def test_the_source_waits_while_too_much_is_outstanding(port: int) -> None:
    limits = PublishLimits(outstanding=30, inflight=5)
    publisher = Publisher(BrokerAddress(port=port), PASSWORDS, limits=limits)
    most = 0

    def source() -> Iterator[Outgoing]:
        nonlocal most
        for number in range(2000):
            most = max(most, number - publisher.report().published)
            topic = f"ew/v1/lift/lift-{number % 10 + 1:04d}/status"
            yield Outgoing(START_NS, topic, b"{}")

    report = publisher.run(source(), start_ns=START_NS, speed=None)
    assert report.published == 2000
    assert most <= limits.outstanding + 1


def test_one_publisher_has_a_limit_of_devices(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "SESSIONS_MAX", 2)
    sent = [Outgoing(START_NS, f"ew/v1/lift/lift-{n:04d}/status", b"{}") for n in (1, 2, 3)]
    with pytest.raises(UsageError, match="at most 2 devices"):
        Publisher(BrokerAddress(port=port), PASSWORDS).run(sent, start_ns=START_NS, speed=None)


def test_a_device_that_vanishes_leaves_its_will(port: int) -> None:
    listener = Listener(port)
    publisher = Publisher(BrokerAddress(port=port), PASSWORDS)

    def source() -> Iterator[Outgoing]:
        yield Outgoing(START_NS, "ew/v1/lift/lift-0001/status", b"{}")
        yield Outgoing(START_NS + NS_PER_S // 2, "ew/v1/lift/lift-0002/status", b"{}")
        cut = publisher._sessions["lift-0001"].client.socket()
        assert isinstance(cut, socket.socket)
        cut.shutdown(socket.SHUT_RDWR)
        yield Outgoing(START_NS + 3 * NS_PER_S, "ew/v1/lift/lift-0002/status", b"{}")

    report = publisher.run(source(), start_ns=START_NS)
    wait_until(lambda: len(listener.messages) >= 5)
    listener.close()
    alive = [json.loads(m[1])["online"] for m in listener.messages if m[0].endswith("1/alive")]
    assert alive == [False, True]
    assert report.reconnects == 1


def test_no_broker_is_an_error_that_names_it() -> None:
    port = free_port()
    limits = PublishLimits(unreachable_s=0.3, backoff_first_s=0.05)
    publisher = Publisher(BrokerAddress(port=port), limits=limits)
    with pytest.raises(DependencyError, match=str(port)):
        publisher.run([Outgoing(START_NS, "ew/v1/lift/lift-0001/status", b"{}")], start_ns=START_NS)


def test_a_speed_is_positive() -> None:
    with pytest.raises(UsageError, match="positive"):
        Publisher(BrokerAddress(port=1)).run([], start_ns=0, speed=0.0)
