"""Rows of the embedded telemetry store as history.

The store keeps no heartbeats: its devices count as heard from their first row on, so that a lift
which stands still stays known. Therefore nothing can be said of devices that fell silent.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS, ChannelType
from domain.codes import CODES
from domain.equipment import Equipment, Fleet, Kind
from domain.errors import DependencyError
from domain.instants import NS_PER_S
from domain.readings import NO_CODE, NO_SEQ, ONLINE_UNSAID, ReadingBatch, Stream
from runtime.backtest.chunks import Chunk
from runtime.backtest.database import in_memory
from simulators.truth import Truth
from storage.columns import UNKNOWN, UNKNOWN_SEPARATOR
from storage.schema import measurement

HEARTBEAT_NS = 30 * NS_PER_S
"""Distance of the heartbeats that are put between the rows: half the shortest stale limit."""

_Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySource:
    """Some devices of a DuckDB telemetry file that no service holds open."""

    path: Path
    equipment: tuple[Equipment, ...]

    def truths(self) -> tuple[Truth, ...]:
        """Nothing: a store does not know the truth."""
        return ()

    def span_ns(self) -> tuple[int, int]:
        """Received time of the first and the last row; zeros for an empty store."""
        bounds = ", ".join(
            f"(SELECT {which}(received_at_ns) FROM store.{measurement(kind)})"  # noqa: S608 - ours
            for which in ("min", "max")
            for kind in Kind
        )
        with _opened(self.path) as connection:
            found = connection.execute(f"SELECT {bounds}").fetchall()[0]
        known = [instant for instant in found if instant is not None]
        return (min(known), max(known)) if known else (0, 0)

    def chunks(self, fleet: Fleet, *, start_ns: int, slice_ns: int) -> Iterator[Chunk]:
        """Chunks of all rows since the start."""
        _, last_ns = self.span_ns()
        with _opened(self.path) as connection:
            texts = _texts(connection)
            heard = {kind: np.full(len(fleet.members(kind)), -1) for kind in Kind}
            for since_ns in range(start_ns, last_ns + 1, slice_ns):
                until_ns = since_ns + slice_ns
                yield Chunk(
                    tuple(
                        batch
                        for kind in Kind
                        if fleet.members(kind)
                        for batch in _batches(
                            connection, fleet, kind, texts, (since_ns, until_ns), heard[kind]
                        )
                    ),
                    until_ns,
                )


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    quoted = str(path).replace("'", "''")
    try:
        with in_memory() as connection:
            connection.execute(f"ATTACH '{quoted}' AS store (READ_ONLY)")
            yield connection
    except duckdb.Error as error:
        raise DependencyError(f"The telemetry file {path} cannot be read: {error}") from error


def _texts(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Every code and label of the store, in a table ``texts`` with their places."""
    columns = [("code", kind) for kind in Kind] + [
        (channel.name, kind)
        for kind in Kind
        for channel in CHANNELS[kind]
        if channel.type is ChannelType.LABEL
    ]
    listed = " UNION ".join(
        f'SELECT "{name}" AS text FROM store.{measurement(kind)}'  # noqa: S608 - of the catalogue
        for name, kind in columns
    )
    found = connection.execute(listed).fetchall()
    texts = tuple(dict.fromkeys((*CODES, *sorted(row[0] for row in found if row[0] is not None))))
    connection.execute("CREATE TEMP TABLE texts (text VARCHAR, place INTEGER)")
    rows = {"text": np.array(texts, dtype=object), "place": np.arange(len(texts), dtype=np.int32)}
    connection.register("incoming", rows)
    connection.execute("INSERT INTO texts SELECT text, place FROM incoming")
    connection.unregister("incoming")
    return texts


def _batches(
    connection: duckdb.DuckDBPyConnection,
    fleet: Fleet,
    kind: Kind,
    texts: tuple[str, ...],
    span_ns: tuple[int, int],
    heard: NDArray[np.int64],
) -> Iterator[ReadingBatch]:
    """Rows received in a span, and heartbeats between them; ``heard`` is kept up to date."""
    ids = fleet.ids[kind]
    found = _fetch(connection, kind, ids, span_ns)
    received = np.ma.getdata(found["received_at_ns"])
    device = np.ma.getdata(found["device"])
    new = np.full(len(ids), np.iinfo(np.int64).max)
    np.minimum.at(new, device, received)
    first = np.where(heard >= 0, heard, new)
    heard[:] = np.where(first < span_ns[1], first, -1)
    beats = _heartbeats(first, span_ns)
    order = np.argsort(np.r_[received, beats["received_at_ns"]], kind="stable")
    rows = {
        name: np.r_[column, beats.get(name, np.full(len(beats["device"]), filler, column.dtype))]
        for name, (column, filler) in _row_columns(found).items()
    }
    values, unknown = _readings(kind, found)
    padding = np.full((len(beats["device"]), values.shape[1]), np.nan)
    if len(order):
        yield ReadingBatch(
            kind=kind,
            ids=ids,
            vocabulary=texts,
            ordinal=np.arange(len(order)),
            values=np.concatenate([values, padding])[order],
            unknown=np.concatenate([unknown, np.zeros(padding.shape, dtype=np.bool_)])[order],
            **{name: column[order] for name, column in rows.items()},
        )


