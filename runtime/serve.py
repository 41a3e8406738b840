"""The service: a supervisor with the broker, the ingest process and the core process."""

import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from domain.ports import StateStore
from ingest.broker import (
    DISPATCH_USER,
    INGEST_USER,
    BrokerProcess,
    Login,
    ensure_passwords,
    load_passwords,
    logins_for,
    start_broker,
    usernames,
    write_config,
)
from ingest.disk import share_of
from ingest.journal import JournalWriter
from ingest.session import Ingest, SessionSettings
from runtime.settings import Settings
from runtime.site import Site, write_private
from runtime.supervisor import Child, Supervisor, spawn
from runtime.wiring import open_state
from runtime.workers import Workers

ROLES = ("ingest", "pipeline", "dispatch", "api")

PASSWORDS = "passwords.csv"
"""File of the broker's directory that keeps every login's password."""

_CORE = ("pipeline", "dispatch", "api")
_STATS_INTERVAL_S = 1.0
_REGISTRY_POLL_S = 2.0

_log = structlog.get_logger(__name__)


def run_ingest(settings: Settings, site: Site) -> int:
    """Run the ingest process until told to stop; return an exit code."""
    journal = settings.journal
    ingest = Ingest(
        _session(settings, site),
        lambda: JournalWriter(site.journal, segment_s=journal.segment_s),
        disk_share=share_of(site.journal, journal.max_bytes),
    )
    workers = Workers(on_failure=lambda: None)
    workers.start("ingest", ingest.run)
    workers.start("stats", lambda stop: _write_stats(ingest, site, stop))
    workers.stop_on_signal()
    workers.wait()
    workers.stop()
    return 1 if workers.failed else 0


def supervise(settings: Settings, site: Site) -> None:
    """Run the whole service until told to stop."""
    site.create()
    site.secrets()
    # Children find the same console at every start, so a free port is chosen once, here.
    http = settings.http
    environment = {
        "EQUIPWATCH_HTTP__HOST": http.host,
        "EQUIPWATCH_HTTP__PORT": str(http.port or free_port(http.host)),
    }
    children: list[Child] = []
    poll = None
    if settings.broker.url:
        environment |= prepared_logins(settings, site)
    else:
        keeper = BrokerKeeper(settings, site)
        keeper.start()
        environment |= keeper.environment()
        children.append(keeper.child())
        poll = keeper.follow_registry
    children += [
        Child("ingest", lambda: spawn(_arguments(site, ["ingest"]), environment)),
        Child("core", lambda: spawn(_arguments(site, _CORE), environment)),
    ]
    site.endpoints.unlink(missing_ok=True)
    try:
        Supervisor(children).run(poll)
    finally:
        site.endpoints.unlink(missing_ok=True)


def prepared_logins(settings: Settings, site: Site) -> dict[str, str]:
    """Our own logins on a broker that `init_broker` has prepared, when settings name no others."""
    passwords = load_passwords(site.broker / PASSWORDS)
    if settings.broker.username or INGEST_USER not in passwords:
        return {}
    return _login_environment(passwords)


def _login_environment(passwords: Mapping[str, str]) -> dict[str, str]:
    return {
        "EQUIPWATCH_BROKER__USERNAME": INGEST_USER,
        "EQUIPWATCH_BROKER__PASSWORD": passwords[INGEST_USER],
        "EQUIPWATCH_BROKER__NOTIFY_USERNAME": DISPATCH_USER,
        "EQUIPWATCH_BROKER__NOTIFY_PASSWORD": passwords[DISPATCH_USER],
    }


@dataclass(slots=True)
class BrokerKeeper:
    """Our own broker: started, restarted, and kept in step with the registry.

    Parameters
    ----------
    version
        Registry version that its logins are of.
    """

    settings: Settings
    site: Site
    version: int = -1
    broker: BrokerProcess | None = None
    passwords: dict[str, str] = field(default_factory=dict)
    due_s: float = 0.0

    def start(self) -> None:
        """Start it with the registry's logins."""
        broker = self.settings.broker
        port = broker.port if self.broker is None else int(self.broker.url.rsplit(":", 1)[1])
        self.broker = start_broker(
            self.site.broker, self._logins(), host=broker.host, port=port, prefer=broker.prefer
        )
        _log.info("broker_started", kind=self.broker.kind, url=self.broker.url)

    def child(self) -> Child:
        """The running broker as a supervised child."""
        child = Child("broker", self._restart)
        child.process = self._running().process
        return child

    def environment(self) -> dict[str, str]:
        """Settings by which ingest and core find the broker."""
        running = self._running()
        return {
            **_login_environment(self.passwords),
            "EQUIPWATCH_BROKER__URL": running.url,
            "EQUIPWATCH_BROKER__DISPATCH_MQTT5": str(running.kind == "mosquitto"),
        }

    def follow_registry(self) -> None:
        """Give the broker new logins when the registry has changed."""
        if time.monotonic() < self.due_s:
            return
        self.due_s = time.monotonic() + _REGISTRY_POLL_S
        logins = self._logins_if_changed()
        if logins is not None:
            self._running().reload(logins)
            _log.info("broker_reloaded", logins=len(logins), registry_version=self.version)

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


def init_broker(
    state: StateStore, directory: Path, *, host: str, port: int
) -> tuple[Path, Mapping[str, str]]:
    """Write mosquitto's configuration, passwords and ACL; return the file and the passwords."""
    with state.reading() as tx:
        fleet, firms = tx.registry.fleet(), tx.registry.firms()
    passwords = ensure_passwords(directory, usernames(fleet, firms))
    logins = logins_for(fleet, firms, passwords)
    return write_config(directory, logins, host=host, port=port, kind="mosquitto"), passwords


def free_port(host: str) -> int:
    """Port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _arguments(site: Site, roles: Sequence[str]) -> list[str]:
    chosen = [argument for role in roles for argument in ("--role", role)]
    return ["serve", "--data", str(site.root), *chosen]


def _session(settings: Settings, site: Site) -> SessionSettings:
    broker, ingest = settings.broker, settings.ingest
    return SessionSettings(
        url=broker.url,
        username=broker.username,
        password=broker.password.get_secret_value(),
        client_id=site.secrets().ingest_client_id,
        tls_ca=broker.tls_ca,
        commit_interval_s=ingest.commit_interval_s,
        commit_messages=ingest.commit_messages,
        receive_maximum=ingest.receive_maximum,
        session_expiry_s=ingest.session_expiry_s,
    )


def _write_stats(ingest: Ingest, site: Site, stop: threading.Event) -> None:
    """Tell the core process how ingest is doing: they share nothing but files."""
    while not stop.wait(_STATS_INTERVAL_S):
        write_private(site.ingest_stats, msgspec.json.encode(ingest.stats()))
