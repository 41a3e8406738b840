"""Attacks on the broker. Each fails on the shipped configuration and succeeds without its lines.

The second half is the proof of the first: an attack that fails on both would test nothing. What a
broker lets through on purpose, a gateway that names equipment of others, is attacked end to end in
`tests/runtime/test_broken_messages.py`.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from domain.equipment import Firm
from ingest.broker import (
    DISPATCH_USER,
    INGEST_USER,
    OWN_FILES,
    Listener,
    Login,
    ensure_passwords,
    firm_user,
    logins_for,
    start_broker,
    usernames,
    write_config,
)
from tests.support import brokers
from tests.support.brokers import (
    FLEET,
    collect,
    connect,
    eventually,
    launched,
    publish,
)
from tests.support.simulator_broker import free_port

pytestmark = pytest.mark.broker

FIRMS = (Firm(id="acme"), Firm(id="other"))
CLIENT_ID = "equipwatch-ingest-0123456789abcdef"
CONNECTIONS_MAX = 12
TOO_LARGE = b"x" * (5 << 20)
OWN = "ew/v1/lift/L1/status"
FOREIGN = "ew/v1/lift/L2/status"

Config = dict[str, Any]
Weaken = Callable[[str], str]


@dataclass
class Scene:
    """One broker and the clients of one attack."""

    kind: str
    url: str
    passwords: Mapping[str, str]
    clients: list[Client] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def login(self, user: str, **more: Any) -> Client:
        client = connect(self.url, user, self.passwords[user], **more)
        self.clients.append(client)
        return client

    def ingest(self) -> list[MQTTMessage]:
        """Everything that the login of ingest receives from now on."""
        return collect(self.login(INGEST_USER), "ew/v1/+/+/+", "ew/v1/notify/+")

    def gets_in(self, user: str, password: str) -> bool:
        try:
            self.clients.append(connect(self.url, user, password))
        except ConnectionRefusedError:
            return False
        return True

    def settle(self, got: list[MQTTMessage]) -> None:
        """Wait until what was sent before has gone through the broker."""
        marker = f"settled {time.monotonic_ns()}".encode()
        assert publish(self.login("B1"), "ew/v1/boiler/B1/telemetry", marker)
        assert eventually(lambda: any(message.payload == marker for message in got))
        if self.kind == "nats":
            time.sleep(0.2)  # It delivers to each session by a queue of its own.

    def close(self) -> None:
        for client in self.clients:
            client.disconnect()  # Its thread ends by itself; to join it takes a second.


def payloads(got: list[MQTTMessage]) -> list[bytes]:
    return [bytes(message.payload) for message in got]


def forges(scene: Scene, topic: str) -> bool:
    """Whether ingest receives what device L1 publishes on a topic that is not its own."""
    got = scene.ingest()
    publish(scene.login("L1"), topic, b"forged")
    scene.settle(got)
    return b"forged" in payloads(got)


def publishes_as_another_device(scene: Scene) -> bool:
    return forges(scene, FOREIGN)


def publishes_as_another_kind(scene: Scene) -> bool:
    return forges(scene, "ew/v1/boiler/L1/telemetry")


def publishes_as_a_gateway(scene: Scene) -> bool:
    return forges(scene, "ew/v1/gateway/G1/batch")


def publishes_as_dispatch(scene: Scene) -> bool:
    return forges(scene, "ew/v1/notify/acme")


def retains_on_a_foreign_topic(scene: Scene) -> bool:
    publish(scene.login("L1"), "ew/v1/lift/L2/alive", b"poison", retain=True)
    got = scene.ingest()
    scene.settle(got)
    return (b"poison", True) in [(bytes(m.payload), m.retain) for m in got]


def wills_on_a_foreign_topic(scene: Scene) -> bool:
    got = scene.ingest()
    try:
        dying = scene.login("L1", will=("ew/v1/lift/L2/alive", b"will"))
    except ConnectionRefusedError:
        return False
    sock = dying.socket()
    assert isinstance(sock, socket.socket)
    dying.reconnect_delay_set(60, 60)
    sock.shutdown(socket.SHUT_RDWR)
    if scene.kind == "mosquitto":
        scene.settle(got)
    return eventually(lambda: b"will" in payloads(got), 1)


def reads(scene: Scene, spy: str, topic: str, sent: Callable[[], object]) -> bool:
    """Whether a login receives anything on a filter that it has no right to."""
    seen = scene.ingest()
    got = collect(scene.login(spy), topic)
    sent()
    scene.settle(seen)
    return bool(got)


def reads_device(topic: str) -> Callable[[Scene], bool]:
    def attack(scene: Scene) -> bool:
        return reads(scene, "L2", topic, lambda: publish(scene.login("L1"), OWN, b"private"))

    attack.__name__ = f"reads {topic}"
    return attack


def reads_another_firms_notifications(scene: Scene) -> bool:
    return reads(
        scene,
        firm_user("other"),
        "ew/v1/notify/+",
        lambda: publish(scene.login(DISPATCH_USER), "ew/v1/notify/acme", b"for acme"),
    )


def takes_over_the_session_of_ingest(scene: Scene) -> bool:
    """Device L1 knows the client id of ingest and connects with it."""
    victim = scene.login(INGEST_USER, client_id=CLIENT_ID, clean_session=False)
    lost = threading.Event()
    victim.on_disconnect = lambda *_: lost.set()
    victim.reconnect_delay_set(10, 10)
    scene.login("L1", client_id=CLIENT_ID, clean_session=False)
    return lost.wait(3)


def empties_the_queue_of_ingest(scene: Scene) -> bool:
    """Device L1 takes the session over while ingest is away, and so destroys what is queued."""
    ingest = scene.login(INGEST_USER, client_id=CLIENT_ID, clean_session=False)
    collect(ingest, "ew/v1/+/+/+")
    ingest.disconnect()
    assert publish(scene.login("L2"), FOREIGN, b"queued")
    scene.login("L1", client_id=CLIENT_ID, clean_session=False).disconnect()
    back = Client(CallbackAPIVersion.VERSION2, client_id=CLIENT_ID, clean_session=False)
    back.username_pw_set(INGEST_USER, scene.passwords[INGEST_USER])
    got: list[MQTTMessage] = []
    back.on_message = lambda _c, _d, message: got.append(message)
    back.connect("127.0.0.1", scene.port)
    back.loop_start()
    scene.clients.append(back)
    return not eventually(lambda: b"queued" in payloads(got), 1)


def comes_in_anonymously(scene: Scene) -> bool:
    return scene.gets_in("", "")


def comes_in_with_a_wrong_password(scene: Scene) -> bool:
    return scene.gets_in("L1", "wrong")


def sends_a_packet_beyond_the_limit(scene: Scene) -> bool:
    got = scene.ingest()
    scene.login("L1").publish(OWN, TOO_LARGE, qos=1)
    return eventually(lambda: TOO_LARGE in payloads(got), 1)


def holds_more_connections_than_allowed(scene: Scene) -> bool:
    """Connections that never say who they are; the broker closes those beyond its limit."""
    for _ in range(3):
        assert not scene.gets_in("L1", "wrong")  # mosquitto 2.0.11 miscounts after each of them.
    with contextlib.ExitStack() as held:
        flood = [
            held.enter_context(socket.create_connection(("127.0.0.1", scene.port), 5))
            for _ in range(CONNECTIONS_MAX + 2 * OWN_FILES)
        ]
        return not eventually(lambda: sum(map(ended, flood)) >= OWN_FILES // 2, 1)


def ended(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(100, socket.MSG_PEEK) == b"" or b"maximum" in connection.recv(100)
    except BlockingIOError:
        return False
    except OSError:
        return True


def without(*lines: str) -> Weaken:
    """Configuration of mosquitto without the lines that start like this."""
    return lambda text: "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith(lines)
    )


def anybody(text: str) -> str:
    text = without("password_file", "acl_file", "use_username_as_clientid")(text)
    return text.replace("allow_anonymous false", "allow_anonymous true")


def no_rights(config: Config) -> None:
    for user in config["authorization"]["users"]:
        del user["permissions"]


def no_logins(config: Config) -> None:
    del config["authorization"]


@dataclass(frozen=True)
class Attack:
    """What is tried, and what each broker's configuration has against it.

    Parameters
    ----------
    mosquitto
        Takes the protecting lines away.
    nats
        The same, or why the attack does not apply.
    """

    run: Callable[[Scene], bool]
    mosquitto: Weaken
    nats: Callable[[Config], object] | str

    def __str__(self) -> str:
        return self.run.__name__


NO_SYS = "nats-server has no $SYS topics for MQTT clients"
NO_SHARE = "nats-server has no shared subscriptions for MQTT clients"
NO_BINDING = (
    "nats-server CANNOT BIND A CLIENT ID TO A USER: there, only the secrecy of the id protects "
    "the session (test_on_nats_the_secret_of_the_client_id_is_the_protection)"
)

ACL = without("acl_file")
BINDING = without("use_username_as_clientid")

ATTACKS = [
    Attack(publishes_as_another_device, ACL, no_rights),
    Attack(publishes_as_another_kind, ACL, no_rights),
    Attack(publishes_as_a_gateway, ACL, no_rights),
    Attack(publishes_as_dispatch, ACL, no_rights),
    Attack(retains_on_a_foreign_topic, ACL, no_rights),
    Attack(wills_on_a_foreign_topic, ACL, no_rights),
    Attack(reads_device(OWN), ACL, no_rights),
    Attack(reads_device("#"), ACL, no_rights),
    Attack(reads_device("ew/v1/#"), ACL, no_rights),
    Attack(reads_device("$share/spies/ew/v1/#"), ACL, NO_SHARE),
    Attack(reads_device("$SYS/#"), ACL, NO_SYS),
    Attack(reads_another_firms_notifications, ACL, no_rights),
    Attack(takes_over_the_session_of_ingest, BINDING, NO_BINDING),
    Attack(empties_the_queue_of_ingest, BINDING, NO_BINDING),
    Attack(comes_in_anonymously, anybody, no_logins),
    Attack(comes_in_with_a_wrong_password, anybody, no_logins),
    Attack(
        sends_a_packet_beyond_the_limit,
        without("max_packet_size"),
        lambda config: config.update(max_payload=8 << 20),
    ),
    Attack(
        holds_more_connections_than_allowed,
        without("max_connections"),
        lambda config: config.pop("max_connections"),
    ),
]

attacks = pytest.mark.parametrize("attack", ATTACKS, ids=str)
kinds = pytest.mark.parametrize("kind", brokers.BROKERS)


@dataclass(frozen=True)
class Shipped:
    """The brokers under test, started as `equipwatch serve` starts them."""

    passwords: Mapping[str, str]
    logins: tuple[Login, ...]
    urls: Mapping[str, str]
    logs: Mapping[str, Path]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    passwords = ensure_passwords(tmp_path_factory.mktemp("logins"), usernames(FLEET, FIRMS))
    logins = logins_for(FLEET, FIRMS, passwords)
    urls, logs = {}, {}
    with contextlib.ExitStack() as running:
        for kind in brokers.BROKERS:
            if not brokers.missing(kind):
                broker = start_broker(
                    tmp_path_factory.mktemp(kind),
                    logins,
                    prefer=kind,
                    connections_max=CONNECTIONS_MAX,
                )
                running.callback(broker.stop)
                urls[kind], logs[kind] = broker.url, broker.log
        yield Shipped(passwords, logins, urls, logs)


@contextlib.contextmanager
def scene(kind: str, url: str, passwords: Mapping[str, str]) -> Iterator[Scene]:
    acted = Scene(kind, url, passwords)
    try:
        yield acted
    finally:
        acted.close()


def skip_what_cannot_be(attack: Attack, kind: str) -> None:
    if reason := brokers.missing(kind):
        pytest.skip(reason)
    if kind == "nats" and isinstance(attack.nats, str):
        pytest.skip(attack.nats)


@kinds
@attacks
def test_it_fails_on_the_shipped_configuration(shipped: Shipped, attack: Attack, kind: str) -> None:
    skip_what_cannot_be(attack, kind)
    with scene(kind, shipped.urls[kind], shipped.passwords) as stage:
        assert not attack.run(stage)


@kinds
@attacks
def test_it_succeeds_without_the_protecting_lines(
    shipped: Shipped, attack: Attack, kind: str, tmp_path: Path
) -> None:
    skip_what_cannot_be(attack, kind)
    port = free_port()
    listener = Listener(host="127.0.0.1", port=port, connections_max=CONNECTIONS_MAX)
    if kind == "mosquitto":
        config = write_config(tmp_path, shipped.logins, listener, kind="mosquitto")
        before = config.read_text()
        config.write_text(attack.mosquitto(before))
    else:
        assert not isinstance(attack.nats, str)
        config = write_config(tmp_path, shipped.logins, listener, kind="nats")
        before = config.read_text()
        weak = json.loads(before)
        attack.nats(weak)
        config.write_text(json.dumps(weak))
    assert config.read_text() != before
    with (
        launched(kind, config, port),
        scene(kind, f"mqtt://127.0.0.1:{port}", shipped.passwords) as stage,
    ):
        assert attack.run(stage)


@kinds
def test_what_a_device_retains_on_its_own_topic_arrives_as_history(
    shipped: Shipped, kind: str
) -> None:
    if reason := brokers.missing(kind):
        pytest.skip(reason)
    with scene(kind, shipped.urls[kind], shipped.passwords) as stage:
        poisoner = stage.login("L1")
        assert publish(poisoner, OWN, b"old", retain=True)
        got = stage.ingest()
        assert eventually(lambda: b"old" in payloads(got))
        assert [m.retain for m in got if m.payload == b"old"] == [True]
        assert publish(poisoner, OWN, b"", retain=True)


@kinds
def test_a_guess_at_the_client_id_of_ingest_changes_nothing(shipped: Shipped, kind: str) -> None:
    if reason := brokers.missing(kind):
        pytest.skip(reason)
    with scene(kind, shipped.urls[kind], shipped.passwords) as stage:
        ingest = stage.login(INGEST_USER, client_id=CLIENT_ID, clean_session=False)
        got = collect(ingest, "ew/v1/+/+/+")
        for guess in ("equipwatch-ingest", INGEST_USER, CLIENT_ID[:-1], CLIENT_ID.upper()):
            with contextlib.suppress(ConnectionRefusedError):
                stage.login("L1", client_id=guess, clean_session=False).disconnect()
        stage.settle(got)
        assert ingest.is_connected()


@kinds
def test_nothing_that_a_device_can_read_names_the_client_id_of_ingest(
    shipped: Shipped, kind: str
) -> None:
    if reason := brokers.missing(kind):
        pytest.skip(reason)
    with scene(kind, shipped.urls[kind], shipped.passwords) as stage:
        got = collect(stage.login("L2"), "#", "$SYS/#", "$SYS/broker/log/#", "$MQTT/#", "$JS/#")
        ingest = stage.login(INGEST_USER, client_id=CLIENT_ID, clean_session=False)
        stage.settle(collect(ingest, "ew/v1/+/+/+"))
        assert got == []
    log = shipped.logs[kind]
    assert log.stat().st_mode & 0o077 == 0
    assert CLIENT_ID not in log.read_text()


def test_on_nats_the_secret_of_the_client_id_is_the_protection(shipped: Shipped) -> None:
    """What docs/broker.md admits: whoever knew the id could take the session over."""
    with scene("nats", shipped.urls["nats"], shipped.passwords) as stage:
        assert takes_over_the_session_of_ingest(stage)
