"""A private PostgreSQL server for tests, from Debian's server programs."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg

PROGRAMS = Path("/usr/lib/postgresql")
READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
ACCOUNT = "postgres"


class ServerMissingError(Exception):
    """PostgreSQL's server programs, or an account to run them, are not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A running server on the loopback address; everybody on the machine may log in."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{ACCOUNT}@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """Name of a fresh database that holds what a template does: nothing by default."""
        name = f"test_{uuid4().hex}"
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return name

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=ACCOUNT, dbname="postgres", autocommit=True
        )


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server in a temporary folder, and stop it at the end.

    Raises
    ------
    ServerMissingError
        If the programs are missing.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="equipwatch-postgres-"))
    try:
        _own(folder)
        data = folder / "data"
        initdb: list[str | Path] = [programs / "initdb", "--pgdata", data, "--username", ACCOUNT]
        initdb += ["--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        subprocess.run(_as_account(initdb), cwd=folder, check=True, capture_output=True)
        port = _free_port()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                _as_account([programs / "postgres", "-D", data, *_options(folder, port)]),
                cwd=folder,
                stdout=log,
                stderr=log,
            )
            try:
                server = PostgresServer(port=port)
                _wait_ready(server, process, folder / "log")
                yield server
            finally:
                _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = sorted(PROGRAMS.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise ServerMissingError("PostgreSQL's server programs are missing: install postgresql")
    return found[-1].parent


def _as_account(command: list[str | Path]) -> list[str]:
    """``command`` as an account that PostgreSQL accepts: it refuses to run as root."""
    words = [str(word) for word in command]
    if os.geteuid() != 0:
        return words
    if shutil.which("setpriv") is None:
        raise ServerMissingError("setpriv is missing: root cannot run PostgreSQL without it")
    return ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--init-groups", *words]


def _own(folder: Path) -> None:
    if os.geteuid() != 0:
        return
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError as error:
        raise ServerMissingError(f"There is no account {ACCOUNT} to run the server") from error
    os.chown(folder, account.pw_uid, account.pw_gid)


def _options(folder: Path, port: int) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "max_connections": "100",
        "shared_buffers": "32MB",
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                text = log.read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"PostgreSQL did not start:\n{text}") from error
            time.sleep(0.05)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown of the process that we started; setpriv has replaced itself by it."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
