"""The journal: every message as the broker handed it over, in order, durable before its PUBACK.

A frame is one row of one SQLite database (WAL, ``synchronous=FULL``), a database is one segment of
at most one hour, and segments lie in one directory, named by the position of their first frame.
One process writes; any number of processes read at the same time. Positions run from 1 over all
segments without gaps, so a consumer that records the position it has come to can be killed anywhere
and continue. Ticks are frames without messages: they prove that time passed.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from domain.instants import NS_PER_S
from domain.messages import Frame, Message
from ingest.segments import (
    INSERT,
    MESSAGES,
    SCHEMA,
    SELECT,
    SUFFIX,
    TICK,
    JournalCorruptError,
    JournalError,
    JournalLockedError,
    JournalReadError,
    JournalRewoundError,
    JournalWriteError,
    Pruned,
    Row,
    Segment,
    Tail,
    body_of,
    connect,
    crc_of,
    frame_of,
    prune,
    segments_of,
    tail_of,
)

__all__ = [
    "FRAME_BYTES_MAX",
    "READ_BYTES_MAX",
    "READ_FRAMES_MAX",
    "SEGMENT_BYTES_MAX",
    "SEGMENT_S",
    "JournalCorruptError",
    "JournalError",
    "JournalLockedError",
    "JournalReadError",
    "JournalReader",
    "JournalRewoundError",
    "JournalWriteError",
    "JournalWriter",
    "Pruned",
    "prune",
]

SEGMENT_S = 3_600
"""Longest time that one segment covers."""

SEGMENT_BYTES_MAX = 1 << 30
"""Message bytes after which a segment ends early, so that the byte limit can act on whole ones."""

FRAME_BYTES_MAX = 128 << 20
"""Largest body of one frame; well below the 1 GB that SQLite holds in one value."""

READ_FRAMES_MAX = 4_096
"""Most frames of one read: bounds a long run of ticks."""

READ_BYTES_MAX = 8 << 20
"""Body bytes after which a read stops, however few messages it has: full batches of gateways take
twenty times their size in memory while they are decoded."""

_LOCK_NAME = "writer.lock"
_PAGE_BYTES = 8_192


@dataclass(slots=True, kw_only=True)
class _Budget:
    """What one read may still return; the first frame is always granted."""

    messages: int
    frames: int
    bytes: int
    granted: int = 0

    def take(self, messages: int, size_bytes: int) -> bool:
        self.messages -= messages
        self.frames -= 1
        self.bytes -= size_bytes
        exceeded = min(self.messages, self.frames, self.bytes) < 0
        if exceeded and self.granted:
            return False
        self.granted += 1
        return True


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class JournalWriter:
    """The one writer of a journal directory; it continues where the last one ended.

    Parameters
    ----------
    directory
        Created when missing. Its lock file keeps a second writer out until this process closes the
        writer or dies.
    segment_s
        A frame whose received hour (``received_at_ns // segment_s``) differs opens a new segment.
    segment_bytes_max
        Body bytes after which a new segment opens early.
    durable
        ``False`` leaves flushing to the operating system, for offline replays into a journal that
        is thrown away: a power cut may lose or damage it.

    Raises
    ------
    JournalLockedError
        If another writer holds the directory.
    JournalWriteError
        If the directory or its newest segment cannot be opened.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_s: int = SEGMENT_S,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        durable: bool = True,
    ) -> None:
        self._directory = directory
        self._segment_ns = segment_s * NS_PER_S
        self._segment_bytes_max = segment_bytes_max
        self._durable = durable
        self._connection: sqlite3.Connection | None = None
        self._hour: int | None = None
        self._segment_bytes = 0
        self._position = 0
        self._messages = 0
        self._failed = False
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(directory)
        try:
            with _write_errors():
                self._resume()
        except BaseException:
            self.close()
            raise

    @property
    def last_position(self) -> int:
        """Position of the newest frame; 0 for an empty journal."""
        return self._position

    @property
    def messages(self) -> int:
        """Messages journalled in total, pruned ones included."""
        return self._messages

    def append(self, messages: Sequence[Message], received_at_ns: int) -> int:
        """Commit messages as one frame and return its position; on return they are durable.

        Raises
        ------
        JournalWriteError
            If the commit failed (disk full, I/O error). The frame is not acknowledgeable and the
            writer refuses further frames: open the directory anew.
        """
        if not messages:
            raise ValueError("a frame without messages is a tick")
        return self._commit(MESSAGES, body_of(messages), len(messages), received_at_ns)

    def tick(self, now_ns: int) -> int:
        """Commit a frame without messages and return its position; errors as `append`."""
        return self._commit(TICK, b"", 0, now_ns)

    def close(self) -> None:
        """Close the segment and give the directory free; harmless when already closed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._lock.close()

    def _commit(self, kind: int, body: bytes, count: int, received_at_ns: int) -> int:
        if self._failed or self._lock.closed:
            raise JournalWriteError("the journal was closed or a former commit failed")
        if len(body) > FRAME_BYTES_MAX:
            raise ValueError(f"a frame of {len(body)} bytes exceeds {FRAME_BYTES_MAX}")
        position, first = self._position + 1, self._messages + 1
        crc = crc_of(position, received_at_ns, first, count, kind, body)
        try:
            with _write_errors():
                connection = self._segment_for(received_at_ns)
                connection.execute(
                    INSERT, (position, received_at_ns, first, count, kind, crc, body)
                )
        except JournalWriteError:
            # Whether the row reached the disk is unknown now; only a fresh look can tell.
            self._failed = True
            raise
        self._position, self._messages = position, first + count - 1
        self._segment_bytes += len(body)
        return position

    def _segment_for(self, received_at_ns: int) -> sqlite3.Connection:
        hour = received_at_ns // self._segment_ns
        if self._hour is None:
            self._hour = hour
        # One hour back is a clock correction at the border, not a reason for another segment.
        same_hour = hour in (self._hour, self._hour - 1)
        if self._connection is None or not same_hour or self._segment_full():
            if self._connection is not None:
                self._connection.close()
            self._hour, self._segment_bytes = hour, 0
            self._connection = self._open(self._create())
        return self._connection

    def _segment_full(self) -> bool:
        return self._segment_bytes >= self._segment_bytes_max

    def _create(self) -> Path:
        """Create the next segment whole under another name, so that readers never see half one."""
        path = self._directory / f"{self._position + 1:020d}{SUFFIX}"
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(SCHEMA)
        finally:
            connection.close()
        draft.rename(path)
        _sync_directory(self._directory)
        return path

    def _open(self, path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'OFF'}")
        return connection

    def _resume(self) -> None:
        for draft in self._directory.glob("*.new*"):
            draft.unlink()
        segments = segments_of(self._directory)
        if not segments:
            return
        newest = segments[-1]
        self._connection = self._open(newest.path)
        tail = tail_of(self._connection, newest)
        self._position = tail.position
        self._segment_bytes = newest.size_bytes()
        if tail.received_at_ns is not None:
            self._hour = tail.received_at_ns // self._segment_ns
        self._messages = tail.messages or 0
        if tail.messages is None and len(segments) > 1:
            with contextlib.closing(connect(segments[-2].path)) as previous:
                self._messages = tail_of(previous, segments[-2]).messages or 0


def _lock(directory: Path) -> IO[str]:
    """Take the directory's lock; the system releases it even when the process is killed."""
    lock = (directory / _LOCK_NAME).open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise JournalLockedError(
            f"journal {directory} is already written by process {holder}; stop it first"
        ) from error
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


