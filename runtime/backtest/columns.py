"""Decoded history in Parquet: one file a kind and chunk, so that a backtest reads no JSON again.

A *part* is a set of devices that no other part has; it has a decoder, a vocabulary and slots of its
own. ``columns.json`` names the parts, their devices in slot order, and their chunks. The chunks of
all parts end at the same instants, so that parts can be read beside each other.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS, ChannelType
from domain.equipment import Kind
from domain.errors import UsageError
from domain.readings import NO_SEQ, ReadingBatch
from runtime.backtest.chunks import Chunk
from runtime.backtest.database import in_memory

INDEX = "columns.json"
INDEX_VERSION = 1

_ROW_COLUMNS = {
    "device": np.int32,
    "event_time_ns": np.int64,
    "received_at_ns": np.int64,
    "position": np.int64,
    "stream": np.uint8,
    "quality": np.uint16,
    "code": np.int32,
    "active": np.int8,
    "online": np.int8,
}
_UNKNOWN = "unknown"
"""Column with one bit a channel, bit 0 for the first one."""


_Columns = dict[str, NDArray[Any]]


class StoredChunk(msgspec.Struct, frozen=True):
    """File names by kind, and the instant before which their rows were received."""

    until_ns: int
    files: dict[str, str]


class Part(msgspec.Struct, frozen=True):
    """Devices by kind in slot order, the texts that their rows point into, and the chunks."""

    ids: dict[str, list[str]]
    vocabulary: list[str]
    chunks: list[StoredChunk]
    rows: int


class Index(msgspec.Struct, frozen=True):
    """Content of ``columns.json``; chunks end every ``slice_ns`` after the start."""

    version: int
    start_ns: int
    end_ns: int
    slice_ns: int
    parts: list[Part]
    origin: dict[str, str | int | float | None] = msgspec.field(default_factory=dict)
    densities: dict[str, float] = msgspec.field(default_factory=dict)


class PartWriter:
    """Writes the chunks of one part.

    Parameters
    ----------
    number
        Number of the part: file names begin with it.
    """

    def __init__(self, directory: Path, number: int) -> None:
        self._directory = directory
        self._number = number
        self._chunks: list[StoredChunk] = []
        self._vocabulary: tuple[str, ...] = ()
        self._rows = 0

    def write(self, chunk: Chunk) -> None:
        """Write the rows of a chunk; those of a device stay in its order."""
        files: dict[str, str] = {}
        for kind in Kind:
            batches = [batch for batch in chunk.batches if batch.kind is kind and len(batch)]
            if batches:
                files[kind.value] = f"{self._number:03d}-{kind}-{len(self._chunks):05d}.parquet"
                _write(self._directory / files[kind.value], batches)
                self._rows += sum(map(len, batches))
                self._vocabulary = batches[-1].vocabulary
        self._chunks.append(StoredChunk(chunk.until_ns, files))

    def part(self, ids: dict[Kind, tuple[str, ...]]) -> Part:
        """What was written."""
        return Part(
            ids={kind.value: list(members) for kind, members in ids.items() if members},
            vocabulary=list(self._vocabulary),
            chunks=self._chunks,
            rows=self._rows,
        )


def write_index(directory: Path, index: Index) -> None:
    """Write ``columns.json``; the history is complete only with it."""
    (directory / INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(index), indent=1))


def read_index(directory: Path) -> Index:
    """Read ``columns.json``.

    Raises
    ------
    UsageError
        If it is damaged, or of another version.
    """
    path = directory / INDEX
    try:
        index = msgspec.json.decode(path.read_bytes(), type=Index)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if index.version != INDEX_VERSION:
        raise UsageError(f"{path} is of version {index.version}, not {INDEX_VERSION}")
    return index


def read_chunks(directory: Path, parts: Sequence[Part], kind: Kind) -> Iterator[Chunk]:
    """Chunks of one kind, the devices of all parts in one row of slots.

    Raises
    ------
    UsageError
        If a file is missing or damaged.
    """
    merged = _Merged(parts, kind)
    with in_memory() as connection:
        for number in range(max((len(part.chunks) for part in parts), default=0)):
            present = [part for part in parts if number < len(part.chunks)]
            batch = merged.read(connection, directory, present, number)
            yield Chunk(batch, max(part.chunks[number].until_ns for part in present))


class _Merged:
    """Several parts as one: slots behind each other, texts of all in one vocabulary."""

    def __init__(self, parts: Sequence[Part], kind: Kind) -> None:
        self._kind = kind
        self._ids = tuple(one for part in parts for one in part.ids.get(kind.value, ()))
        sizes = [len(part.ids.get(kind.value, ())) for part in parts]
        self._first = dict(zip(map(id, parts), np.cumsum([0, *sizes]).tolist(), strict=False))
        texts = dict.fromkeys(text for part in parts for text in part.vocabulary)
        self._vocabulary = tuple(texts)
        place = {text: index for index, text in enumerate(self._vocabulary)}
        # The last place stands for no text (index -1).
        self._places = {
            id(part): np.array([*(place[text] for text in part.vocabulary), -1], dtype=np.int32)
            for part in parts
        }

    def read(
        self,
        connection: duckdb.DuckDBPyConnection,
        directory: Path,
        parts: Sequence[Part],
        number: int,
    ) -> tuple[ReadingBatch, ...]:
        """One chunk of all parts as one batch; none when it has no rows."""
        found = [
            (part, _fetch(connection, directory / name, self._kind))
            for part in parts
            if (name := part.chunks[number].files.get(self._kind.value)) is not None
        ]
        n = sum(len(columns["device"]) for _, columns in found)
        if not n:
            return ()
        taken: dict[str, Any] = {name: np.empty(n, dtype=t) for name, t in _ROW_COLUMNS.items()}
        taken["values"] = np.full((n, len(CHANNELS[self._kind])), np.nan)
        taken["unknown"] = np.zeros((n, len(CHANNELS[self._kind])), dtype=np.bool_)
        start = 0
        for part, columns in found:
            stop = start + len(columns["device"])
            self._take({name: column[start:stop] for name, column in taken.items()}, columns, part)
            start = stop
        batch = ReadingBatch(
            kind=self._kind,
            ids=self._ids,
            ordinal=np.arange(n),
            seq=np.full(n, NO_SEQ, dtype=np.int64),
            vocabulary=self._vocabulary,
            **taken,
        )
        return (batch,)

    def _take(self, into: _Columns, columns: _Columns, part: Part) -> None:
        """Copy what a file holds, with the slots and texts of all parts."""
        places = self._places[id(part)]
        for name in _ROW_COLUMNS:
            into[name][:] = np.ma.getdata(columns[name])
        into["device"] += np.int32(self._first[id(part)])
        into["code"][:] = places[into["code"]]
        for place, channel in enumerate(CHANNELS[self._kind]):
            cells = columns[channel.name]
            # The engine keeps NaN as NULL; most cells are.
            said = np.flatnonzero(~np.ma.getmaskarray(cells))
            readings = np.ma.getdata(cells)[said]
            if channel.type is ChannelType.LABEL:
                readings = places[readings.astype(np.int64)]
            into["values"][said, place] = readings
        bits = np.ma.getdata(columns[_UNKNOWN])
        row = np.flatnonzero(bits)
        into["unknown"][row] = (bits[row, None] >> np.arange(into["unknown"].shape[1])) & 1


def _write(path: Path, batches: Sequence[ReadingBatch]) -> None:
    kind = batches[0].kind

    def column(name: str) -> Any:  # noqa: ANN401 - an array of any type
        return np.concatenate([getattr(batch, name) for batch in batches])

    order = _by_rounds(column("device"))
    columns = {name: column(name)[order] for name in _ROW_COLUMNS}
    values, unknown = column("values")[order], column("unknown")[order]
    columns[_UNKNOWN] = unknown @ (1 << np.arange(unknown.shape[1], dtype=np.int64))
    for place, channel in enumerate(CHANNELS[kind]):
        columns[channel.name] = np.ascontiguousarray(values[:, place])
    with in_memory() as connection:
        connection.register("incoming", columns)
        connection.execute(
            "COPY (FROM incoming) TO ? (FORMAT parquet, COMPRESSION zstd)", [str(path)]
        )


def _by_rounds(device: NDArray[np.int32]) -> NDArray[np.intp]:
    """First rows of all devices, then second ones ...: detectors take them in that order."""
    order = np.argsort(device, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(device[order]) != 0])
    rank = np.empty(len(device), dtype=np.int64)
    rank[order] = np.arange(len(device)) - np.repeat(first, np.diff(np.r_[first, len(device)]))
    return np.lexsort((device, rank))


def _fetch(connection: duckdb.DuckDBPyConnection, path: Path, kind: Kind) -> _Columns:
    names = (*_ROW_COLUMNS, _UNKNOWN, *(channel.name for channel in CHANNELS[kind]))
    listed = ", ".join(f'"{name}"' for name in names)
    try:
        found: _Columns = connection.execute(
            f"SELECT {listed} FROM read_parquet(?)",  # noqa: S608 - names of the catalogue
            [str(path)],
        ).fetchnumpy()
    except duckdb.Error as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    return found
