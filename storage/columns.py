"""Columns of a batch as DuckDB takes them: NumPy arrays, masked where the table is to hold NULL."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS, ChannelType
from domain.readings import NO_SEQ, ReadingBatch
from storage.rows import extras_of

UNKNOWN = "unknown"
"""Column with the names of a row's unknown channels, joined by `UNKNOWN_SEPARATOR`."""

UNKNOWN_SEPARATOR = ","

ROW_COLUMNS: Mapping[str, str] = {
    "equipment_id": "VARCHAR NOT NULL",
    "event_time_ns": "BIGINT NOT NULL",
    "received_at_ns": "BIGINT NOT NULL",
    "position": "BIGINT NOT NULL",
    "ordinal": "BIGINT NOT NULL",
    "seq": "BIGINT",
    "stream": "UTINYINT NOT NULL",
    "quality": "USMALLINT NOT NULL",
    "code": "VARCHAR",
    "active": "BOOLEAN",
    UNKNOWN: "VARCHAR",
}
"""Columns of every kind's table beside its channels."""

CHANNEL_COLUMNS = {
    ChannelType.NUMBER: ("DOUBLE", np.float64),
    ChannelType.FLAG: ("BOOLEAN", np.bool_),
    ChannelType.CODE: ("SMALLINT", np.int16),
    ChannelType.LABEL: ("VARCHAR", object),
}
"""Type in the table and in NumPy of a channel's values."""

EXTRA = "extra"
"""Table of readings outside the catalogue, one row a reading."""

EXTRA_COLUMNS: Mapping[str, str] = {
    "kind": "VARCHAR NOT NULL",
    "equipment_id": "VARCHAR NOT NULL",
    "event_time_ns": "BIGINT NOT NULL",
    "received_at_ns": "BIGINT NOT NULL",
    "position": "BIGINT NOT NULL",
    "ordinal": "BIGINT NOT NULL",
    "name": "VARCHAR NOT NULL",
    "value": "DOUBLE NOT NULL",
}

Columns = dict[str, NDArray[Any]]
"""Equal-length columns by name."""


def joined(parts: Sequence[Columns]) -> Columns:
    """Rows of several parts below each other, without columns that hold nothing but NULL."""
    names = [name for name in parts[0] if not all(_is_void(part[name]) for part in parts)]
    if len(parts) == 1:
        return {name: parts[0][name] for name in names}
    return {
        name: np.ma.concatenate([part[name] for part in parts])  # type: ignore[no-untyped-call]  # NumPy types it not
        for name in names
    }


def _is_void(column: NDArray[Any]) -> bool:
    return isinstance(column, np.ma.MaskedArray) and bool(np.ma.getmaskarray(column).all())


def row_columns(batch: ReadingBatch, rows: NDArray[np.intp], ids: NDArray[Any]) -> Columns:
    """Chosen rows as the engine takes them: NumPy columns, masked where NULL."""
    seq, code = batch.seq[rows], batch.code[rows]
    columns: Columns = {
        "equipment_id": ids,
        "event_time_ns": batch.event_time_ns[rows],
        "received_at_ns": batch.received_at_ns[rows],
        "position": batch.position[rows],
        "ordinal": batch.ordinal[rows],
        "seq": np.ma.masked_equal(seq, NO_SEQ),
        "stream": batch.stream[rows],
        "quality": batch.quality[rows],
        "code": _texts(code, code >= 0, batch.vocabulary),
        "active": np.ma.array(batch.active[rows].astype(np.bool_), mask=code < 0),
        UNKNOWN: _unknown_names(batch, rows),
    }
    for column, channel in enumerate(CHANNELS[batch.kind]):
        values = batch.values[rows, column]
        present = ~np.isnan(values)
        if channel.type is ChannelType.LABEL:
            columns[channel.name] = _texts(values, present, batch.vocabulary)
        else:
            dtype = CHANNEL_COLUMNS[channel.type][1]
            cells: NDArray[Any] = np.where(present, values, 0).astype(dtype)
            columns[channel.name] = np.ma.array(cells, mask=~present)
    return columns


def _masked_texts(n: int) -> NDArray[Any]:
    texts: NDArray[Any] = np.ma.array(np.full(n, None, dtype=object), mask=True)
    return texts


def _texts(
    indices: NDArray[Any], present: NDArray[np.bool_], vocabulary: Sequence[str]
) -> NDArray[Any]:
    """Texts of vocabulary indices, each looked up once."""
    texts = _masked_texts(len(indices))
    used, places = np.unique(indices[present].astype(np.int64), return_inverse=True)
    found = np.array([vocabulary[index] for index in used.tolist()], dtype=object)
    texts[present] = found[places]
    return texts


def _unknown_names(batch: ReadingBatch, rows: NDArray[np.intp]) -> NDArray[Any]:
    """Names of each row's unknown channels, joined; masked where none is.

    Names and not bits: a bit would change its meaning with the order of the catalogue.
    """
    names = np.array([channel.name for channel in CHANNELS[batch.kind]], dtype=object)
    unknown = batch.unknown[rows] & np.isnan(batch.values[rows])
    texts = _masked_texts(len(rows))
    some = np.flatnonzero(unknown.any(axis=1))
    if len(some):
        patterns, places = np.unique(unknown[some], axis=0, return_inverse=True)
        found = [UNKNOWN_SEPARATOR.join(names[pattern]) for pattern in patterns]
        texts[some] = np.array(found, dtype=object)[places.ravel()]
    return texts


def extra_columns(batch: ReadingBatch, rows: NDArray[np.intp]) -> Columns:
    """Extras of chosen rows as columns; empty when there are none."""
    found = [(rows[place], extra) for place, extra in extras_of(batch, rows)]
    if not found:
        return {}
    at = np.array([row for row, _ in found])
    return {
        "kind": np.full(len(at), batch.kind.value, dtype=object),
        "equipment_id": np.array([batch.ids[slot] for slot in batch.device[at]], dtype=object),
        "event_time_ns": batch.event_time_ns[at],
        "received_at_ns": batch.received_at_ns[at],
        "position": batch.position[at],
        "ordinal": batch.ordinal[at],
        "name": np.array([extra.name for _, extra in found], dtype=object),
        "value": np.array([extra.value for _, extra in found]),
    }