@contextlib.contextmanager
def _write_errors() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise JournalWriteError(f"the journal cannot be written: {error}") from error


class JournalReader:
    """A reader of a journal directory, in any process, also while the writer writes.

    One thread at a time uses a reader; open another reader for another thread.

    Parameters
    ----------
    directory
        It may be missing or empty: then there is nothing to read yet.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._connections: dict[Path, sqlite3.Connection] = {}

    def read(self, after_position: int, limit_messages: int) -> list[Frame]:
        """Frames after a position in order; empty when there is nothing new.

        At least one frame is returned when there is one, so a limit smaller than a frame still
        makes progress. Beyond that a read ends before the frame that would exceed
        ``limit_messages``, `READ_FRAMES_MAX` or `READ_BYTES_MAX`. Frames that were pruned are
        skipped: then the first frame's position is larger than ``after_position + 1``.

        Raises
        ------
        JournalCorruptError
            If a frame's checksum is wrong or a position is missing. Frames before it are returned
            first, so the error comes when the damaged frame is the next one.
        JournalReadError
            If a segment cannot be opened or read.
        JournalRewoundError
            If the journal ends before ``after_position``.
        """
        frames: list[Frame] = []
        try:
            frames.extend(self._frames(after_position, limit_messages))
        except JournalError:
            if not frames:
                raise
        if not frames and self.last_position() < after_position:
            raise JournalRewoundError(
                f"the journal {self._directory} ends at {self.last_position()}, but "
                f"{after_position} was already read from it: it was replaced or cut"
            )
        return frames

    def last_position(self) -> int:
        """Position of the newest frame; 0 for an empty journal."""
        tail = self._newest()
        return 0 if tail is None else tail.position

    def oldest_position(self) -> int:
        """Position of the oldest frame not pruned; 0 for an empty journal."""
        segments = segments_of(self._directory)
        return segments[0].first if segments and self.last_position() else 0

    def counts(self) -> int:
        """Messages journalled in total, pruned ones included."""
        tail = self._newest()
        return 0 if tail is None else tail.messages or 0

    def close(self) -> None:
        """Close open segments; the reader may be used again and opens them anew."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _frames(self, after_position: int, limit_messages: int) -> Iterator[Frame]:
        # The listing comes before the first row: a segment that has a successor in it can no
        # longer grow, so its end is final and the successor follows without a gap.
        segments = self._listed(after_position)
        budget = _Budget(messages=limit_messages, frames=READ_FRAMES_MAX, bytes=READ_BYTES_MAX)
        expected = after_position + 1
        for number, segment in enumerate(segments):
            if number == 0:
                expected = max(expected, segment.first)
            elif segment.first != expected:
                raise JournalCorruptError(expected, segment.path.name, "frames are missing")
            for row in self._select(segment, expected):
                if row[0] != expected:
                    raise JournalCorruptError(expected, segment.path.name, "a frame is missing")
                if not budget.take(row[3], len(row[6])):
                    return
                yield frame_of(row, segment)
                expected += 1

    def _listed(self, after_position: int) -> list[Segment]:
        """Segments from the one that holds the next position on; others are closed."""
        segments = segments_of(self._directory)
        passed = sum(1 for segment in segments[1:] if segment.first <= after_position + 1)
        wanted = segments[passed:]
        for path in self._connections.keys() - {segment.path for segment in wanted}:
            self._connections.pop(path).close()
        return wanted

    def _select(self, segment: Segment, expected: int) -> Iterator[Row]:
        try:
            cursor = self._open(segment).execute(SELECT, (expected - 1,))
            with contextlib.closing(cursor):
                yield from cursor
        except sqlite3.OperationalError as error:
            raise JournalReadError(f"segment {segment.path.name}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise JournalCorruptError(expected, segment.path.name, str(error)) from error

    def _newest(self) -> Tail | None:
        """End of the journal; a just opened segment without frames defers to its predecessor."""
        segments = segments_of(self._directory)
        if not segments:
            return None
        tail = tail_of(self._open(segments[-1]), segments[-1])
        if tail.messages is None and len(segments) > 1:
            tail = tail_of(self._open(segments[-2]), segments[-2])
        return tail

    def _open(self, segment: Segment) -> sqlite3.Connection:
        connection = self._connections.get(segment.path)
        if connection is None:
            connection = connect(segment.path)
            connection.execute("PRAGMA query_only=ON")
            self._connections[segment.path] = connection
        return connection
