"""The journal: every message as the broker handed it over, in order, durable before its PUBACK.

A frame is one row of one SQLite database (WAL, ``synchronous=FULL``), a database is one segment of
at most one hour, and segments lie in one directory, named by the position of their first frame.
One process writes; any number of processes read at the same time. Positions run from 1 over all
segments without gaps, so a consumer that records the position it has come to can be killed anywhere
and continue. Ticks are frames without messages: they prove that time passed.
"""

import contextlib
import fcntl
import itertools
import os
import re
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from domain.errors import ConflictError, DependencyError, EquipwatchError
from domain.instants import NS_PER_S
from domain.messages import Frame, Message

SEGMENT_S = 3_600
"""Longest time that one segment covers."""

SEGMENT_BYTES_MAX = 1 << 30
"""Message bytes after which a segment ends early, so that the byte limit can act on whole ones."""

FRAME_BYTES_MAX = 128 << 20
"""Largest body of one frame; well below the 1 GB that SQLite holds in one value."""

READ_FRAMES_MAX = 4_096
"""Most frames of one read: bounds a long run of ticks."""

READ_BYTES_MAX = 64 << 20
"""Body bytes after which a read stops, however few messages it has."""

_SUFFIX = ".journal"
_NAME = re.compile(r"(\d{20})\.journal")
_COMPANIONS = ("-wal", "-shm")
_LOCK_NAME = "writer.lock"
_BUSY_TIMEOUT_S = 30
_PAGE_BYTES = 8_192
_TICK, _MESSAGES = 0, 1
_HEADER = struct.Struct("<qqqqB")

_SCHEMA = """
CREATE TABLE frame (
    position INTEGER PRIMARY KEY,
    received_at_ns INTEGER NOT NULL,
    first_message INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
)
"""
_INSERT = "INSERT INTO frame VALUES (?, ?, ?, ?, ?, ?, ?)"
_SELECT = "SELECT * FROM frame WHERE position > ? ORDER BY position"
_NEWEST = (
    "SELECT position, received_at_ns, first_message, message_count FROM frame "
    "ORDER BY position DESC LIMIT 1"
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[str, bytes, int, bool]]).decode

_Row = tuple[int, int, int, int, int, int, bytes]


class JournalError(EquipwatchError):
    """Base of what can go wrong with the journal."""


class JournalLockedError(JournalError, ConflictError):
    """Another process writes this journal."""


class JournalWriteError(JournalError, DependencyError):
    """A frame could not be made durable: nothing in it may be acknowledged."""


class JournalCorruptError(JournalError):
    """A frame is damaged or missing.

    Parameters
    ----------
    position
        First position that cannot be trusted.
    """

    def __init__(self, position: int, segment: str, reason: str) -> None:
        super().__init__(f"journal frame {position} in segment {segment} is corrupt: {reason}")
        self.position = position
        self.segment = segment


class JournalReadError(JournalError, DependencyError):
    """A segment could not be read for a reason other than damage, such as missing rights."""


class JournalRewoundError(JournalError):
    """The journal ends before the position a consumer has recorded: it was replaced or cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What `prune` did.

    Parameters
    ----------
    segments
        Names of the deleted segments, oldest first.
    frames, bytes
        Frames and file bytes deleted.
    kept_bytes
        File bytes still there; above the byte limit only while a consumer lags behind.
    """

    segments: tuple[str, ...]
    frames: int
    bytes: int
    kept_bytes: int


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment file and the position its first frame has or will have."""

    path: Path
    first: int

    def size_bytes(self) -> int:
        return sum(_file_bytes(path) for path in self.files())

    def files(self) -> tuple[Path, ...]:
        return (self.path, *(self.path.with_name(self.path.name + c) for c in _COMPANIONS))


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


@dataclass(frozen=True, slots=True)
class _Tail:
    """Where a segment ends: its last position and instant, and messages in the journal so far."""

    position: int
    received_at_ns: int | None
    messages: int | None


def _file_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _segments(directory: Path) -> list[_Segment]:
    """Segments of a directory, oldest first; none when there is no directory yet."""
    try:
        paths = list(directory.iterdir())
    except FileNotFoundError:
        return []
    found = ((path, _NAME.fullmatch(path.name)) for path in paths)
    return sorted(
        (_Segment(path, int(match[1])) for path, match in found if match),
        key=lambda segment: segment.first,
    )


def _connect(path: Path) -> sqlite3.Connection:
    """Open an existing segment; only the writer ever creates one."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_TIMEOUT_S,
    )


def _tail(connection: sqlite3.Connection, segment: _Segment) -> _Tail:
    row = connection.execute(_NEWEST).fetchone()
    if row is None:
        return _Tail(segment.first - 1, None, None)
    position, received_at_ns, first_message, message_count = row
    return _Tail(position, received_at_ns, first_message + message_count - 1)


def _crc(position: int, received_at_ns: int, first: int, count: int, kind: int, body: bytes) -> int:
    header = _HEADER.pack(position, received_at_ns, first, count, kind)
    return zlib.crc32(body, zlib.crc32(header))


def _body(messages: Sequence[Message]) -> bytes:
    try:
        return _encode([(m.topic, m.payload, m.received_at_ns, m.retain) for m in messages])
    except UnicodeEncodeError:
        # A recorded stream may hold lone surrogates; no broker delivers such a topic, and the
        # decoder refuses the replaced one just the same.
        return _encode(
            [
                (m.topic.encode(errors="replace").decode(), m.payload, m.received_at_ns, m.retain)
                for m in messages
            ]
        )


