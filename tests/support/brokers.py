"""Real brokers and small MQTT clients for tests."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from domain.equipment import Equipment, Firm, Fleet, Kind, build_fleet
from ingest.broker import (
    BrokerProcess,
    ensure_passwords,
    logins_for,
    mosquitto_program,
    nats_program,
    start_broker,
    usernames,
)
from ingest.broker_config import QUEUED_BYTES_MAX

BROKERS = ("mosquitto", "nats")

FLEET = build_fleet(
    1,
    [
        Equipment(id="L1", kind=Kind.LIFT, gateway_id="G1"),
        Equipment(id="L2", kind=Kind.LIFT),
        Equipment(id="B1", kind=Kind.BOILER),
    ],
)
FIRMS = (Firm(id="acme"),)


def missing(kind: str) -> str:
    """Why a broker of this kind cannot be started here; empty when it can."""
    if kind == "mosquitto" and mosquitto_program() is None:
        return "mosquitto is not installed (apt-get install mosquitto)"
    return ""


@contextlib.contextmanager
def running(
    directory: Path, kind: str, fleet: Fleet = FLEET, *, queued_bytes_max: int = QUEUED_BYTES_MAX
) -> Iterator[tuple[BrokerProcess, dict[str, str]]]:
    """A broker of one kind with the logins of a fleet, and the passwords."""
    passwords = ensure_passwords(directory, usernames(fleet, FIRMS))
    logins = logins_for(fleet, FIRMS, passwords)
    broker = start_broker(directory, logins, prefer=kind, queued_bytes_max=queued_bytes_max)
    try:
        yield broker, passwords
    finally:
        broker.stop()


@contextlib.contextmanager
def launched(kind: str, config: Path, port: int) -> Iterator[None]:
    """A broker program on a configuration as it is, until the block ends."""
    program = mosquitto_program() if kind == "mosquitto" else nats_program()
    assert program is not None
    with (config.parent / "launched.log").open("wb") as log:
        process = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)
        try:
            assert eventually(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, (config.parent / "launched.log").read_text()
            yield
        finally:
            process.terminate()
            process.wait(10)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def connect(
    url: str,
    username: str,
    password: str,
    *,
    client_id: str = "",
    clean_session: bool = True,
    will: tuple[str, bytes] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Client:
    """Connected MQTT 3.1.1 client with its own loop; a refusal is a ConnectionRefusedError.

    Parameters
    ----------
    will
        Topic and payload of the last will, retained.
    """
    address = urlsplit(url)
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=clean_session,
        protocol=MQTTProtocolVersion.MQTTv311,
    )
    if username:
        client.username_pw_set(username, password)
    if will is not None:
        client.will_set(*will, qos=1, retain=True)
    if tls is not None:
        client.tls_set_context(tls)
    answers: list[bool] = []
    answered = threading.Event()

    def on_connect(_c: Client, _d: object, _f: object, reason: object, _p: object) -> None:
        answers.append(not getattr(reason, "is_failure", True))
        answered.set()

    def on_disconnect(*_: object) -> None:
        answered.set()

    client.on_connect = on_connect
    client.on_disconnect = on_disconnect
    client.connect(address.hostname or "", address.port or 0)
    client.loop_start()
    if not answered.wait(10) or not answers or not answers[0]:
        client.disconnect()
        client.loop_stop()
        raise ConnectionRefusedError(f"{username!r} was refused")
    return client


def disconnect(client: Client) -> None:
    """End a client of `connect`."""
    client.disconnect()
    client.loop_stop()


def publish(client: Client, topic: str, payload: bytes, *, retain: bool = False) -> bool:
    """Publish at QoS 1 and wait for the PUBACK; say whether it came."""
    info = client.publish(topic, payload, qos=1, retain=retain)
    with contextlib.suppress(RuntimeError):
        info.wait_for_publish(3)
    return info.is_published()


def collect(client: Client, *topics: str) -> list[MQTTMessage]:
    """Subscribe; the list fills as messages come."""
    got: list[MQTTMessage] = []
    ready = threading.Event()
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _c, _d, message: got.append(message)
    client.subscribe([(topic, 1) for topic in topics])
    ready.wait(5)
    return got


def eventually(condition: Callable[[], bool], timeout_s: float = 15.0) -> bool:
    """Poll until a condition holds; say whether it did within the time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
