"""Telemetry store in one DuckDB file, the default: a wide table a kind, one owning process."""

# ruff: noqa: S608 - tables and columns come out of the catalogue; every value is a parameter

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS
from domain.equipment import Kind
from domain.errors import DependencyError
from domain.ports import PAGE_LIMIT
from domain.readings import Latest, Quality, ReadingBatch, Sample, Stream
from storage.columns import (
    CHANNEL_COLUMNS,
    EXTRA,
    EXTRA_COLUMNS,
    ROW_COLUMNS,
    UNKNOWN,
    UNKNOWN_SEPARATOR,
    Chosen,
    Columns,
    extra_columns,
    joined,
    row_columns,
)
from storage.rows import Newest, StoredRow, in_order, read_value, storable, values_of
from storage.schema import measurement

MEMORY_LIMIT = "1GiB"
"""Most memory of the engine's buffers."""

THREADS = 1
"""Threads of the engine: an append of some thousand rows costs a fifth more CPU with two, and
queries must leave room for the pipeline."""

CHECKPOINT_BYTES = 64 * 1024**2
"""Size of the write-ahead log at which a commit folds it into the file."""

LATEST_DEVICES_MAX = 20_000
"""Devices whose last values are remembered between calls; the longest unused one is forgotten."""

_INCOMING = "incoming"

_Cells = Mapping[str, Any]


@dataclass(slots=True)
class _Remembered:
    """Last values of one device, and the position up to which its rows were looked at."""

    through: int = -1
    newest: Newest = field(default_factory=Newest)


class DuckDBStore:
    """`domain.ports.TelemetryStore` in one file, safe to share between threads.

    Rows and position are committed in one transaction and synced to disk, so a killed process
    loses nothing that `append` returned for. There is no primary key (it costs several times the
    time and space): the position keeps a replay from doubling rows.

    Parameters
    ----------
    path
        The file; missing folders are made.
    read_only
        Open an existing file without the right to change it. Several processes may do so, but not
        beside an owner.
    memory_limit, threads
        Bounds of the engine.

    Raises
    ------
    DependencyError
        If another process holds the file, or the file is no DuckDB file or cannot be opened. Every
        method raises it when the engine fails.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        memory_limit: str = MEMORY_LIMIT,
        threads: int = THREADS,
    ) -> None:
        self._path = Path(path)
        self._options = (read_only, memory_limit, threads)
        self._invalid = False
        self._lock = Lock()
        self._cursor_lock = Lock()
        self._latest: OrderedDict[tuple[Kind, str], _Remembered] = OrderedDict()
        self._ids: tuple[tuple[str, ...], NDArray[Any]] = ((), np.empty(0, dtype=object))
        if not read_only:
            _create_folder(self._path.parent)
        with _translated(self._path):
            self._open()

    def _open(self) -> None:
        read_only = self._options[0]
        self._root = _connect(self._path, *self._options)
        # Writing has a connection and a lock of its own, so that readers never wait for it.
        self._connection = self._root.cursor()
        if not read_only:
            _create_schema(self._connection)
        found = self._connection.execute("SELECT max(position) FROM loader").fetchone()
        self._position = int(found[0]) if found and found[0] is not None else 0

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock of writers; open the file anew when the engine gave up on itself.

        After a checkpoint that failed, such as on a full disk, the engine refuses everything until
        it is opened again; what it had committed is there then.
        """
        with self._lock, _translated(self._path):
            if self._invalid:
                with suppress(duckdb.Error):
                    self._connection.close()
                    self._root.close()
                self._open()
                self._invalid = False
            try:
                yield
            except duckdb.FatalException:
                self._invalid = True
                raise

    def append(self, batches: Sequence[ReadingBatch], position: int) -> None:
        """Store the rows of frames after the recorded position, and record ``position``."""
        with self._writing():
            if position <= self._position:
                return
            with _transaction(self._connection):
                for kind in Kind:
                    self._insert(kind, [batch for batch in batches if batch.kind is kind])
                self._connection.execute("UPDATE loader SET position = ?", [position])
            self._position = position

    def _insert(self, kind: Kind, batches: Sequence[ReadingBatch]) -> None:
        kept = [(batch, storable(batch, self._position)) for batch in batches]
        kept = [(batch, rows) for batch, rows in kept if len(rows)]
        if not kept:
            return
        for chosen in _of_one_vocabulary(kept):
            ids = np.concatenate([self._ids_of(batch, rows) for batch, rows in chosen])
            _insert(self._connection, measurement(kind), row_columns(chosen, ids))
        extras = [part for batch, rows in kept if (part := extra_columns(batch, rows))]
        if extras:
            _insert(self._connection, EXTRA, joined(extras))

    def _ids_of(self, batch: ReadingBatch, rows: NDArray[np.intp]) -> NDArray[Any]:
        if self._ids[0] is not batch.ids:
            self._ids = (batch.ids, np.array(batch.ids, dtype=object))
        chosen: NDArray[Any] = self._ids[1][batch.device[rows]]
        return chosen

    def position(self) -> int:
        """Journal position up to which everything is stored; 0 for an empty store."""
        return self._position

    def count(self) -> int:
        """Rows stored and not yet pruned, over all kinds."""
        counts = " + ".join(f"(SELECT count(*) FROM {measurement(kind)})" for kind in Kind)
        with self._reading() as cursor:
            found = cursor.execute(f"SELECT {counts}").fetchone()
        return int(found[0]) if found else 0

    def latest(self, kind: Kind, equipment_id: str) -> Mapping[str, Latest]:
        """Last reported value of every channel of one device, by newest event time.

        The first call for a device looks through all its rows; later ones only through rows that
        were appended since.
        """
        key = (kind, equipment_id)
        with self._reading() as cursor:
            remembered = self._latest
            known = remembered.pop(key, None) or _Remembered()
            through = self._position
            if through > known.through:
                _fold(cursor, kind, equipment_id, known)
                known.through = through
            remembered[key] = known
            if len(remembered) > LATEST_DEVICES_MAX:
                remembered.popitem(last=False)
            return known.newest.latest()

    def history(
        self, kind: Kind, equipment_id: str, *, start_ns: int, end_ns: int, limit: int = PAGE_LIMIT
    ) -> Sequence[Sample]:
        """Rows of one device with ``start_ns <= event_time_ns < end_ns``, oldest first."""
        with self._reading() as cursor:
            return in_order(_page(cursor, kind, equipment_id, start_ns, end_ns, limit), limit)

    def prune(self, before_ns: int) -> int:
        """Delete rows received before an instant; return how many."""
        deleted = 0
        with self._writing(), _transaction(self._connection):
            for table in (*map(measurement, Kind), EXTRA):
                statement = f"DELETE FROM {table} WHERE received_at_ns < ?"
                found = self._connection.execute(statement, [before_ns]).fetchone()
                deleted += int(found[0]) if found and table != EXTRA else 0
        # A new memory, not a cleared one: a reader that began before must not put back what it saw.
        self._latest = OrderedDict()
        return deleted

    def close(self) -> None:
        """Fold the write-ahead log into the file and release it."""
        with self._lock, self._cursor_lock, _translated(self._path):
            self._connection.close()
            self._root.close()

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with _translated(self._path):
            with self._cursor_lock:
                cursor = self._root.cursor()
            try:
                yield cursor
            finally:
                cursor.close()


