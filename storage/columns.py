"""Columns of a batch as DuckDB takes them: NumPy arrays, masked where the table is to hold NULL."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS, ChannelType
from domain.equipment import Kind
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


Chosen = tuple[ReadingBatch, NDArray[np.intp]]
"""A batch and the rows of it that are stored."""


def joined(parts: Sequence[Columns]) -> Columns:
    """Rows of several parts below each other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def row_columns(chosen: Sequence[Chosen], ids: NDArray[Any]) -> Columns:
    """Rows of batches of one kind and vocabulary as the engine takes them.

    Columns that would hold nothing but NULL are left out; masked where a cell is NULL.

    Parameters
    ----------
    chosen
        Batches in order; the last one's vocabulary holds the others'.
    ids
        Equipment id of every row.
    """

    def column(name: str) -> NDArray[Any]:
        parts = [getattr(batch, name)[rows] for batch, rows in chosen]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    batch = chosen[-1][0]
    seq, code, values = column("seq"), column("code"), column("values")
    coded = code >= 0
    nullable = {
        "seq": _masked(seq, seq != NO_SEQ),
        "code": _texts(code, coded, batch.vocabulary) if coded.any() else None,
        "active": _masked(column("active").astype(np.bool_), coded),
        UNKNOWN: _unknown_names(batch.kind, column("unknown") & np.isnan(values)),
    }
    for place, channel in enumerate(CHANNELS[batch.kind]):
        present = ~np.isnan(values[:, place])
        if not present.any():
            continue
        if channel.type is ChannelType.LABEL:
            nullable[channel.name] = _texts(values[:, place], present, batch.vocabulary)
        else:
            dtype = CHANNEL_COLUMNS[channel.type][1]
            cells: NDArray[Any] = np.where(present, values[:, place], 0).astype(dtype)
            nullable[channel.name] = _masked(cells, present)
    plain = ("event_time_ns", "received_at_ns", "position", "ordinal", "stream", "quality")
    return {
        "equipment_id": ids,
        **{name: column(name) for name in plain},
        **{name: cells for name, cells in nullable.items() if cells is not None},
    }


def _masked(cells: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[Any] | None:
    """Cells with NULL where they are not present; ``None`` when none is."""
    if present.all():
        return cells
    masked: NDArray[Any] = np.ma.array(cells, mask=~present)
    return masked if present.any() else None


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


def _unknown_names(kind: Kind, unknown: NDArray[np.bool_]) -> NDArray[Any] | None:
    """Names of each row's unknown channels, joined; masked where none is.

    Names and not bits: a bit would change its meaning with the order of the catalogue.
    """
    some = np.flatnonzero(unknown.any(axis=1)) if unknown.any() else np.empty(0, dtype=np.intp)
    if not len(some):
        return None
    names = np.array([channel.name for channel in CHANNELS[kind]], dtype=object)
    texts = _masked_texts(len(unknown))
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
