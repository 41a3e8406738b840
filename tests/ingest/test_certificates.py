"""Certificates, and attacks on a broker that asks for them.

As in `test_attacks`, each attack fails on the shipped configuration and succeeds without its lines.
"""

import contextlib
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from dispatch.channels.mqtt import MqttChannel
from domain.errors import DependencyError, UsageError
from domain.instants import seconds
from ingest import topics
from ingest.broker import (
    DISPATCH_USER,
    INGEST_USER,
    BrokerProcess,
    Listener,
    Tls,
    ensure_passwords,
    logins_for,
    start_broker,
    usernames,
    write_config,
)
from ingest.broker_config import ClientCertificates
from ingest.certificates import (
    CLIENT_VALID_D,
    RENEW_D,
    SERVER_VALID_D,
    Authority,
    own_names,
    write_identity,
)
from ingest.journal import JournalWriter
from ingest.session import Ingest, SessionSettings
from tests.support import brokers
from tests.support.brokers import (
    FIRMS,
    FLEET,
    collect,
    connect,
    disconnect,
    eventually,
    launched,
)
from tests.support.simulator_broker import free_port

DAY_NS = seconds(86_400)
NAMES = own_names("127.0.0.1")
OWN = "ew/v1/lift/L1/status"

needs_mosquitto = pytest.mark.skipif(
    bool(brokers.missing("mosquitto")), reason=brokers.missing("mosquitto") or "installed"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority") / "tls")
    authority.ensure(NAMES, (INGEST_USER, DISPATCH_USER), time.time_ns())
    return authority


def tls_of(authority: Authority, certificates: ClientCertificates = "off") -> Tls:
    return Tls(
        certificate=authority.server_certificate,
        key=authority.server_key,
        ca=authority.ca_certificate,
        revoked=authority.revoked,
        client_certificates=certificates,
    )


@dataclass(frozen=True)
class Caller:
    """What a client presents: whom it trusts, its certificate, its login."""

    trusts: Path
    presents: Path | None = None
    user: str = "L1"
    password: str = ""

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.trusts))
        if self.presents is not None:
            context.load_cert_chain(self.presents)
        return context

    def gets_in(self, port: int) -> bool:
        url = f"mqtts://127.0.0.1:{port}"
        try:
            disconnect(connect(url, self.user, self.password, tls=self.context()))
        except (ConnectionRefusedError, ssl.SSLError):
            return False
        return True


