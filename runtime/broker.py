"""Our own broker: its certificates, its logins, its process."""

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from domain.errors import NotFoundError, UsageError
from domain.ports import StateStore
from ingest.broker import (
    DISPATCH_USER,
    INGEST_USER,
    BrokerProcess,
    Listener,
    Login,
    Tls,
    ensure_passwords,
    logins_for,
    start_broker,
    usernames,
    write_config,
)
from ingest.certificates import Authority, Identity, own_names
from runtime.settings import BrokerSettings, Settings
from runtime.site import Site
from runtime.supervisor import Child
from runtime.wiring import open_state

STUCK_TEXT = b"Critical write error"
"""nats-server says this when its disk is full; its streams refuse writes until it starts anew."""

STUCK_FREE_BYTES = 32 * 1024**2
"""Free space with which it is worth starting anew."""

_REGISTRY_POLL_S = 2.0
_RENEWAL_POLL_S = 3_600.0

_log = structlog.get_logger(__name__)


def authority_of(site: Site) -> Authority:
    """Certificate authority of an installation; it may not exist yet."""
    return Authority(site.broker / "tls")


def certificate_names(settings: BrokerSettings) -> tuple[str, ...]:
    """Host names and addresses for the certificate of our own broker."""
    further = (name.strip() for name in settings.tls_names.split(","))
    return own_names(settings.host, further)


def prepared_tls(settings: BrokerSettings, site: Site) -> Tls | None:
    """Certificates for our own broker, made or renewed as needed; ``None`` when TLS is off."""
    if settings.tls == "off":
        return None
    authority = authority_of(site)
    clients = (INGEST_USER, DISPATCH_USER) if settings.client_certificates == "required" else ()
    authority.ensure(certificate_names(settings), clients, time.time_ns())
    return Tls(
        certificate=authority.server_certificate,
        key=authority.server_key,
        ca=authority.ca_certificate,
        revoked=authority.revoked,
        client_certificates=settings.client_certificates,
        certificate_port=settings.certificate_port,
    )


def init_broker(
    state: StateStore, site: Site, settings: BrokerSettings
) -> tuple[Path, Mapping[str, str]]:
    """Write mosquitto's configuration, logins, ACL and certificates; return file and passwords.

    Raises
    ------
    UsageError
        If no port is named: whoever starts this broker has to know it.
    """
    if not settings.port:
        raise UsageError("broker.port must be named for a broker that somebody else starts")
    with state.reading() as tx:
        fleet, firms = tx.registry.fleet(), tx.registry.firms()
    passwords = ensure_passwords(site.broker, usernames(fleet, firms))
    listener = Listener(
        host=settings.host,
        port=settings.port,
        tls=prepared_tls(settings, site),
        connections_max=settings.connections_max,
        queued_bytes_max=settings.queued_bytes_max,
    )
    logins = logins_for(fleet, firms, passwords)
    return write_config(site.broker, logins, listener, kind="mosquitto"), passwords


def issue_certificate(state: StateStore, site: Site, username: str) -> Identity:
    """Key and certificate of one login of the registry.

    Raises
    ------
    NotFoundError
        If the registry has no such device, gateway or firm.
    """
    with state.reading() as tx:
        known = usernames(tx.registry.fleet(), tx.registry.firms())
    if username not in known:
        raise NotFoundError(f"{username!r} is no device, gateway or firm.ID of the registry")
    return authority_of(site).issue(username, time.time_ns())


def login_environment(
    passwords: Mapping[str, str], site: Site, *, encrypted: bool
) -> dict[str, str]:
    """Settings by which ingest and dispatch log in to a broker that we have configured."""
    environment = {
        "EQUIPWATCH_BROKER__USERNAME": INGEST_USER,
        "EQUIPWATCH_BROKER__PASSWORD": passwords[INGEST_USER],
        "EQUIPWATCH_BROKER__NOTIFY_USERNAME": DISPATCH_USER,
        "EQUIPWATCH_BROKER__NOTIFY_PASSWORD": passwords[DISPATCH_USER],
    }
    authority = authority_of(site)
    files = {
        "EQUIPWATCH_BROKER__TLS_CA": authority.ca_certificate,
        "EQUIPWATCH_BROKER__TLS_CLIENT": authority.own_client(INGEST_USER),
        "EQUIPWATCH_BROKER__NOTIFY_TLS_CLIENT": authority.own_client(DISPATCH_USER),
    }
    if encrypted:
        environment |= {name: str(file) for name, file in files.items() if file.exists()}
    return environment


