"""Segments of the journal: files, rows, what can be wrong with them, and their deletion.

A segment is one SQLite database in WAL mode, named by the position of its first frame. A row is one
frame with a checksum over all of it.
"""

import contextlib
import itertools
import re
import sqlite3
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from domain.errors import ConflictError, DependencyError, EquipwatchError
from domain.messages import Frame, Message

SUFFIX = ".journal"
TICK, MESSAGES = 0, 1
"""Kinds of frames."""

SCHEMA = """
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
INSERT = "INSERT INTO frame VALUES (?, ?, ?, ?, ?, ?, ?)"
SELECT = "SELECT * FROM frame WHERE position > ? ORDER BY position"
_NEWEST = (
    "SELECT position, received_at_ns, first_message, message_count FROM frame "
    "ORDER BY position DESC LIMIT 1"
)

_NAME = re.compile(r"(\d{20})\.journal")
_COMPANIONS = ("-wal", "-shm")
_BUSY_TIMEOUT_S = 30
_HEADER = struct.Struct("<qqqqB")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Message, ...]).decode

Row = tuple[int, int, int, int, int, int, bytes]
"""Columns of `SCHEMA` in order."""


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
class Segment:
    """A segment file and the position its first frame has or will have."""

    path: Path
    first: int

    def size_bytes(self) -> int:
        """Size of all its files together."""
        return sum(_file_bytes(path) for path in self.files())

    def files(self) -> tuple[Path, ...]:
        """The database and what SQLite keeps beside it, whether or not it exists."""
        return (self.path, *(self.path.with_name(self.path.name + c) for c in _COMPANIONS))


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a segment ends: its last position and instant, and messages in the journal so far."""

    position: int
    received_at_ns: int | None
    messages: int | None


def _file_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def segments_of(directory: Path) -> list[Segment]:
    """Segments of a directory, oldest first; none when there is no directory yet."""
    try:
        paths = list(directory.iterdir())
    except FileNotFoundError:
        return []
    found = ((path, _NAME.fullmatch(path.name)) for path in paths)
    return sorted(
        (Segment(path, int(match[1])) for path, match in found if match),
        key=lambda segment: segment.first,
    )


def connect(path: Path) -> sqlite3.Connection:
    """Open an existing segment; only the writer ever creates one."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_TIMEOUT_S,
    )


def tail_of(connection: sqlite3.Connection, segment: Segment) -> Tail:
    """Where an open segment ends."""
    row = connection.execute(_NEWEST).fetchone()
    if row is None:
        return Tail(segment.first - 1, None, None)
    position, received_at_ns, first_message, message_count = row
    return Tail(position, received_at_ns, first_message + message_count - 1)


def crc_of(
    position: int, received_at_ns: int, first: int, count: int, kind: int, body: bytes
) -> int:
    """Checksum over everything that a row holds."""
    header = _HEADER.pack(position, received_at_ns, first, count, kind)
    return zlib.crc32(body, zlib.crc32(header))


def body_of(messages: Sequence[Message]) -> bytes:
    """Messages as the body of a row."""
    try:
        return _encode(messages)
    except UnicodeEncodeError:
        # A recorded stream may hold lone surrogates; no broker delivers such a topic, and the
        # decoder refuses the replaced one just the same.
        return _encode(
            [m._replace(topic=m.topic.encode(errors="replace").decode()) for m in messages]
        )


def frame_of(row: Row, segment: Segment) -> Frame:
    """Frame of a row.

    Raises
    ------
    JournalCorruptError
        If its checksum is wrong.
    """
    position, received_at_ns, first, count, kind, crc, body = row
    try:
        sound = crc_of(position, received_at_ns, first, count, kind, body) == crc
        messages = _decode(body) if sound and body else ()
    except (msgspec.MsgspecError, struct.error, TypeError) as error:
        raise JournalCorruptError(position, segment.path.name, str(error)) from error
    if not sound or len(messages) != count:
        raise JournalCorruptError(position, segment.path.name, "checksum mismatch")
    return Frame(position, received_at_ns, messages)


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
    segments = segments_of(directory)
    kept_bytes = sum(segment.size_bytes() for segment in segments)
    deleted: list[str] = []
    frames = freed_bytes = 0
    for segment, successor in itertools.pairwise(segments):
        outlived = kept_bytes > max_bytes or newest_ns(segment) < before_ns
        if successor.first - 1 > passed_position or not outlived:
            break
        size_bytes = segment.size_bytes()
        delete(segment)
        deleted.append(segment.path.name)
        frames += successor.first - segment.first
        freed_bytes += size_bytes
        kept_bytes -= size_bytes
    return Pruned(segments=tuple(deleted), frames=frames, bytes=freed_bytes, kept_bytes=kept_bytes)


def newest_ns(segment: Segment) -> int:
    """Received instant of a segment's last frame; 0 for a segment without frames."""
    try:
        with contextlib.closing(connect(segment.path)) as connection:
            return tail_of(connection, segment).received_at_ns or 0
    except sqlite3.Error as error:
        raise JournalReadError(f"segment {segment.path.name}: {error}") from error


def delete(segment: Segment) -> None:
    """Delete the database before its WAL: a database without its WAL would look cut short."""
    for path in segment.files():
        path.unlink(missing_ok=True)
