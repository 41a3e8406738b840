"""Building `ReadingBatch`es: one item at a time in, columns out."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS, COLUMNS, Channel, ChannelType
from domain.codes import CODES
from domain.equipment import Kind
from domain.readings import Extra, Quality, ReadingBatch

VOCABULARY_MAX = 200_000
"""Different label texts and codes that one decoder remembers; a further one is unknown."""

LABEL_CHARACTERS_MAX = 64

DEVICE_TEXTS_MAX = 4_096
"""Texts that one device may add to the vocabulary: none can use it up for the others."""

_BAD_VALUE, _UNKNOWN_CHANNEL = int(Quality.BAD_VALUE), int(Quality.UNKNOWN_CHANNEL)

ROW_COLUMNS = (
    "device",
    "event_time_ns",
    "received_at_ns",
    "position",
    "ordinal",
    "seq",
    "stream",
    "quality",
    "code",
    "active",
    "online",
    "arrival",
)
"""What a row is made of beside its readings; ``arrival`` orders the rows of one call."""

_AS_THEY_ARE = (
    "event_time_ns",
    "received_at_ns",
    "position",
    "ordinal",
    "seq",
    "values",
    "unknown",
)

Columns = dict[str, NDArray[Any]]
"""Equal-length columns by the names of `ROW_COLUMNS`, ``values`` and ``unknown``."""

Spec = tuple[int, frozenset[type], Mapping[float, float] | None, float, float]
"""Column, JSON types of a usable value, legal values with their readings, least and greatest value.

Codes and flags have a table of legal values, numbers a range. A label has no types here: it is read
by its own function. A bool is a flag and no code or number, although Python calls it an int.
"""


def _spec(column: int, channel: Channel) -> Spec:
    numbers = frozenset({int, float})
    if channel.type is ChannelType.FLAG:
        return column, numbers | {bool}, {0: 0.0, 1: 1.0}, 0, 1
    if channel.type is ChannelType.CODE:
        table: dict[float, float] = {code: float(code) for code in channel.codes}
        return column, numbers, table, channel.minimum, channel.maximum
    if channel.type is ChannelType.LABEL:
        return column, frozenset(), None, 0, 0
    return column, numbers, None, channel.minimum, channel.maximum


SPECS: Mapping[Kind, Mapping[str, Spec]] = {
    kind: {channel.name: _spec(column, channel) for column, channel in enumerate(channels)}
    for kind, channels in CHANNELS.items()
}


class Names(msgspec.Struct):
    """Words that one device brought in.

    Parameters
    ----------
    extras
        Channels outside the catalogue.
    texts
        How many texts of the vocabulary it was the first to use.
    """

    extras: list[str] = msgspec.field(default_factory=list)
    texts: int = 0


class Vocabulary:
    """Texts by index; it only grows, so an index keeps its meaning.

    Every known code has its place from the start, so that no label can crowd one out.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts = list(dict.fromkeys((*texts, *CODES)))
        self.indices = {text: index for index, text in enumerate(self.texts)}
        self._frozen: tuple[str, ...] = ()

    def frozen(self) -> tuple[str, ...]:
        """All texts as they stand now."""
        if len(self._frozen) != len(self.texts):
            self._frozen = tuple(self.texts)
        return self._frozen

    def index(self, text: str, names: Names) -> int | None:
        """Index of a text, a new one when there is room for the device's, else ``None``."""
        index = self.indices.get(text)
        if index is None and names.texts < DEVICE_TEXTS_MAX and len(self.texts) < VOCABULARY_MAX:
            names.texts += 1
            index = self.indices[text] = len(self.texts)
            self.texts.append(text)
        return index