@dataclass(slots=True)
class BrokerKeeper:
    """Our own broker: started, restarted, and kept in step with registry and certificates.

    Parameters
    ----------
    version
        Registry version that its logins are of.
    connects
        Connections of ingest after which the broker was last told to save.
    """

    settings: Settings
    site: Site
    version: int = -1
    broker: BrokerProcess | None = None
    passwords: dict[str, str] = field(default_factory=dict)
    due_s: float = 0.0
    renewal_due_s: float = 0.0
    certificates: tuple[int, ...] = ()
    connects: float = 0.0
    log_read: int = 0
    is_stuck: bool = False

    def start(self) -> None:
        """Start it with the registry's logins, at the same ports as before."""
        broker = self.settings.broker
        tls = prepared_tls(broker, self.site)
        port = broker.port
        if self.broker is not None:
            port, tls = self.broker.listener.port, self.broker.listener.tls
        self.certificates = _stamps(tls)
        self.broker = start_broker(
            self.site.broker,
            self._logins(),
            host=broker.host,
            port=port,
            prefer=broker.prefer,
            tls=tls,
            connections_max=broker.connections_max,
            queued_bytes_max=broker.queued_bytes_max,
        )
        self.connects = 0.0
        self.log_read, self.is_stuck = 0, False
        _log.info("broker_started", kind=self.broker.kind, url=self.broker.url)

    def child(self) -> Child:
        """The running broker as a supervised child."""
        child = Child("broker", self._restart)
        child.process = self._running().process
        return child

    def environment(self) -> dict[str, str]:
        """Settings by which ingest and core find the broker."""
        running = self._running()
        encrypted = running.listener.tls is not None
        return {
            **login_environment(self.passwords, self.site, encrypted=encrypted),
            "EQUIPWATCH_BROKER__URL": running.url,
            "EQUIPWATCH_BROKER__DISPATCH_MQTT5": str(running.kind == "mosquitto"),
        }

    def follow(self) -> None:
        """Give the broker new logins and certificates when registry or files have changed."""
        now_s = time.monotonic()
        if now_s < self.due_s:
            return
        self.due_s = now_s + _REGISTRY_POLL_S
        self._save_sessions()
        self._end_when_stuck()
        if now_s >= self.renewal_due_s:
            self.renewal_due_s = now_s + _RENEWAL_POLL_S
            prepared_tls(self.settings.broker, self.site)
        logins, stamps = self._logins_if_changed(), _stamps(self._running().listener.tls)
        if logins is None and stamps == self.certificates:
            return
        self.certificates = stamps
        self._running().reload(logins)
        _log.info("broker_reloaded", registry_version=self.version, logins_changed=bool(logins))

    def _save_sessions(self) -> None:
        """Save ingest's session as soon as it is there, and not at the next autosave.

        A broker that is killed before would come back without it, and drop what devices send until
        ingest has subscribed again.
        """
        connects = _connects(self.site)
        if connects != self.connects:
            self.connects = connects
            self._running().save()

    def _end_when_stuck(self) -> None:
        """End a nats-server whose full disk has space again; the supervisor starts it anew."""
        running = self._running()
        if running.kind != "nats":
            return
        with running.log.open("rb") as log:
            log.seek(self.log_read)
            said = log.read()
        self.log_read += len(said)
        self.is_stuck |= STUCK_TEXT in said
        free_bytes = shutil.disk_usage(self.site.broker).free
        if self.is_stuck and free_bytes >= STUCK_FREE_BYTES:
            self.is_stuck = False
            _log.warning("broker_stuck", free_bytes=free_bytes)
            running.process.terminate()

    def _restart(self) -> "subprocess.Popen[bytes]":
        self.start()
        return self._running().process

    def _running(self) -> BrokerProcess:
        if self.broker is None:
            raise RuntimeError("the broker was not started")
        return self.broker

    def _logins(self) -> Sequence[Login]:
        self.version = -1
        logins = self._logins_if_changed()
        return logins or ()

    def _logins_if_changed(self) -> Sequence[Login] | None:
        state = open_state(self.settings, self.site)
        try:
            return self._read_logins(state)
        finally:
            state.close()

    def _read_logins(self, state: StateStore) -> Sequence[Login] | None:
        with state.reading() as tx:
            version = tx.registry.version()
            if version == self.version:
                return None
            fleet, firms = tx.registry.fleet(), tx.registry.firms()
        self.version = version
        self.passwords = ensure_passwords(self.site.broker, usernames(fleet, firms))
        return logins_for(fleet, firms, self.passwords)


def _connects(site: Site) -> float:
    """How often ingest has connected since its start, by its own last word; 0 when unknown."""
    if not site.ingest_stats.exists():
        return 0.0
    stats = msgspec.json.decode(site.ingest_stats.read_bytes(), type=dict[str, float])
    return stats.get("connects", 0.0)


def _stamps(tls: Tls | None) -> tuple[int, ...]:
    """When the broker's certificate and the revocation list were last written."""
    return (
        () if tls is None else (tls.certificate.stat().st_mtime_ns, tls.revoked.stat().st_mtime_ns)
    )
