"""Snapshots of decoder and detector state, so that a restart replays seconds and not days."""

import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from domain.errors import DependencyError
from runtime.site import write_private

KEPT_SNAPSHOTS = 3
"""Newest files that are always kept: three survive a torn newest one."""

KEPT_BETWEEN = 12
"""Files kept between those and the one that a store which lags behind needs, spread evenly."""

NOTHING_LAGS = sys.maxsize
"""Position of the slowest store when every store has everything."""

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
    ledger: bytes
    counters: dict[str, int]


class Snapshots(Protocol):
    """Where the pipeline saves its state, and the loader finds where to begin."""

    def save(self, snapshot: Snapshot, slowest_position: int = NOTHING_LAGS) -> None:
        """Keep a snapshot; the newest one at or before ``slowest_position`` is kept too."""

    def newest(self, position_max: int) -> Snapshot | None:
        """Newest readable snapshot at or before a position."""

    def oldest_position(self) -> int:
        """Position of the oldest snapshot kept; 0 without snapshots."""


@dataclass(frozen=True, slots=True)
class SnapshotDirectory:
    """Snapshot files of one pipeline, named by their journal position."""

    path: Path

    def save(self, snapshot: Snapshot, slowest_position: int = NOTHING_LAGS) -> None:
        """Write a snapshot beside the others, and delete those that nobody needs.

        Parameters
        ----------
        slowest_position
            Position of the store that lags most: the newest snapshot at or before it is kept.

        Raises
        ------
        DependencyError
            If the file could not be written; older ones stay.
        """
        body = msgspec.msgpack.encode(snapshot)
        header = bytes([_VERSION]) + zlib.crc32(body).to_bytes(4, "big")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_private(self._file(snapshot.position), header + body)
            for position in superfluous(self._positions(), slowest_position):
                self._file(position).unlink(missing_ok=True)
        except OSError as error:
            raise DependencyError(f"a snapshot could not be written: {error}") from error

    def newest(self, position_max: int) -> Snapshot | None:
        """Newest readable snapshot at or before a position."""
        return next(self._readable(position_max), None)

    def oldest_position(self) -> int:
        """Position of the oldest snapshot kept; 0 without snapshots."""
        return min(self._positions(), default=0)

    def _file(self, position: int) -> Path:
        return self.path / f"{position:020d}.snapshot"

    def _positions(self) -> list[int]:
        """Positions of the files, newest first."""
        return sorted((int(file.stem) for file in self.path.glob("*.snapshot")), reverse=True)

    def _readable(self, position_max: int) -> Iterator[Snapshot]:
        for position in self._positions():
            if position > position_max:
                continue
            file = self._file(position)
            try:
                data = file.read_bytes()
            except OSError as error:
                _log.warning("snapshot_unreadable", file=file.name, error=str(error))
                continue
            if data[:1] == bytes([_VERSION]) and _intact(data):
                yield msgspec.msgpack.decode(data[5:], type=Snapshot)
            else:
                _log.warning("snapshot_unreadable", file=file.name)


def superfluous(positions: Sequence[int], slowest_position: int) -> list[int]:
    """Snapshots to delete, given all of them newest first.

    Kept are the newest `KEPT_SNAPSHOTS`, the one that the slowest store would begin from, and up
    to `KEPT_BETWEEN` in between: where two neighbours are closest, the one between them goes.
    """
    needed = next((p for p in positions if p <= slowest_position), 0)
    older = positions[KEPT_SNAPSHOTS:]
    deleted = [position for position in older if position < needed]
    kept = [position for position in positions if position >= needed or position not in older]
    first, last = KEPT_SNAPSHOTS, len(kept) - (needed in older)
    while last - first > KEPT_BETWEEN:
        ends = [*kept, 0]
        index = min(range(first, last), key=lambda i: ends[i - 1] - ends[i + 1])
        deleted.append(kept.pop(index))
        last -= 1
    return deleted


def _intact(data: bytes) -> bool:
    return zlib.crc32(data[5:]) == int.from_bytes(data[1:5], "big")
