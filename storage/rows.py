"""Rows of a batch as telemetry stores keep them, and as readers see them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS, ChannelType
from domain.equipment import Kind
from domain.readings import NO_SEQ, Extra, Latest, Quality, ReadingBatch, Sample, Stream

Value = float | bool | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """One row out of a store.

    Parameters
    ----------
    order
        Event time and ordinal: rows of one device are read in this order.
    position
        Journal frame that the row came from.
    """

    order: tuple[int, int]
    position: int
    sample: Sample


def storable(batch: ReadingBatch, after_position: int) -> NDArray[np.intp]:
    """Row numbers that a store keeps: no alive rows, and only frames after ``after_position``."""
    keep = (batch.stream != Stream.ALIVE) & (batch.position > after_position)
    return np.flatnonzero(keep)


def extras_of(batch: ReadingBatch, rows: NDArray[np.intp]) -> Iterator[tuple[int, Extra]]:
    """Extras of chosen rows, each with its place in ``rows``, which must rise."""
    if not batch.extras or not len(rows):
        return
    places = np.searchsorted(rows, [extra.row for extra in batch.extras])
    for place, extra in zip(places.tolist(), batch.extras, strict=True):
        if place < len(rows) and rows[place] == extra.row:
            yield place, extra


def read_value(type_: ChannelType, raw: float | str | None) -> Value:
    """Reading as `Sample` shows it: a label as text, a flag as bool, else a float."""
    if raw is None or type_ is ChannelType.LABEL:
        return raw
    return bool(raw) if type_ is ChannelType.FLAG else float(raw)


def stored_rows(batch: ReadingBatch, rows: NDArray[np.intp]) -> list[StoredRow]:
    """Chosen rows of a batch, as every store must give them back."""
    values = _values(batch, rows)
    for place, extra in extras_of(batch, rows):
        values[place].setdefault(extra.name, extra.value)
    columns = (
        batch.device,
        batch.event_time_ns,
        batch.received_at_ns,
        batch.position,
        batch.ordinal,
        batch.seq,
        batch.stream,
        batch.quality,
        batch.code,
        batch.active,
    )
    cells = zip(*(column[rows].tolist() for column in columns), strict=True)
    return [
        StoredRow(
            order=(event_time_ns, ordinal),
            position=position,
            sample=Sample(
                equipment_id=batch.ids[device],
                event_time_ns=event_time_ns,
                received_at_ns=received_at_ns,
                stream=Stream(stream),
                quality=Quality(quality),
                seq=None if seq == NO_SEQ else seq,
                values=readings,
                code=batch.label(code),
                active=None if code < 0 else bool(active),
            ),
        )
        for (
            (
                device,
                event_time_ns,
                received_at_ns,
                position,
                ordinal,
                seq,
                stream,
                quality,
                code,
                active,
            ),
            readings,
        ) in zip(cells, values, strict=True)
    ]


def _values(batch: ReadingBatch, rows: NDArray[np.intp]) -> list[dict[str, Value]]:
    found: list[dict[str, Value]] = [{} for _ in rows]
    for column, channel in enumerate(CHANNELS[batch.kind]):
        readings = batch.values[rows, column]
        present = np.flatnonzero(~np.isnan(readings))
        for place, raw in zip(present.tolist(), readings[present].tolist(), strict=True):
            shown = batch.label(raw) if channel.type is ChannelType.LABEL else raw
            found[place][channel.name] = read_value(channel.type, shown)
        for place in np.flatnonzero(batch.unknown[rows, column]).tolist():
            found[place].setdefault(channel.name, None)
    return found


def values_of(
    kind: Kind,
    cells: Mapping[str, float | str | None],
    unknown: Iterable[str],
    extras: Iterable[tuple[str, float]],
) -> dict[str, Value]:
    """`Sample.values` of a stored row: channels in the catalogue's order, then extras.

    Parameters
    ----------
    cells
        Stored value by field name; absent or ``None`` = not reported.
    """
    lost = set(unknown)
    values: dict[str, Value] = {}
    for channel in CHANNELS[kind]:
        raw = cells.get(channel.name)
        if raw is not None:
            values[channel.name] = read_value(channel.type, raw)
        elif channel.name in lost:
            values[channel.name] = None
    for name, value in extras:
        # A name that the catalogue gained later keeps what the channel itself says.
        values.setdefault(name, float(value))
    return values


@dataclass(slots=True)
class Newest:
    """Last reported value of each channel of one device, folded from rows in any order."""

    orders: dict[str, tuple[int, int]] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)

    def offer(self, name: str, order: tuple[int, int], value: Value) -> None:
        """Take a reading, unless a newer one is known."""
        if order >= self.orders.get(name, order):
            self.orders[name] = order
            self.values[name] = value

    def offer_rows(self, rows: Iterable[StoredRow]) -> None:
        """Take every reading of some rows."""
        for row in rows:
            for name, value in row.sample.values.items():
                self.offer(name, row.order, value)

    def latest(self) -> dict[str, Latest]:
        """By channel, the last reported value and its event time."""
        return {
            name: Latest(value=value, event_time_ns=self.orders[name][0])
            for name, value in self.values.items()
        }


def in_order(rows: Iterable[StoredRow], limit: int) -> Sequence[Sample]:
    """Samples of the first ``limit`` rows by event time and ordinal."""
    return [row.sample for row in sorted(rows, key=lambda row: row.order)[: max(limit, 0)]]