def _frame(row: _Row, segment: _Segment) -> Frame:
    position, received_at_ns, first, count, kind, crc, body = row
    try:
        sound = _crc(position, received_at_ns, first, count, kind, body) == crc
        messages = tuple([Message(*fields) for fields in _decode(body)]) if sound and body else ()
    except (msgspec.MsgspecError, struct.error, TypeError) as error:
        raise JournalCorruptError(position, segment.path.name, str(error)) from error
    if not sound or len(messages) != count:
        raise JournalCorruptError(position, segment.path.name, "checksum mismatch")
    return Frame(position, received_at_ns, messages)


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
        return self._commit(_MESSAGES, _body(messages), len(messages), received_at_ns)

    def tick(self, now_ns: int) -> int:
        """Commit a frame without messages and return its position; errors as `append`."""
        return self._commit(_TICK, b"", 0, now_ns)

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
        crc = _crc(position, received_at_ns, first, count, kind, body)
        try:
            with _write_errors():
                connection = self._segment_for(received_at_ns)
                connection.execute(
                    _INSERT, (position, received_at_ns, first, count, kind, crc, body)
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
        path = self._directory / f"{self._position + 1:020d}{_SUFFIX}"
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(_SCHEMA)
        finally:
            connection.close()
        draft.rename(path)
        _sync_directory(self._directory)
        return path

    def _open(self, path: Path) -> sqlite3.Connection:
        connection = _connect(path)
        connection.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'OFF'}")
        return connection

    def _resume(self) -> None:
        for draft in self._directory.glob("*.new*"):
            draft.unlink()
        segments = _segments(self._directory)
        if not segments:
            return
        newest = segments[-1]
        self._connection = self._open(newest.path)
        tail = _tail(self._connection, newest)
        self._position = tail.position
        self._segment_bytes = newest.size_bytes()
        if tail.received_at_ns is not None:
            self._hour = tail.received_at_ns // self._segment_ns
        self._messages = tail.messages or 0
        if tail.messages is None and len(segments) > 1:
            with contextlib.closing(_connect(segments[-2].path)) as previous:
                self._messages = _tail(previous, segments[-2]).messages or 0


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
        segments = _segments(self._directory)
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
                yield _frame(row, segment)
                expected += 1

    def _listed(self, after_position: int) -> list[_Segment]:
        """Segments from the one that holds the next position on; others are closed."""
        segments = _segments(self._directory)
        passed = sum(1 for segment in segments[1:] if segment.first <= after_position + 1)
        wanted = segments[passed:]
        for path in self._connections.keys() - {segment.path for segment in wanted}:
            self._connections.pop(path).close()
        return wanted

    def _select(self, segment: _Segment, expected: int) -> Iterator[_Row]:
        try:
            cursor = self._open(segment).execute(_SELECT, (expected - 1,))
            with contextlib.closing(cursor):
                yield from cursor
        except sqlite3.OperationalError as error:
            raise JournalReadError(f"segment {segment.path.name}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise JournalCorruptError(expected, segment.path.name, str(error)) from error

    def _newest(self) -> _Tail | None:
        """End of the journal; a just opened segment without frames defers to its predecessor."""
        segments = _segments(self._directory)
        if not segments:
            return None
        tail = _tail(self._open(segments[-1]), segments[-1])
        if tail.messages is None and len(segments) > 1:
            tail = _tail(self._open(segments[-2]), segments[-2])
        return tail

    def _open(self, segment: _Segment) -> sqlite3.Connection:
        connection = self._connections.get(segment.path)
        if connection is None:
            connection = _connect(segment.path)
            connection.execute("PRAGMA query_only=ON")
            self._connections[segment.path] = connection
        return connection


def prune(directory: Path, *, before_ns: int, max_bytes: int, passed_position: int) -> Pruned:
    """Delete whole segments, oldest first, that nobody needs any more; never the newest one.

    Parameters
    ----------
    before_ns
        A segment whose newest frame was received before this instant has outlived its time.
    max_bytes
        While all segment files together exceed this, the oldest one is deleted before its time.
    passed_position
        Lowest position that all consumers and snapshots have passed: a segment with a frame beyond
        it is kept whatever its age and size, and so is everything after it.
    """
    segments = _segments(directory)
    kept_bytes = sum(segment.size_bytes() for segment in segments)
    deleted: list[str] = []
    frames = freed_bytes = 0
    for segment, successor in itertools.pairwise(segments):
        outlived = kept_bytes > max_bytes or _newest_ns(segment) < before_ns
        if successor.first - 1 > passed_position or not outlived:
            break
        size_bytes = segment.size_bytes()
        _delete(segment)
        deleted.append(segment.path.name)
        frames += successor.first - segment.first
        freed_bytes += size_bytes
        kept_bytes -= size_bytes
    return Pruned(segments=tuple(deleted), frames=frames, bytes=freed_bytes, kept_bytes=kept_bytes)


def _newest_ns(segment: _Segment) -> int:
    """Received instant of a segment's last frame; 0 for a segment without frames."""
    try:
        with contextlib.closing(_connect(segment.path)) as connection:
            return _tail(connection, segment).received_at_ns or 0
    except sqlite3.Error as error:
        raise JournalReadError(f"segment {segment.path.name}: {error}") from error


def _delete(segment: _Segment) -> None:
    """Delete the database before its WAL: a database without its WAL would look cut short."""
    for path in segment.files():
        path.unlink(missing_ok=True)
