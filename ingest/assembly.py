"""Building `ReadingBatch`es: one item at a time in, columns out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from domain.channels import CHANNELS, COLUMNS, ChannelType
from domain.equipment import Kind
from domain.readings import Extra, Quality, ReadingBatch

VOCABULARY_MAX = 200_000
"""Different label texts and codes that one decoder remembers; a further one is unknown."""

LABEL_CHARACTERS_MAX = 64

_BAD_VALUE, _UNKNOWN_CHANNEL = int(Quality.BAD_VALUE), int(Quality.UNKNOWN_CHANNEL)

Spec = tuple[int, ChannelType, float, float, Mapping[int, tuple[str, str]]]

SPECS: Mapping[Kind, Mapping[str, Spec]] = {
    kind: {
        channel.name: (column, channel.type, channel.minimum, channel.maximum, channel.codes)
        for column, channel in enumerate(channels)
    }
    for kind, channels in CHANNELS.items()
}


class Vocabulary(msgspec.Struct):
    """Texts by index; it only grows, so an index keeps its meaning."""

    texts: list[str] = msgspec.field(default_factory=list)
    indices: dict[str, int] = msgspec.field(default_factory=dict)

    def index(self, text: str) -> int | None:
        """Index of a text, a new one when there is room, else ``None``."""
        index = self.indices.get(text)
        if index is None and len(self.texts) < VOCABULARY_MAX:
            index = self.indices[text] = len(self.texts)
            self.texts.append(text)
        return index


@dataclass(slots=True)
class RowBuilder:
    """Rows of one kind under construction.

    Parameters
    ----------
    rows
        One tuple a row: device, event_time_ns, received_at_ns, position, ordinal, seq, stream,
        quality, code, active, online.
    cells
        Row, column, value of every usable reading.
    unknown
        Row, column of every channel that is unknown from that row on.
    """

    kind: Kind
    rows: list[tuple[int, ...]] = field(default_factory=list)
    cell_rows: list[int] = field(default_factory=list)
    cell_columns: list[int] = field(default_factory=list)
    cell_values: list[float] = field(default_factory=list)
    unknown: list[tuple[int, int]] = field(default_factory=list)
    extras: list[Extra] = field(default_factory=list)

    def set(self, channel: str, value: float) -> None:
        """Give the row that comes next a value that follows from a code."""
        self.cell_rows.append(len(self.rows))
        self.cell_columns.append(COLUMNS[self.kind][channel])
        self.cell_values.append(value)

    def read(
        self,
        values: Mapping[str, Any],
        vocabulary: Vocabulary,
        extra_names: list[str],
        extras_max: int,
    ) -> tuple[int, int, int]:
        """Read a ``v`` object into the row that comes next.

        Returns
        -------
        tuple of int
            Quality flags, bad values, readings of unknown channels.
        """
        specs = SPECS[self.kind]
        row = len(self.rows)
        bad = strangers = 0
        for name, value in values.items():
            spec = specs.get(name)
            if spec is None:
                strangers += 1
                bad += not self._stranger(row, name, value, extra_names, extras_max)
                continue
            number = None if value is None else _number(value, spec, vocabulary)
            if number is None:
                self.unknown.append((row, spec[0]))
                bad += value is not None
            else:
                self.cell_rows.append(row)
                self.cell_columns.append(spec[0])
                self.cell_values.append(number)
        flags = (_BAD_VALUE if bad else 0) | (_UNKNOWN_CHANNEL if strangers else 0)
        return flags, bad, strangers

    def _stranger(
        self, row: int, name: str, value: object, names: list[str], extras_max: int
    ) -> bool:
        """Keep a reading of a channel outside the catalogue; say whether it could be kept."""
        if (
            not isinstance(value, bool | int | float)
            or not name
            or len(name) > LABEL_CHARACTERS_MAX
        ):
            return False
        number = _finite(value)
        if number is None:
            return False
        if name not in names:
            if len(names) >= extras_max:
                return False
            names.append(name)
        self.extras.append(Extra(row, name, number))
        return True

    def batch(self, ids: tuple[str, ...], vocabulary: Vocabulary) -> ReadingBatch:
        """Batch of all rows."""
        n, channels = len(self.rows), len(CHANNELS[self.kind])
        columns = np.array(self.rows, dtype=np.int64).T.copy()
        values = np.full((n, channels), np.nan)
        values[self.cell_rows, self.cell_columns] = self.cell_values
        unknown = np.zeros((n, channels), dtype=np.bool_)
        if self.unknown:
            unknown[tuple(np.array(self.unknown).T)] = True
        return ReadingBatch(
            kind=self.kind,
            ids=ids,
            device=columns[0].astype(np.int32),
            event_time_ns=columns[1],
            received_at_ns=columns[2],
            position=columns[3],
            ordinal=columns[4],
            seq=columns[5],
            stream=columns[6].astype(np.uint8),
            quality=columns[7].astype(np.uint16),
            values=values,
            unknown=unknown,
            code=columns[8].astype(np.int32),
            active=columns[9].astype(np.int8),
            online=columns[10].astype(np.int8),
            vocabulary=tuple(vocabulary.texts),
            extras=tuple(self.extras),
        )


def _number(value: Any, spec: Spec, vocabulary: Vocabulary) -> float | None:  # noqa: ANN401 - JSON
    """Reading as a number, ``None`` when it is unusable on this channel."""
    _, type_, low, high, codes = spec
    cls = value.__class__
    if type_ is ChannelType.NUMBER:
        return float(value) if (cls is float or cls is int) and low <= value <= high else None
    if type_ is ChannelType.LABEL:
        return _label(value, vocabulary)
    if cls is bool:
        return float(value) if type_ is ChannelType.FLAG else None
    if cls is not int and not (cls is float and value.is_integer()):
        return None
    legal = value in codes if type_ is ChannelType.CODE else value in {0, 1}
    return float(value) if legal else None


def _label(value: object, vocabulary: Vocabulary) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    text = str(value)
    if not 0 < len(text) <= LABEL_CHARACTERS_MAX:
        return None
    index = vocabulary.index(text)
    return None if index is None else float(index)


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
