"""The service: a supervisor with the broker, the ingest process and the core process."""

import socket
import threading
from collections.abc import Sequence

import msgspec
import structlog

from ingest.broker import INGEST_USER, load_passwords
from ingest.disk import share_of
from ingest.journal import SEGMENT_BYTES_MAX, JournalWriter
from ingest.session import Ingest, SessionSettings
from runtime.settings import Settings
from runtime.site import Site, write_private
from runtime.supervisor import Child, Supervisor, spawn
from runtime.workers import Workers, collect_rarely

ROLES = ("ingest", "pipeline", "dispatch", "api")

PASSWORDS = "passwords.csv"
"""File of the broker's directory that keeps every login's password."""

_CORE = ("pipeline", "dispatch", "api")
_STATS_INTERVAL_S = 1.0

_log = structlog.get_logger(__name__)


def run_ingest(settings: Settings, site: Site) -> int:
    """Run the ingest process until told to stop; return an exit code."""
    journal = settings.journal
    ingest = Ingest(
        _session(settings, site),
        lambda: JournalWriter(
            site.journal,
            segment_s=journal.segment_s,
            # The byte limit acts on whole segments, so a small budget needs small ones.
            segment_bytes_max=min(SEGMENT_BYTES_MAX, journal.max_bytes // 20),
        ),
        disk_share=share_of(site.journal, journal.max_bytes),
    )
    collect_rarely()
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
        # The children carry no code for certificates: they use files.
        from runtime.broker import BrokerKeeper

        keeper = BrokerKeeper(settings, site)
        keeper.start()
        environment |= keeper.environment()
        children.append(keeper.child())
        poll = keeper.follow
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
    """Our own logins on a broker that `init_broker` has prepared, when settings name no others.

    What the settings say about certificates goes before the files of the installation.
    """
    passwords = load_passwords(site.broker / PASSWORDS)
    if settings.broker.username or INGEST_USER not in passwords:
        return {}
    from runtime.broker import login_environment

    found = login_environment(passwords, site, encrypted=settings.broker.url.startswith("mqtts:"))
    named = {"TLS_CA": settings.broker.tls_ca, "TLS_CLIENT": settings.broker.tls_client}
    named["NOTIFY_TLS_CLIENT"] = settings.broker.notify_tls_client
    return found | {f"EQUIPWATCH_BROKER__{key}": value for key, value in named.items() if value}


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
        tls_client=broker.tls_client,
        commit_interval_s=ingest.commit_interval_s,
        commit_messages=ingest.commit_messages,
        receive_maximum=ingest.receive_maximum,
        session_expiry_s=ingest.session_expiry_s,
    )


def _write_stats(ingest: Ingest, site: Site, stop: threading.Event) -> None:
    """Tell the core process how ingest is doing: they share nothing but files.

    On a full disk that fails, which must not end the session: stale counters say enough.
    """
    failed = False
    while not stop.wait(_STATS_INTERVAL_S):
        try:
            write_private(site.ingest_stats, msgspec.json.encode(ingest.stats()))
        except OSError as error:
            if not failed:
                _log.warning("stats_not_written", error=str(error))
            failed = True
        else:
            failed = False
