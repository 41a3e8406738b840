import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from dispatch.channels.mqtt import MqttChannel
from domain.equipment import Firm
from domain.notifications import Notification, Outcome
from tests.support.dispatch_world import NOW_NS
from tests.support.simulator_broker import MOSQUITTO, free_port, mosquitto, write_config

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed"),
]

NOTE = Notification(
    id="event-1",
    incident_id="i",
    occasion="opened",
    channel="mqtt",
    receiver="acme",
    body='{"zh":"平层困人"}',
    created_at_ns=NOW_NS,
    due_at_ns=NOW_NS,
)
ACME = Firm(id="acme")
LOGINS = {"dispatch": "d-word", "acme": "a-word"}
WAIT_S = 10.0


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    chosen = free_port()
    with mosquitto(write_config(tmp_path, chosen, LOGINS), chosen):
        yield chosen


@contextmanager
def channel(
    port: int,
    *,
    password: str = "d-word",
    timeout_s: float = 5.0,
    protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
) -> Iterator[MqttChannel]:
    made = MqttChannel(
        host="127.0.0.1",
        port=port,
        topic_for="ew/v1/notify/{}".format,
        username="dispatch",
        password=password,
        puback_timeout_s=timeout_s,
        protocol=protocol,
    )
    made.start()
    yield made
    made.close()


@contextmanager
def subscriber(port: int) -> Iterator["queue.Queue[MQTTMessage]"]:
    received: queue.Queue[MQTTMessage] = queue.Queue()
    ready: queue.Queue[int] = queue.Queue()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set("acme", "a-word")
    client.on_message = lambda _client, _userdata, message: received.put(message)
    client.on_subscribe = lambda *_: ready.put(1)
    client.connect("127.0.0.1", port)
    client.subscribe("ew/v1/notify/acme", qos=1)
    client.loop_start()
    ready.get(timeout=WAIT_S)
    yield received
    client.disconnect()
    client.loop_stop()


def test_a_subscribed_firm_gets_the_same_body(port: int) -> None:
    with subscriber(port) as received, channel(port) as subject:
        assert subject.wait_connected(WAIT_S)
        delivery = subject.deliver(NOTE, ACME, NOW_NS)
        message = received.get(timeout=WAIT_S)
    assert delivery.outcome is Outcome.DELIVERED
    assert (message.topic, message.qos, message.retain) == ("ew/v1/notify/acme", 1, False)
    assert message.payload == NOTE.body.encode()


def test_many_deliveries_are_acknowledged_each(port: int) -> None:
    with subscriber(port) as received, channel(port) as subject:
        assert subject.wait_connected(WAIT_S)
        outcomes = {subject.deliver(NOTE, ACME, NOW_NS).outcome for _ in range(300)}
        for _ in range(300):
            received.get(timeout=WAIT_S)
        assert subject._acked == {}
    assert outcomes == {Outcome.DELIVERED}


def test_an_older_broker_is_spoken_to_in_its_protocol(port: int) -> None:
    old = MQTTProtocolVersion.MQTTv311
    with subscriber(port) as received, channel(port, protocol=old) as subject:
        assert subject.wait_connected(WAIT_S)
        assert subject.deliver(NOTE, ACME, NOW_NS).outcome is Outcome.DELIVERED
        assert received.get(timeout=WAIT_S).payload == NOTE.body.encode()


def test_nobody_subscribed_is_not_reached(port: int) -> None:
    with channel(port) as subject:
        assert subject.wait_connected(WAIT_S)
        delivery = subject.deliver(NOTE, ACME, NOW_NS)
    assert delivery.outcome is Outcome.RETRY
    assert delivery.detail == "nobody subscribes to the firm's topic"


def test_without_a_broker_it_is_worth_another_try() -> None:
    with channel(free_port()) as subject:
        delivery = subject.deliver(NOTE, ACME, NOW_NS)
    assert (delivery.outcome, delivery.detail) == (
        Outcome.RETRY,
        "not connected to the broker yet",
    )


def test_a_wrong_password_is_worth_another_try_and_does_not_show(port: int) -> None:
    with channel(port, password="wrong-word") as subject:
        assert not subject.wait_connected(0.5)
        delivery = subject.deliver(NOTE, ACME, NOW_NS)
    assert delivery.outcome is Outcome.RETRY
    assert "word" not in delivery.detail


def test_a_broker_that_went_away_is_worth_another_try_until_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    config = write_config(tmp_path, port, LOGINS)
    with channel(port, timeout_s=0.5) as subject:
        with mosquitto(config, port):
            assert subject.wait_connected(WAIT_S)
        assert subject.deliver(NOTE, ACME, NOW_NS).outcome is Outcome.RETRY
        with mosquitto(config, port), subscriber(port):
            assert subject.wait_connected(WAIT_S)
            assert subject.deliver(NOTE, ACME, NOW_NS).outcome is Outcome.DELIVERED


def test_a_stalled_broker_ends_at_the_time_limit_and_its_late_answer_misleads_nobody(
    tmp_path: Path,
) -> None:
    port = free_port()
    with (
        mosquitto(write_config(tmp_path, port, LOGINS), port) as process,
        subscriber(port) as received,
        channel(port, timeout_s=0.3) as subject,
    ):
        assert subject.wait_connected(WAIT_S)
        process.send_signal(signal.SIGSTOP)
        stalled = subject.deliver(NOTE, ACME, NOW_NS)
        process.send_signal(signal.SIGCONT)
        received.get(timeout=WAIT_S)
        assert subject.deliver(NOTE, ACME, NOW_NS).outcome is Outcome.DELIVERED
        received.get(timeout=WAIT_S)
        assert (subject._acked, subject._abandoned) == ({}, set())
    assert (stalled.outcome, stalled.detail) == (Outcome.RETRY, "no PUBACK within 0.3 s")