def _of_one_vocabulary(kept: Sequence[Chosen]) -> Iterator[Sequence[Chosen]]:
    """Runs of batches whose vocabularies are beginnings of the last one's."""
    first = 0
    for place in range(1, len(kept)):
        older, newer = kept[place - 1][0].vocabulary, kept[place][0].vocabulary
        if newer is not older and newer[: len(older)] != older:
            yield kept[first:place]
            first = place
    yield kept[first:]


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DependencyError(f"Folder {folder} cannot be made: {error}") from error


def _connect(
    path: Path, read_only: bool, memory_limit: str, threads: int
) -> duckdb.DuckDBPyConnection:
    with _translated(path):
        return duckdb.connect(
            path,
            read_only=read_only,
            config={
                "memory_limit": memory_limit,
                "threads": threads,
                "checkpoint_threshold": f"{CHECKPOINT_BYTES}B",
                # The engine reaches for nothing but its file: no other files, no network.
                "enable_external_access": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            },
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what the engine raises into our error."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error).strip()
        if "Conflicting lock" in text:
            raise DependencyError(
                f"Another process holds the telemetry file {path}: one process owns it, "
                f"others read through the API ({text})"
            ) from error
        raise DependencyError(f"The telemetry file {path} failed: {text}") from error


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        # An engine that failed fatally cannot roll back either; the first error says more.
        with suppress(duckdb.Error):
            connection.rollback()
        raise


def _create_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Make what is missing: a file of an older catalogue gains the columns of new channels."""
    tables: dict[str, dict[str, str]] = {
        "loader": {"position": "BIGINT NOT NULL"},
        EXTRA: dict(EXTRA_COLUMNS),
        **{measurement(kind): dict(_table_columns(kind)) for kind in Kind},
    }
    with _transaction(connection):
        for table, columns in tables.items():
            listed = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({listed})")
            known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})").fetchall()}
            for name in columns.keys() - known:
                connection.execute(f'ALTER TABLE {table} ADD COLUMN "{name}" {columns[name]}')
        connection.execute("INSERT INTO loader SELECT 0 WHERE NOT EXISTS (FROM loader)")


def _table_columns(kind: Kind) -> Iterator[tuple[str, str]]:
    yield from ROW_COLUMNS.items()
    for channel in CHANNELS[kind]:
        yield channel.name, CHANNEL_COLUMNS[channel.type][0]


def _insert(connection: duckdb.DuckDBPyConnection, table: str, columns: Columns) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    # A failed insert leaves the view: the rollback drops it, and asking an aborted transaction for
    # anything would only hide the first error.
    connection.register(_INCOMING, columns)
    connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {_INCOMING}")
    connection.unregister(_INCOMING)


def _page(
    cursor: duckdb.DuckDBPyConnection,
    kind: Kind,
    equipment_id: str,
    start_ns: int,
    end_ns: int,
    limit: int,
) -> list[StoredRow]:
    names = [name for name, _ in _table_columns(kind)]
    listed = ", ".join(f'"{name}"' for name in names)
    found = cursor.execute(
        f"SELECT {listed} FROM {measurement(kind)} "
        "WHERE equipment_id = ? AND event_time_ns >= ? AND event_time_ns < ? "
        "ORDER BY event_time_ns, ordinal LIMIT ?",
        [equipment_id, start_ns, end_ns, max(limit, 0)],
    ).fetchall()
    cells = [dict(zip(names, row, strict=True)) for row in found]
    extras = _extras(cursor, kind, equipment_id, cells)
    return [_row(kind, row, extras) for row in cells]


def _extras(
    cursor: duckdb.DuckDBPyConnection, kind: Kind, equipment_id: str, cells: Sequence[_Cells]
) -> Mapping[tuple[int, int], Sequence[tuple[str, float]]]:
    """Extras of a page by event time and ordinal."""
    if not cells:
        return {}
    rows = cursor.execute(
        f"SELECT event_time_ns, ordinal, name, value FROM {EXTRA} "
        "WHERE kind = ? AND equipment_id = ? AND event_time_ns BETWEEN ? AND ?",
        [kind.value, equipment_id, cells[0]["event_time_ns"], cells[-1]["event_time_ns"]],
    ).fetchall()
    extras: dict[tuple[int, int], list[tuple[str, float]]] = defaultdict(list)
    for event_time_ns, ordinal, name, value in rows:
        extras[event_time_ns, ordinal].append((name, value))
    return extras


def _row(
    kind: Kind,
    cells: _Cells,
    extras: Mapping[tuple[int, int], Sequence[tuple[str, float]]],
) -> StoredRow:
    order = (cells["event_time_ns"], cells["ordinal"])
    return StoredRow(
        order=order,
        position=cells["position"],
        sample=Sample(
            equipment_id=cells["equipment_id"],
            event_time_ns=cells["event_time_ns"],
            received_at_ns=cells["received_at_ns"],
            stream=Stream(cells["stream"]),
            quality=Quality(cells["quality"]),
            seq=cells["seq"],
            values=values_of(
                kind,
                cells,
                (cells[UNKNOWN] or "").split(UNKNOWN_SEPARATOR),
                extras.get(order, ()),
            ),
            code=cells["code"],
            active=cells["active"],
        ),
    )


def _fold(
    cursor: duckdb.DuckDBPyConnection, kind: Kind, equipment_id: str, known: _Remembered
) -> None:
    """Take the device's rows after the remembered position into its last values."""
    channels = CHANNELS[kind]
    found = cursor.execute(
        f"SELECT {', '.join(_newest(channel.name) for channel in channels)} "
        f"FROM {measurement(kind)} WHERE equipment_id = ? AND position > ?",
        [equipment_id, known.through],
    ).fetchone()
    for channel, cell in zip(channels, found or (), strict=True):
        if cell is not None:
            value = read_value(channel.type, cell["value"])
            known.newest.offer(channel.name, (cell["event_time_ns"], cell["ordinal"]), value)
    extras = cursor.execute(
        f"SELECT name, {_NEWEST_EXTRA} FROM {EXTRA} "
        "WHERE kind = ? AND equipment_id = ? AND position > ? GROUP BY name",
        [kind.value, equipment_id, known.through],
    ).fetchall()
    for name, cell in extras:
        known.newest.offer(name, (cell["event_time_ns"], cell["ordinal"]), cell["value"])


def _newest(channel: str) -> str:
    return (
        f"arg_max({{'event_time_ns': event_time_ns, 'ordinal': ordinal, 'value': \"{channel}\"}}, "
        f'(event_time_ns, ordinal)) FILTER ("{channel}" IS NOT NULL OR '
        f"list_contains(string_split({UNKNOWN}, '{UNKNOWN_SEPARATOR}'), '{channel}'))"
    )


_NEWEST_EXTRA = (
    "arg_max({'event_time_ns': event_time_ns, 'ordinal': ordinal, 'value': value}, "
    "(event_time_ns, ordinal))"
)
