"""Snapshots of decoder and detector state, so that a restart replays seconds and not days."""

import functools
import itertools
import struct
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

_VERSION = 2
_PREFIX = struct.Struct(">BII")
"""Version, checksum of all that follows it, length of the head."""

_log = structlog.get_logger(__name__)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """State after the frame at ``position`` was applied.

    Parameters
    ----------
    shadow
        State of the candidates beside live detection; empty when none runs.
    counters
        Totals of the decoder up to ``position``.
    """

    position: int
    decoder: bytes
    bank: bytes
    ledger: bytes
    counters: dict[str, int]
    shadow: bytes = b""


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """What stands before the parts of a file.

    The parts are written as they are: one more copy of them would be felt in the memory needed.
    The candidates' part is left out when it is empty.
    """

    position: int
    counters: dict[str, int]
    sizes: tuple[int, ...]


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
        parts = _parts(snapshot)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_private(self._file(snapshot.position), *parts)
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
            snapshot = _snapshot(memoryview(data))
            if snapshot is None:
                _log.warning("snapshot_unreadable", file=file.name)
            else:
                yield snapshot


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


def _parts(snapshot: Snapshot) -> tuple[bytes, ...]:
    """What a file consists of."""
    parts: tuple[bytes, ...] = (snapshot.decoder, snapshot.bank, snapshot.ledger)
    if snapshot.shadow:
        parts = (*parts, snapshot.shadow)
    head = msgspec.msgpack.encode(
        _Head(
            position=snapshot.position,
            counters=snapshot.counters,
            sizes=tuple(map(len, parts)),
        )
    )
    crc = functools.reduce(lambda crc, part: zlib.crc32(part, crc), (head, *parts), 0)
    return (_PREFIX.pack(_VERSION, crc, len(head)), head, *parts)


def _snapshot(data: memoryview) -> Snapshot | None:
    """Content of a file, ``None`` when it is torn or of another version."""
    if len(data) < _PREFIX.size:
        return None
    version, crc, length = _PREFIX.unpack_from(data)
    body = data[_PREFIX.size :]
    if version != _VERSION or zlib.crc32(body) != crc:
        return None
    head = msgspec.msgpack.decode(body[:length], type=_Head)
    ends = list(itertools.accumulate((length, *head.sizes)))
    decoder, bank, ledger, *shadow = (bytes(body[a:b]) for a, b in itertools.pairwise(ends))
    return Snapshot(
        position=head.position,
        decoder=decoder,
        bank=bank,
        ledger=ledger,
        counters=head.counters,
        shadow=shadow[0] if shadow else b"",
    )
