"""Snapshots of decoder and detector state, so that a restart replays seconds and not days."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from runtime.site import write_private

KEPT_SNAPSHOTS = 3
"""Older files are deleted: three survive a torn newest one and a store that lags behind."""

_VERSION = 1
_log = structlog.get_logger(__name__)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """State after the frame at ``position`` was applied.

    Parameters
    ----------
    counters
        Totals of the decoder up to ``position``.
    """

    position: int
    decoder: bytes
    bank: bytes
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class SnapshotDirectory:
    """Snapshot files of one pipeline, named by their journal position."""

    path: Path

    def save(self, snapshot: Snapshot) -> None:
        """Write a snapshot beside the others, and drop the oldest."""
        self.path.mkdir(parents=True, exist_ok=True)
        body = msgspec.msgpack.encode(snapshot)
        header = bytes([_VERSION]) + zlib.crc32(body).to_bytes(4, "big")
        write_private(self.path / f"{snapshot.position:020d}.snapshot", header + body)
        for old in self._files()[KEPT_SNAPSHOTS:]:
            old.unlink(missing_ok=True)

    def newest(self, position_max: int) -> Snapshot | None:
        """Newest readable snapshot at or before a position."""
        return next(self._readable(position_max), None)

    def oldest_position(self) -> int:
        """Position that the journal must keep everything after; 0 without snapshots."""
        files = self._files()
        return int(files[-1].stem) if files else 0

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("*.snapshot"), reverse=True)

    def _readable(self, position_max: int) -> Iterator[Snapshot]:
        for file in self._files():
            if int(file.stem) > position_max:
                continue
            data = file.read_bytes()
            if data[:1] == bytes([_VERSION]) and _intact(data):
                yield msgspec.msgpack.decode(data[5:], type=Snapshot)
            else:
                _log.warning("snapshot_unreadable", file=file.name)


def _intact(data: bytes) -> bool:
    return zlib.crc32(data[5:]) == int.from_bytes(data[1:5], "big")
