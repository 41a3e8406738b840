"""Line protocol of InfluxDB: one point a row, and the names and timestamps that points have."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS, ChannelType
from domain.readings import NO_CODE, NO_SEQ, ReadingBatch
from storage.rows import extras_of
from storage.schema import TAG, FieldType, channel_fields, measurement

MILLISECOND_NS = 1_000_000
"""Event times are cut to this; what is below tells apart rows that share a millisecond."""

EXTRA_PREFIX = "x_"
"""Begins the fields of channels that the catalogue does not know."""

UNKNOWN = "unknown"
"""Field with the names of a row's unknown channels; absent when there are none."""

UNKNOWN_SEPARATOR = ","

LOADER = "loader"
"""Measurement that holds the journal position up to which everything is stored."""

_UNSAFE = re.compile(r'[%,= "\\\x00-\x20\x7f]')

_Cells = list[str]
"""One ``field=value`` a row; empty where the row has none."""


def point_time_ns(
    event_time_ns: NDArray[np.int64], ordinal: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Timestamps that keep rows apart and are the same in every replay.

    A point is known by series and timestamp alone, so two rows of a device with one timestamp would
    be one point. Up to a million rows of a device fit into one millisecond.
    """
    return event_time_ns // MILLISECOND_NS * MILLISECOND_NS + ordinal % MILLISECOND_NS


def extra_field(name: str) -> str:
    """Field of a channel outside the catalogue, safe in line protocol and in InfluxQL.

    >>> extra_field("oil temp")
    'x_oil%20temp'
    """
    return EXTRA_PREFIX + _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", name)


def extra_name(field: str) -> str:
    """Channel name of a field that `extra_field` made.

    >>> extra_name("x_oil%20temp")
    'oil temp'
    """
    return unquote(field.removeprefix(EXTRA_PREFIX))


def loader_line(position: int, time_ns: int) -> str:
    """Point that records the journal position."""
    return f"{LOADER} position={position}i {time_ns}"


def lines(batch: ReadingBatch, rows: NDArray[np.intp]) -> Iterator[str]:
    """One line for each chosen row."""
    columns = [*_row_cells(batch, rows), *_channel_cells(batch, rows)]
    columns += [_unknown_cells(batch, rows), _extra_cells(batch, rows)]
    times = point_time_ns(batch.event_time_ns[rows], batch.ordinal[rows]).tolist()
    series = f"{measurement(batch.kind)},{TAG}="
    for slot, time_ns, *cells in zip(batch.device[rows].tolist(), times, *columns, strict=True):
        yield f"{series}{_tag(batch.ids[slot])} {','.join(filter(None, cells))} {time_ns}"


def _row_cells(batch: ReadingBatch, rows: NDArray[np.intp]) -> Iterator[_Cells]:
    always = np.ones(len(rows), dtype=np.bool_)
    for name in ("event_time_ns", "received_at_ns", "position", "ordinal", "stream", "quality"):
        yield _cells(name, _integer, getattr(batch, name)[rows], always)
    seq, code = batch.seq[rows], batch.code[rows]
    yield _cells("seq", _integer, seq, seq != NO_SEQ)
    yield _cells("code", lambda index: _text(batch.vocabulary[index]), code, code != NO_CODE)
    yield _cells("active", _integer, batch.active[rows], code != NO_CODE)


def _channel_cells(batch: ReadingBatch, rows: NDArray[np.intp]) -> Iterator[_Cells]:
    for column, channel in enumerate(channel_fields(batch.kind)):
        readings = batch.values[rows, column]
        present = np.isfinite(readings)
        if channel.channel is ChannelType.LABEL:
            yield _cells(
                channel.name, lambda index: _text(batch.vocabulary[int(index)]), readings, present
            )
        else:
            form = repr if channel.type is FieldType.FLOAT else _integer
            yield _cells(channel.name, form, readings, present)


def _cells(
    name: str, form: Callable[[Any], str], column: NDArray[Any], present: NDArray[np.bool_]
) -> _Cells:
    cells = [""] * len(column)
    places = np.flatnonzero(present)
    for place, value in zip(places.tolist(), column[places].tolist(), strict=True):
        cells[place] = f"{name}={form(value)}"
    return cells


def _unknown_cells(batch: ReadingBatch, rows: NDArray[np.intp]) -> _Cells:
    cells = [""] * len(rows)
    unknown = batch.unknown[rows]
    for place in np.flatnonzero(unknown.any(axis=1)).tolist():
        channels = zip(CHANNELS[batch.kind], unknown[place], strict=True)
        names = (channel.name for channel, lost in channels if lost)
        cells[place] = f"{UNKNOWN}={_text(UNKNOWN_SEPARATOR.join(names))}"
    return cells


def _extra_cells(batch: ReadingBatch, rows: NDArray[np.intp]) -> _Cells:
    cells = [""] * len(rows)
    for place, extra in extras_of(batch, rows):
        cell = f"{extra_field(extra.name)}={float(extra.value)!r}"
        cells[place] = f"{cells[place]},{cell}" if cells[place] else cell
    return cells


def _integer(value: float) -> str:
    return f"{int(value)}i"


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _tag(value: str) -> str:
    return re.sub(r"([\\,= ])", r"\\\1", value)
