import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from domain.equipment import Equipment, Kind, build_fleet
from domain.errors import DependencyError
from ingest.broker import (
    DISPATCH_USER,
    INGEST_USER,
    BrokerProcess,
    Listener,
    ensure_passwords,
    firm_user,
    load_passwords,
    logins_for,
    start_broker,
    usernames,
    write_config,
)
from tests.support import brokers
from tests.support.brokers import FIRMS, FLEET, collect, connect, disconnect, eventually, publish

LISTENER = Listener(host="127.0.0.1", port=1)

Running = tuple[BrokerProcess, dict[str, str]]


@pytest.fixture(scope="module", params=brokers.BROKERS)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    if reason := brokers.missing(request.param):
        pytest.skip(reason)
    with brokers.running(tmp_path_factory.mktemp("broker"), request.param) as started:
        yield started


@pytest.mark.broker
def test_a_device_publishes_below_its_own_topic_and_nowhere_else(running: Running) -> None:
    broker, passwords = running
    ingest = connect(broker.url, INGEST_USER, passwords[INGEST_USER])
    got = collect(ingest, "ew/v1/+/+/+")
    for topic in (
        "ew/v1/lift/L2/status",
        "ew/v1/boiler/L1/telemetry",
        "ew/v1/gateway/G1/batch",
        "ew/v1/notify/acme",
    ):
        device = connect(broker.url, "L1", passwords["L1"])
        publish(device, topic, b"forged")
        disconnect(device)
    device = connect(broker.url, "L1", passwords["L1"])
    assert publish(device, "ew/v1/lift/L1/status", b"own")
    disconnect(device)
    gateway = connect(broker.url, "G1", passwords["G1"])
    assert publish(gateway, "ew/v1/gateway/G1/batch", b"batch")
    disconnect(gateway)
    assert eventually(lambda: len(got) >= 2)
    disconnect(ingest)
    assert [message.payload for message in got] == [b"own", b"batch"]


@pytest.mark.broker
def test_an_mqtt5_device_is_told_that_it_is_not_authorized(running: Running) -> None:
    broker, passwords = running
    if broker.kind != "mosquitto":
        pytest.skip("nats-server speaks MQTT 3.1.1, which has no reason codes")
    host, port = broker.url.removeprefix("mqtt://").split(":")
    device = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    device.username_pw_set("L1", passwords["L1"])
    reasons: list[str] = []
    device.on_publish = lambda _c, _d, _mid, reason, _p: reasons.append(str(reason))
    device.connect(host, int(port))
    device.loop_start()
    assert eventually(device.is_connected)
    device.publish("ew/v1/lift/L2/status", b"forged", qos=1)
    assert eventually(lambda: reasons == ["Not authorized"])
    disconnect(device)


@pytest.mark.broker
@pytest.mark.parametrize("kind", brokers.BROKERS)
def test_a_device_that_joins_the_registry_gets_in_after_a_reload(tmp_path: Path, kind: str) -> None:
    if reason := brokers.missing(kind):
        pytest.skip(reason)
    grown = build_fleet(2, [*FLEET.members(Kind.LIFT), Equipment(id="L3", kind=Kind.LIFT)])
    with brokers.running(tmp_path, kind) as (broker, _):
        passwords = ensure_passwords(tmp_path, usernames(grown, FIRMS))
        with pytest.raises(ConnectionRefusedError):
            connect(broker.url, "L3", passwords["L3"])
        broker.reload(logins_for(grown, FIRMS, passwords))
        assert eventually(lambda: gets_in(broker, "L3", passwords["L3"]))


def gets_in(broker: BrokerProcess, user: str, password: str) -> bool:
    try:
        disconnect(connect(broker.url, user, password))
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.broker
def test_a_device_hears_nothing_of_others(running: Running) -> None:
    broker, passwords = running
    spy = connect(broker.url, "L2", passwords["L2"])
    got = collect(spy, "ew/v1/lift/L1/status")
    got += collect(spy, "#")
    device = connect(broker.url, "L1", passwords["L1"])
    assert publish(device, "ew/v1/lift/L1/status", b"private")
    firm = connect(broker.url, firm_user("acme"), passwords[firm_user("acme")])
    notified = collect(firm, "ew/v1/notify/acme")
    dispatch = connect(broker.url, DISPATCH_USER, passwords[DISPATCH_USER])
    assert publish(dispatch, "ew/v1/notify/acme", b"for acme")
    assert eventually(lambda: len(notified) == 1)
    for client in (spy, device, firm, dispatch):
        disconnect(client)
    assert got == []


@pytest.mark.broker
@pytest.mark.parametrize(("user", "password"), [("L1", "wrong"), ("", ""), ("stranger", "x")])
def test_nobody_comes_in_without_the_right_password(
    running: Running, user: str, password: str
) -> None:
    broker, _ = running
    with pytest.raises(ConnectionRefusedError):
        connect(broker.url, user, password)


def test_passwords_stay_when_the_registry_grows_and_are_the_owner_s_only(tmp_path: Path) -> None:
    first = ensure_passwords(tmp_path, usernames(FLEET, FIRMS))
    grown = build_fleet(2, [*FLEET.members(Kind.LIFT), Equipment(id="L3", kind=Kind.LIFT)])
    second = ensure_passwords(tmp_path, usernames(grown, FIRMS))
    assert second["L1"] == first["L1"]
    assert "L3" in second
    assert "B1" not in second
    assert load_passwords(tmp_path / "passwords.csv") == second
    write_config(tmp_path, logins_for(grown, FIRMS, second), LISTENER, kind="mosquitto")
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file.name


def test_unchanged_passwords_keep_their_hash(tmp_path: Path) -> None:
    logins = logins_for(FLEET, FIRMS, ensure_passwords(tmp_path, usernames(FLEET, FIRMS)))
    hashes = []
    for _ in range(2):
        write_config(tmp_path, logins, LISTENER, kind="mosquitto")
        hashes.append((tmp_path / "passwd").read_text())
    assert hashes[0] == hashes[1]


@pytest.mark.broker
def test_a_broker_that_cannot_start_says_why(running: Running, tmp_path: Path) -> None:
    broker, passwords = running
    port = int(broker.url.rsplit(":", 1)[1])
    with pytest.raises(DependencyError, match="did not start"):
        start_broker(tmp_path, logins_for(FLEET, FIRMS, passwords), port=port, prefer="mosquitto")


@pytest.mark.broker
def test_a_broker_left_over_by_a_killed_supervisor_is_replaced(tmp_path: Path) -> None:
    logins = logins_for(FLEET, FIRMS, ensure_passwords(tmp_path, usernames(FLEET, FIRMS)))
    left = start_broker(tmp_path, logins, prefer="nats")
    port = int(left.url.rsplit(":", 1)[1])
    fresh = start_broker(tmp_path, logins, port=port, prefer="nats")
    try:
        assert left.process.wait(10) is not None
        assert fresh.pid != left.pid
        os.kill(fresh.pid, 0)
    finally:
        fresh.stop()
