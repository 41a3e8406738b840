"""A private InfluxDB 1.x server for tests: Debian's influxd on free loopback ports."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx2

READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20

_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"

[meta]
  dir = "{folder}/meta"

[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false

[http]
  bind-address = "127.0.0.1:{http_port}"
  log-enabled = false

[monitor]
  store-enabled = false

[logging]
  level = "warn"
"""


class ServerMissingError(Exception):
    """influxd is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxServer:
    """A running server on the loopback address, without logins."""

    url: str

    def query(self, text: str, database: str = "") -> list[dict[str, object]]:
        """Result of every statement; an error of any fails the test."""
        response = httpx2.post(
            f"{self.url}/query", data={"q": text, "db": database, "epoch": "ns"}, timeout=30
        )
        response.raise_for_status()
        results: list[dict[str, object]] = response.json()["results"]
        assert all("error" not in result for result in results), (text, results)
        return results

    def new_database(self) -> str:
        """Name of a fresh, empty database."""
        name = f"test_{uuid4().hex}"
        self.query(f'CREATE DATABASE "{name}"')
        return name


@contextmanager
def influx_server() -> Iterator[InfluxServer]:
    """Start a server in a temporary folder, and stop it at the end.

    Raises
    ------
    ServerMissingError
        If influxd is not on the path.
    """
    program = shutil.which("influxd")
    if program is None:
        raise ServerMissingError("influxd is missing: install Debian's package influxdb")
    folder = Path(tempfile.mkdtemp(prefix="equipwatch-influxdb-"))
    http_port, rpc_port = _free_ports(2)
    config = folder / "influxdb.conf"
    config.write_text(_CONFIG.format(folder=folder, http_port=http_port, rpc_port=rpc_port))
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([program, "-config", config], stdout=log, stderr=log)
            try:
                server = InfluxServer(url=f"http://127.0.0.1:{http_port}")
                _wait_ready(server, process, folder / "log")
                yield server
            finally:
                _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _wait_ready(server: InfluxServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            httpx2.get(f"{server.url}/ping", timeout=5).raise_for_status()
        except httpx2.HTTPError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                text = log.read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"influxd did not start:\n{text}") from error
            time.sleep(0.05)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
