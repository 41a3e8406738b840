"""Batches for tests, written as rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from domain.channels import CHANNELS, COLUMNS, ChannelType
from domain.equipment import Kind
from domain.instants import NS_PER_S
from domain.readings import NO_CODE, NO_SEQ, ONLINE_UNSAID, Extra, Quality, ReadingBatch, Stream

T0_NS = 1_772_334_000 * NS_PER_S
"""Event time of a row that names none: 2026-03-01T03:00Z."""

_DEFAULTS: Mapping[str, Any] = {
    "seq": NO_SEQ,
    "stream": Stream.TELEMETRY,
    "quality": Quality(0),
    "online": ONLINE_UNSAID,
}


def make_batch(
    kind: Kind,
    rows: Sequence[Mapping[str, Any]],
    *,
    ids: Sequence[str] = (),
    position: int = 1,
    first_ordinal: int = 0,
    texts: dict[str, int] | None = None,
) -> ReadingBatch:
    """Batch of ``rows`` in order of arrival.

    Parameters
    ----------
    rows
        Each may hold ``id`` (default ``D-1``), ``t`` (event time [ns], default `T0_NS` plus one
        second a row), ``received_at_ns`` (default the event time), ``position``, ``ordinal``,
        ``seq``, ``stream``, ``quality``, ``online``, ``code`` (``dialect:code``), ``active``, ``v``
        (channel to value, label as text, ``None`` = unknown) and ``extras`` (name to value).
    ids
        Equipment of the kind in slot order; ids that rows name are appended.
    position
        Journal position of rows that name none.
    first_ordinal
        Ordinal of each device's first row that names none; the next ones count up from there.
    texts
        Vocabulary so far, which this batch extends; without it the batch has its own.
    """
    slots = {equipment_id: slot for slot, equipment_id in enumerate(ids)}
    vocabulary: dict[str, int] = {} if texts is None else texts
    ordinals: dict[str, int] = {}
    columns: dict[str, list[int]] = {name: [] for name in _DTYPES}
    values = np.full((len(rows), len(CHANNELS[kind])), np.nan)
    unknown = np.zeros(values.shape, dtype=np.bool_)
    extras: list[Extra] = []
    for number, row in enumerate(rows):
        equipment_id = row.get("id", "D-1")
        code = row.get("code")
        event_time_ns = row.get("t", T0_NS + number * NS_PER_S)
        ordinal = row.get("ordinal", ordinals.get(equipment_id, first_ordinal))
        ordinals[equipment_id] = ordinal + 1
        cells = {
            **{name: row.get(name, default) for name, default in _DEFAULTS.items()},
            "device": slots.setdefault(equipment_id, len(slots)),
            "event_time_ns": event_time_ns,
            "received_at_ns": row.get("received_at_ns", event_time_ns),
            "position": row.get("position", position),
            "ordinal": ordinal,
            "code": NO_CODE if code is None else vocabulary.setdefault(code, len(vocabulary)),
            "active": int(row.get("active", code is not None)),
        }
        for name, cell in cells.items():
            columns[name].append(cell)
        for channel, value in row.get("v", {}).items():
            column = COLUMNS[kind][channel]
            if value is None:
                unknown[number, column] = True
            elif CHANNELS[kind][column].type is ChannelType.LABEL:
                values[number, column] = vocabulary.setdefault(str(value), len(vocabulary))
            else:
                values[number, column] = float(value)
        extras += [Extra(number, name, value) for name, value in row.get("extras", {}).items()]
    arrays: dict[str, Any] = {
        name: np.array(column, dtype=_DTYPES[name]) for name, column in columns.items()
    }
    return ReadingBatch(
        kind=kind,
        ids=tuple(slots),
        values=values,
        unknown=unknown,
        vocabulary=tuple(vocabulary),
        extras=tuple(extras),
        **arrays,
    )


_DTYPES: Mapping[str, type[np.generic]] = {
    "device": np.int32,
    "event_time_ns": np.int64,
    "received_at_ns": np.int64,
    "position": np.int64,
    "ordinal": np.int64,
    "seq": np.int64,
    "stream": np.uint8,
    "quality": np.uint16,
    "code": np.int32,
    "active": np.int8,
    "online": np.int8,
}