class TestFiles:
    def test_what_exists_is_kept_until_it_is_due(self, tmp_path: Path) -> None:
        authority, now_ns = Authority(tmp_path / "tls"), time.time_ns()
        assert authority.ensure(NAMES, (INGEST_USER,), now_ns)
        first = texts(authority)
        assert not authority.ensure(NAMES, (INGEST_USER,), now_ns)
        assert texts(authority) == first
        due_ns = now_ns + (SERVER_VALID_D - RENEW_D) * DAY_NS
        assert not authority.ensure(NAMES, (INGEST_USER,), due_ns - DAY_NS)
        assert authority.ensure(NAMES, (INGEST_USER,), due_ns + DAY_NS)
        changed = {name for name, text in texts(authority).items() if text != first[name]}
        assert changed == {"server.crt", "server.key"}

    def test_a_new_name_needs_a_new_certificate(self, tmp_path: Path) -> None:
        authority, now_ns = Authority(tmp_path / "tls"), time.time_ns()
        authority.ensure(NAMES, (), now_ns)
        assert authority.ensure((*NAMES, "mqtt.example.org", "192.0.2.7"), (), now_ns)
        assert not authority.ensure(("192.0.2.7",), (), now_ns)
        with pytest.raises(UsageError, match="host name"):
            authority.ensure(("电梯",), (), now_ns)

    def test_everything_is_the_owner_s_only(self, authority: Authority) -> None:
        assert stat.S_IMODE(authority.directory.stat().st_mode) == 0o700
        for file in authority.directory.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name

    def test_an_authority_whose_key_is_in_a_safe_place_still_serves(self, tmp_path: Path) -> None:
        authority, now_ns = Authority(tmp_path / "tls"), time.time_ns()
        authority.ensure(NAMES, (), now_ns)
        authority.ca_key.unlink()
        assert not authority.ensure(NAMES, (), now_ns + SERVER_VALID_D * DAY_NS)
        with pytest.raises(UsageError, match="moved away"):
            authority.issue("L1", now_ns)

    def test_a_name_too_long_for_a_certificate_is_refused(self, authority: Authority) -> None:
        authority.issue("x" * 64, time.time_ns())
        with pytest.raises(UsageError, match="1-64"):
            authority.issue("x" * 65, time.time_ns())

    def test_each_certificate_of_a_user_is_revoked_once(self, tmp_path: Path) -> None:
        authority, now_ns = Authority(tmp_path / "tls"), time.time_ns()
        authority.ensure(NAMES, (), now_ns)
        for _ in range(2):
            authority.issue("L1", now_ns)
        assert authority.revoke("L1", now_ns) == 2
        with pytest.raises(UsageError, match="no certificate"):
            authority.revoke("L1", now_ns)

    def test_a_device_gets_key_certificate_and_ca(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        identity = authority.issue("L2", time.time_ns())
        write_identity(tmp_path / "L2", "L2", identity, authority)
        context = ssl.create_default_context(cafile=str(tmp_path / "L2" / "ca.crt"))
        context.load_cert_chain(tmp_path / "L2" / "L2.crt", tmp_path / "L2" / "L2.key")
        authority.revoke("L2", time.time_ns())

    def test_expiries_name_each_file(self, authority: Authority) -> None:
        left_d = {
            name: round((end_ns - time.time_ns()) / DAY_NS)
            for name, end_ns in authority.expiries().items()
        }
        assert left_d["server.crt"] == SERVER_VALID_D
        assert left_d[f"{INGEST_USER}.pem"] == CLIENT_VALID_D
        assert left_d["ca.crt"] > left_d[f"{INGEST_USER}.pem"]


def texts(authority: Authority) -> dict[str, str]:
    return {file.name: file.read_text() for file in authority.directory.iterdir()}


def test_a_device_cannot_pass_for_the_broker(authority: Authority, tmp_path: Path) -> None:
    """Same authority, but a certificate for clients: whoever connects must notice."""
    device = saved(authority, "B1", tmp_path)
    assert not greets(authority, device)
    server = tmp_path / "server.pem"
    server.write_text(authority.server_key.read_text() + authority.server_certificate.read_text())
    assert greets(authority, server)


def greets(authority: Authority, certificate: Path) -> bool:
    """Whether a client of ours accepts a server that presents a certificate."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    ours = ssl.create_default_context(cafile=str(authority.ca_certificate))
    ours.check_hostname = False
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve_once, args=(listening, theirs))
        thread.start()
        with socket.create_connection(listening.getsockname(), 5) as plain:
            try:
                ours.wrap_socket(plain, server_hostname="127.0.0.1").close()
            except ssl.SSLCertVerificationError:
                return False
            finally:
                thread.join(5)
    return True


def serve_once(listening: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = listening.accept()
    connection.settimeout(3)
    with connection, contextlib.suppress(OSError):
        context.wrap_socket(connection, server_side=True).close()


def saved(authority: Authority, user: str, directory: Path, *, valid_d: float = 1.0) -> Path:
    identity = authority.issue(user, time.time_ns(), valid_d=valid_d)
    file = directory / f"{user}.pem"
    file.write_text(identity.key + identity.certificate)
    return file


@contextlib.contextmanager
def shipped(
    directory: Path, tls: Tls, kind: str = "mosquitto"
) -> Iterator[tuple[BrokerProcess, dict[str, str]]]:
    passwords = ensure_passwords(directory, usernames(FLEET, FIRMS))
    logins = logins_for(FLEET, FIRMS, passwords)
    broker = start_broker(directory, logins, prefer=kind, tls=tls)
    try:
        yield broker, passwords
    finally:
        broker.stop()


Weaken = Callable[[str], str]


def without(*lines: str) -> Weaken:
    return lambda text: "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith(lines)
    )


def presents_nothing(authority: Authority, _directory: Path) -> Caller:
    return Caller(authority.ca_certificate)


def presents_an_expired_certificate(authority: Authority, directory: Path) -> Caller:
    expired = saved(authority, "L1", directory, valid_d=-0.5)
    return Caller(authority.ca_certificate, expired)


def presents_a_revoked_certificate(authority: Authority, directory: Path) -> Caller:
    certificate = saved(authority, "L1", directory)
    authority.revoke("L1", time.time_ns())
    return Caller(authority.ca_certificate, certificate)


def presents_a_certificate_of_a_foreign_authority(authority: Authority, directory: Path) -> Caller:
    foreign = Authority(directory / "foreign")
    foreign.ensure(NAMES, (), time.time_ns())
    return Caller(authority.ca_certificate, saved(foreign, "L1", directory))


def presents_the_certificate_of_the_broker(authority: Authority, directory: Path) -> Caller:
    """Its key proves a server: whoever stole it must not become a client by it."""
    file = directory / "server.pem"
    file.write_text(authority.server_key.read_text() + authority.server_certificate.read_text())
    return Caller(authority.ca_certificate, file)


IDENTITY = without("require_certificate", "use_identity_as_username", "cafile", "crlfile")
"""With these away, whoever has a password comes in, whatever is presented."""

PRESENTERS = [
    (presents_nothing, IDENTITY),
    (presents_an_expired_certificate, IDENTITY),
    (presents_a_revoked_certificate, without("crlfile")),
    (presents_a_certificate_of_a_foreign_authority, IDENTITY),
    (presents_the_certificate_of_the_broker, IDENTITY),
]


@needs_mosquitto
@pytest.mark.broker
@pytest.mark.parametrize(("attack", "weaken"), PRESENTERS, ids=lambda value: value.__name__)
def test_it_is_refused_and_comes_in_without_the_protecting_lines(
    authority: Authority,
    attack: Callable[[Authority, Path], Caller],
    weaken: Weaken,
    tmp_path: Path,
) -> None:
    tls = tls_of(authority, "required")
    caller = attack(authority, tmp_path)
    with shipped(tmp_path / "shipped", tls) as (broker, passwords):
        caller = Caller(caller.trusts, caller.presents, "L1", passwords["L1"])
        assert not caller.gets_in(broker.listener.port)
        honest = Caller(authority.ca_certificate, saved(authority, "L2", tmp_path))
        assert honest.gets_in(broker.listener.port)
    port = free_port()
    logins = logins_for(FLEET, FIRMS, passwords)
    listener = Listener(host="127.0.0.1", port=port, tls=tls)
    config = write_config(tmp_path / "weak", logins, listener, kind="mosquitto")
    config.write_text(weaken(config.read_text()))
    with launched("mosquitto", config, port):
        assert caller.gets_in(port)


@needs_mosquitto
@pytest.mark.broker
def test_a_certificate_speaks_for_its_own_name_only(authority: Authority, tmp_path: Path) -> None:
    certificate = saved(authority, "L1", tmp_path)
    tls = tls_of(authority, "required")
    with shipped(tmp_path / "shipped", tls) as (broker, passwords):
        assert forged(authority, certificate, broker.url, passwords) == [b"own"]
    port = free_port()
    listener = Listener(host="127.0.0.1", port=port, tls=tls)
    logins = logins_for(FLEET, FIRMS, passwords)
    config = write_config(tmp_path / "weak", logins, listener, kind="mosquitto")
    weak = without("use_identity_as_username", "password_file")(config.read_text())
    config.write_text(weak.replace("allow_anonymous false", "allow_anonymous true"))
    with launched("mosquitto", config, port):
        url = f"mqtts://127.0.0.1:{port}"
        assert forged(authority, certificate, url, passwords) == [b"forged"]


def forged(
    authority: Authority, certificate: Path, url: str, passwords: dict[str, str]
) -> list[bytes]:
    """What ingest hears of L1, who claims to be L2 with its own certificate."""
    ca = authority.ca_certificate
    ingest = connect(
        url,
        INGEST_USER,
        passwords[INGEST_USER],
        tls=Caller(ca, authority.own_client(INGEST_USER)).context(),
    )
    got = collect(ingest, "ew/v1/+/+/+")
    for topic, payload in (("ew/v1/lift/L2/status", b"forged"), (OWN, b"own")):
        # mosquitto ends a connection of MQTT 3.1.1 after a publish that it denies.
        claims = connect(url, "L2", passwords["L2"], tls=Caller(ca, certificate).context())
        claims.publish(topic, payload, qos=1).wait_for_publish(3)
        claims.disconnect()
    assert eventually(lambda: bool(got))
    ingest.disconnect()
    return [bytes(message.payload) for message in got]


@needs_mosquitto
@pytest.mark.broker
def test_optional_takes_passwords_on_one_port_and_certificates_on_the_other(
    authority: Authority, tmp_path: Path
) -> None:
    with shipped(tmp_path / "broker", tls_of(authority, "optional")) as (broker, passwords):
        assert broker.listener.tls is not None
        port, strict = broker.listener.port, broker.listener.tls.certificate_port
        ca = authority.ca_certificate
        password = Caller(ca, None, "L1", passwords["L1"])
        certificate = Caller(ca, saved(authority, "L2", tmp_path))
        assert password.gets_in(port)
        assert not password.gets_in(strict)
        assert certificate.gets_in(strict)
        assert not certificate.gets_in(port)


@needs_mosquitto
@pytest.mark.broker
def test_a_running_broker_learns_of_a_revocation(authority: Authority, tmp_path: Path) -> None:
    caller = Caller(authority.ca_certificate, saved(authority, "firm.acme", tmp_path))
    with shipped(tmp_path / "broker", tls_of(authority, "required")) as (broker, _):
        assert caller.gets_in(broker.listener.port)
        authority.revoke("firm.acme", time.time_ns())
        broker.reload()
        assert eventually(lambda: not caller.gets_in(broker.listener.port))


@pytest.mark.broker
@pytest.mark.parametrize("kind", brokers.BROKERS)
class TestEncryption:
    """What holds without client certificates too, and so for nats-server."""

    def test_plaintext_is_refused_where_tls_is_on(
        self, authority: Authority, kind: str, tmp_path: Path
    ) -> None:
        if reason := brokers.missing(kind):
            pytest.skip(reason)
        with shipped(tmp_path / "tls", tls_of(authority), kind) as (broker, passwords):
            plain = f"mqtt://127.0.0.1:{broker.listener.port}"
            with pytest.raises(ConnectionRefusedError):
                connect(plain, "L1", passwords["L1"])
            caller = Caller(authority.ca_certificate, None, "L1", passwords["L1"])
            assert caller.gets_in(broker.listener.port)
        logins = logins_for(FLEET, FIRMS, passwords)
        weak = start_broker(tmp_path / "plain", logins, prefer=kind)
        try:
            disconnect(connect(weak.url, "L1", passwords["L1"]))
        finally:
            weak.stop()

    # paho leaves the socket of a failed handshake to the garbage collector.
    @pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
    )
    def test_ingest_and_dispatch_refuse_a_broker_of_a_foreign_authority(
        self, authority: Authority, kind: str, tmp_path: Path
    ) -> None:
        if reason := brokers.missing(kind):
            pytest.skip(reason)
        foreign = Authority(tmp_path / "foreign")
        foreign.ensure(NAMES, (), time.time_ns())
        with shipped(tmp_path / "broker", tls_of(authority), kind) as (broker, passwords):
            for trusted, expected in ((foreign, False), (authority, True)):
                assert ingest_connects(broker, passwords, trusted, tmp_path) is expected
                assert dispatch_connects(broker, passwords, trusted) is expected

    def test_a_renewed_certificate_is_taken_without_a_restart(
        self, kind: str, tmp_path: Path
    ) -> None:
        if reason := brokers.missing(kind):
            pytest.skip(reason)
        authority = Authority(tmp_path / "tls")
        authority.ensure(NAMES, (), time.time_ns())
        with shipped(tmp_path / "broker", tls_of(authority), kind) as (broker, _):
            address = ("127.0.0.1", broker.listener.port)
            before = ssl.get_server_certificate(address)
            authority.renew(NAMES, time.time_ns())
            broker.reload()
            assert eventually(lambda: ssl.get_server_certificate(address) != before)


def ingest_connects(
    broker: BrokerProcess, passwords: dict[str, str], trusted: Authority, directory: Path
) -> bool:
    settings = SessionSettings(
        url=broker.url,
        username=INGEST_USER,
        password=passwords[INGEST_USER],
        client_id="ingest-secret",
        tls_ca=str(trusted.ca_certificate),
    )
    ingest = Ingest(settings, lambda: JournalWriter(directory / "journal"))
    stop = threading.Event()
    thread = threading.Thread(target=ingest.run, args=(stop,))
    thread.start()
    try:
        stats = ingest.stats
        assert eventually(lambda: bool(stats()["connects"] or stats()["unreachable"]))
        return bool(stats()["connects"])
    finally:
        stop.set()
        thread.join()


def dispatch_connects(broker: BrokerProcess, passwords: dict[str, str], trusted: Authority) -> bool:
    mqtt5 = broker.kind == "mosquitto"
    channel = MqttChannel(
        host="127.0.0.1",
        port=broker.listener.port,
        topic_for=topics.notify,
        username=DISPATCH_USER,
        password=passwords[DISPATCH_USER],
        tls=ssl.create_default_context(cafile=str(trusted.ca_certificate)),
        protocol=MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311,
    )
    channel.start()
    try:
        return channel.wait_connected(1 if trusted.directory.name == "foreign" else 10)
    finally:
        channel.close()


def test_nats_refuses_client_certificates_with_a_reason(
    authority: Authority, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="needs mosquitto"):
        start_broker(tmp_path, (), prefer="nats", tls=tls_of(authority, "required"))


@needs_mosquitto
@pytest.mark.broker
def test_a_certificate_that_cannot_be_read_keeps_the_broker_from_starting(
    authority: Authority, tmp_path: Path
) -> None:
    broken = tmp_path / "server.crt"
    broken.write_text("nothing")
    tls = Tls(
        certificate=broken,
        key=authority.server_key,
        ca=authority.ca_certificate,
        revoked=authority.revoked,
    )
    with pytest.raises(DependencyError, match="did not start"):
        start_broker(tmp_path / "broker", (), prefer="mosquitto", tls=tls)
