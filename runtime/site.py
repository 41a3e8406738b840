"""A data directory: where everything of one installation lies, and its generated secrets."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec

from domain.errors import UsageError


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """Secrets generated at set-up.

    Parameters
    ----------
    session_key
        Signs console sessions.
    ingest_client_id
        MQTT client id of ingest: who knows it could take its session over.
    admin_password
        First password of the console user ``admin``.
    """

    session_key: str
    ingest_client_id: str
    admin_password: str


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running service can be reached."""

    console: str
    broker: str


@dataclass(frozen=True, slots=True)
class Site:
    """Paths below one data directory."""

    root: Path

    @property
    def journal(self) -> Path:
        """Raw messages."""
        return self.root / "journal"

    @property
    def telemetry(self) -> Path:
        """DuckDB file."""
        return self.root / "telemetry.duckdb"

    @property
    def state_url(self) -> str:
        """Default state store."""
        return f"sqlite:///{self.state_file}"

    @property
    def state_file(self) -> Path:
        """File of the default state store."""
        return self.root / "state.sqlite"

    @property
    def snapshots(self) -> Path:
        """Decoder and detector state."""
        return self.root / "snapshots"

    @property
    def broker(self) -> Path:
        """Configuration, passwords and data of our own broker."""
        return self.root / "broker"

    @property
    def endpoints(self) -> Path:
        """Written while the service runs."""
        return self.root / "endpoints.json"

    @property
    def ingest_stats(self) -> Path:
        """Counters of the ingest process, rewritten every second."""
        return self.root / "ingest-stats.json"

    def create(self) -> None:
        """Make the directory, readable by its owner only."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot use {self.root} as data directory: {error}") from error

    def secrets(self) -> Secrets:
        """Secrets of this installation, generated at the first call."""
        file = self.root / "secrets.json"
        self.create()
        if not file.exists():
            fresh = Secrets(
                session_key=secrets.token_urlsafe(32),
                ingest_client_id=f"equipwatch-ingest-{secrets.token_hex(16)}",
                admin_password=secrets.token_urlsafe(12),
            )
            write_private(file, msgspec.json.format(msgspec.json.encode(fresh)))
        return msgspec.json.decode(file.read_bytes(), type=Secrets)

    def read_endpoints(self) -> Endpoints | None:
        """Addresses of the running service, or ``None`` when none says that it runs."""
        if not self.endpoints.exists():
            return None
        return msgspec.json.decode(self.endpoints.read_bytes(), type=Endpoints)


def write_endpoints(site: Site, endpoints: Endpoints) -> None:
    """Say where the service can be reached."""
    write_private(site.endpoints, msgspec.json.encode(endpoints))


def write_private(file: Path, *parts: bytes) -> None:
    """Write a file that only its owner can read, so that a reader sees the old or the new whole."""
    temporary = file.with_suffix(f"{file.suffix}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.writelines(parts)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)