def _fetch(
    connection: duckdb.DuckDBPyConnection,
    kind: Kind,
    ids: Sequence[str],
    span_ns: tuple[int, int],
) -> _Columns:
    labels = [one.name for one in CHANNELS[kind] if one.type is ChannelType.LABEL]
    numbers = [one.name for one in CHANNELS[kind] if one.type is not ChannelType.LABEL]
    listed = ", ".join(
        [
            *(f'CAST(r."{name}" AS DOUBLE) AS "{name}"' for name in numbers),
            *(f'CAST("{name}_text".place AS DOUBLE) AS "{name}"' for name in labels),
        ]
    )
    joins = " ".join(
        f'LEFT JOIN texts AS "{name}_text" ON "{name}_text".text = r."{name}"' for name in labels
    )
    connection.register(
        "slots",
        {"id": np.array(ids, dtype=object), "device": np.arange(len(ids), dtype=np.int32)},
    )
    found: _Columns = connection.execute(
        "SELECT s.device, r.event_time_ns, r.received_at_ns, r.position, "  # noqa: S608 - catalogue
        "CAST(coalesce(r.seq, -1) AS BIGINT) AS seq, r.stream, r.quality, "
        "CAST(coalesce(c.place, -1) AS INTEGER) AS code, "
        "CAST(coalesce(r.active, false) AS TINYINT) AS active, "
        f"coalesce(r.{UNKNOWN}, '') AS \"{UNKNOWN}\", {listed} "
        f"FROM store.{measurement(kind)} AS r JOIN slots AS s ON s.id = r.equipment_id "
        f"LEFT JOIN texts AS c ON c.text = r.code {joins} "
        "WHERE r.received_at_ns >= ? AND r.received_at_ns < ? "
        "ORDER BY r.position, s.device, r.ordinal",
        list(span_ns),
    ).fetchnumpy()
    connection.unregister("slots")
    return found


def _row_columns(found: _Columns) -> dict[str, tuple[NDArray[Any], int]]:
    """Row columns, and what a heartbeat has there."""

    def column(name: str, dtype: type) -> NDArray[Any]:
        return np.ma.getdata(found[name]).astype(dtype)

    n = len(found["device"])
    return {
        "device": (column("device", np.int32), 0),
        "event_time_ns": (column("event_time_ns", np.int64), 0),
        "received_at_ns": (column("received_at_ns", np.int64), 0),
        "position": (column("position", np.int64), 0),
        "seq": (column("seq", np.int64), NO_SEQ),
        "stream": (column("stream", np.uint8), int(Stream.ALIVE)),
        "quality": (column("quality", np.uint16), 0),
        "code": (column("code", np.int32), NO_CODE),
        "active": (column("active", np.int8), 0),
        "online": (np.full(n, ONLINE_UNSAID, dtype=np.int8), 1),
    }


def _readings(kind: Kind, found: _Columns) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    n = len(found["device"])
    values = np.full((n, len(CHANNELS[kind])), np.nan)
    unknown = np.zeros(values.shape, dtype=np.bool_)
    places = {channel.name: place for place, channel in enumerate(CHANNELS[kind])}
    for name, place in places.items():
        values[:, place] = np.ma.filled(found[name], np.nan)
    lost = np.ma.getdata(found[UNKNOWN])
    for row in np.flatnonzero(lost != ""):
        for name in str(lost[row]).split(UNKNOWN_SEPARATOR):
            unknown[row, places[name]] = name in places
    return values, unknown


def _heartbeats(first_ns: NDArray[np.int64], span_ns: tuple[int, int]) -> _Columns:
    """Heartbeats of devices that were heard first at some time, every `HEARTBEAT_NS`."""
    since_ns, until_ns = span_ns
    grid = np.arange(since_ns, until_ns, HEARTBEAT_NS)
    device, at = np.nonzero(grid[None, :] > first_ns[:, None])
    when = grid[at]
    return {"device": device.astype(np.int32), "event_time_ns": when, "received_at_ns": when}
