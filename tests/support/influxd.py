"""A private InfluxDB 1.x server for tests: Debian's influxd on free loopback ports."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx2

from runtime.selftest.influx import Influx, influxd_program


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
    program = influxd_program()
    if program is None:
        raise ServerMissingError("influxd is missing: install Debian's package influxdb")
    folder = Path(tempfile.mkdtemp(prefix="equipwatch-influxdb-"))
    influx = Influx(program=program, folder=folder)
    try:
        influx.start()
        yield InfluxServer(url=influx.url)
    finally:
        influx.kill()  # What it holds is thrown away: it need not write it out first.
        shutil.rmtree(folder, ignore_errors=True)