@dataclass(slots=True)
class RowBuilder:
    """Rows of one kind under construction.

    Parameters
    ----------
    rows
        One tuple a row, see `ROW_COLUMNS`.
    steady
        Rows that `ingest.steady` made, as columns.
    cell_*
        Row, column, value of every usable reading.
    unknown
        Row, column of every channel that is unknown from that row on.
    """

    kind: Kind
    rows: list[tuple[int, ...]] = field(default_factory=list)
    steady: list[Columns] = field(default_factory=list)
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
        names: Names,
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
        number: float | None
        # Inline, because this is where most of the decoder's time goes.
        for name, value in values.items():
            spec = specs.get(name)
            if spec is None:
                strangers += 1
                bad += not self._stranger(row, name, value, names.extras, extras_max)
                continue
            column, types, table, low, high = spec
            cls = value.__class__
            if cls not in types:
                number = None if types else _label(value, vocabulary, names)
            elif table is not None:
                number = table.get(value)
            else:
                number = float(value) if low <= value <= high else None
            if number is None:
                self.unknown.append((row, column))
                bad += value is not None
            else:
                self.cell_rows.append(row)
                self.cell_columns.append(column)
                self.cell_values.append(number)
        flags = (_BAD_VALUE if bad else 0) | (_UNKNOWN_CHANNEL if strangers else 0)
        return flags, bad, strangers

    def _stranger(
        self, row: int, name: str, value: object, names: list[str], extras_max: int
    ) -> bool:
        """Keep a reading of a channel outside the catalogue; say whether it could be kept.

        There is nothing to keep of a null, and nothing wrong with it.
        """
        if value is None:
            return True
        if not isinstance(value, bool | int | float) or not usable_text(name):
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

    def batch(self, ids: tuple[str, ...], vocabulary: Vocabulary) -> ReadingBatch | None:
        """Batch of all rows in order of arrival; ``None`` when there are none."""
        parts = [*([self._general()] if self.rows else []), *self.steady]
        if not parts:
            return None
        columns, place = _in_order(parts)
        extras = self.extras
        if place is not None and extras:
            extras = [Extra(int(place[extra.row]), extra.name, extra.value) for extra in extras]
            extras.sort(key=lambda extra: extra.row)
        return ReadingBatch(
            kind=self.kind,
            ids=ids,
            device=columns["device"].astype(np.int32),
            stream=columns["stream"].astype(np.uint8),
            quality=columns["quality"].astype(np.uint16),
            code=columns["code"].astype(np.int32),
            active=columns["active"].astype(np.int8),
            online=columns["online"].astype(np.int8),
            **{name: columns[name] for name in _AS_THEY_ARE},
            vocabulary=vocabulary.frozen(),
            extras=tuple(extras),
        )

    def _general(self) -> Columns:
        n, channels = len(self.rows), len(CHANNELS[self.kind])
        columns = np.array(self.rows, dtype=np.int64).T.copy()
        values = np.full((n, channels), np.nan)
        values[self.cell_rows, self.cell_columns] = self.cell_values
        unknown = np.zeros((n, channels), dtype=np.bool_)
        if self.unknown:
            unknown[tuple(np.array(self.unknown).T)] = True
        named = dict(zip(ROW_COLUMNS, columns, strict=True))
        return {**named, "values": values, "unknown": unknown}


def _in_order(parts: list[Columns]) -> tuple[Columns, NDArray[np.intp] | None]:
    """Parts below each other in order of arrival, and the place that each row was moved to."""
    joined = parts[0]
    if len(parts) > 1:
        joined = {name: np.concatenate([part[name] for part in parts]) for name in joined}
    elif (np.diff(joined["arrival"]) >= 0).all():
        return joined, None
    order = np.argsort(joined["arrival"], kind="stable")
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    return {name: column[order] for name, column in joined.items()}, place


def usable_text(text: str) -> bool:
    """Whether a label, name or code can be stored and shown everywhere."""
    return 0 < len(text) <= LABEL_CHARACTERS_MAX and text.isprintable()


def _label(value: object, vocabulary: Vocabulary, names: Names) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    text = str(value)
    if not usable_text(text):
        return None
    index = vocabulary.index(text, names)
    return None if index is None else float(index)


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
