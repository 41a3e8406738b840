"""Real recordings as devices: a CSV series mapped to channels, and captured MQTT streams."""

import base64
import binascii
import csv
import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from domain.channels import COLUMNS
from domain.equipment import ID_PATTERN, Kind
from domain.errors import UsageError
from domain.instants import NS_PER_S, from_iso, seconds, to_iso
from domain.readings import Stream
from ingest import topics
from simulators.outgoing import Outgoing

ROWS_MAX = 10_000_000
"""Rows of one CSV series."""

LINE_BYTES_MAX = 4 * 1024 * 1024
"""Longest line of a capture: a gateway's message of 1 MiB, escaped."""

BAD_LINES_KEPT = 100
"""Bad lines of a capture that are described; all are counted."""

_TOPIC_BYTES_MAX = 65_535
_EPOCH_MS_FROM = 1e11
"""Numbers from here on are milliseconds since the epoch, smaller ones seconds."""

_MAP = re.compile(
    r"(?P<column>[^=]+)=(?P<channel>[a-z][a-z0-9_]*)"
    r"(?:\*(?P<factor>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?))?"
    r"(?P<offset>[+-]\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """Column of a series that becomes a channel: ``channel = column * factor + offset``."""

    column: str
    channel: str
    factor: float = 1.0
    offset: float = 0.0


def parse_map(text: str) -> ColumnMap:
    """Mapping of ``COLUMN=CHANNEL[*FACTOR][+OFFSET]``.

    >>> parse_map("value=flue_gas_temperature_c*0.5556-17.78")
    ColumnMap(column='value', channel='flue_gas_temperature_c', factor=0.5556, offset=-17.78)

    Raises
    ------
    UsageError
        If the text has another form.
    """
    match = _MAP.fullmatch(text.strip())
    if match is None:
        raise UsageError(f'"{text}" is no mapping; write COLUMN=CHANNEL[*FACTOR][+OFFSET]')
    return ColumnMap(
        column=match["column"].strip(),
        channel=match["channel"],
        factor=float(match["factor"] or 1.0),
        offset=float(match["offset"] or 0.0),
    )


class Shift(StrEnum):
    """What ``ts`` says: the recorded times, or the series moved to begin or to end now.

    `BEGIN` also divides distances by the speed, so that no device is ahead of its time; `END` keeps
    them: everything but the last row is history.
    """

    NONE = "none"
    BEGIN = "begin"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A recorded series: instants in nanoseconds, rising, and the channels of each.

    Parameters
    ----------
    skipped_cells
        Cells that were empty or no finite number.
    """

    times_ns: tuple[int, ...]
    values: tuple[dict[str, float], ...]
    skipped_cells: int


def read_series(
    path: Path, maps: Sequence[ColumnMap], kind: Kind, *, timestamp_column: str = "timestamp"
) -> Series:
    """Series of a CSV file; times are ISO 8601 (without offset: Asia/Shanghai) or epoch numbers.

    Raises
    ------
    UsageError
        If the file cannot be read, a column or channel does not exist, or a time is no time; with
        the line number.
    """
    _check_channels(maps, kind)
    times_ns: list[int] = []
    values: list[dict[str, float]] = []
    skipped = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or (), maps, timestamp_column)
            for row in reader:
                if len(times_ns) >= ROWS_MAX:
                    raise UsageError(f"{path} has more than {ROWS_MAX} rows")
                times_ns.append(_time(path, reader.line_num, row[timestamp_column]))
                cells = _cells(row, maps)
                skipped += len(maps) - len(cells)
                values.append(cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not times_ns:
        raise UsageError(f"{path} has no rows")
    order = sorted(range(len(times_ns)), key=times_ns.__getitem__)
    return Series(
        times_ns=tuple(times_ns[i] for i in order),
        values=tuple(values[i] for i in order),
        skipped_cells=skipped,
    )


def series_messages(
    series: Series,
    *,
    kind: Kind,
    equipment_id: str,
    start_ns: int,
    speed: float | None = 1.0,
    shift: Shift = Shift.NONE,
) -> Iterator[Outgoing]:
    """Messages of the device that recorded the series, an online ``alive`` first.

    Parameters
    ----------
    start_ns
        Now: when the first message is due.
    speed
        Seconds of the series in one of ours; ``None`` = all at once.
    """
    if not ID_PATTERN.fullmatch(equipment_id):
        raise UsageError(f'"{equipment_id}" is no equipment id')
    if speed is not None and speed <= 0:
        raise UsageError(f"a speed is positive, not {speed:g}")
    boot = f"replay-{start_ns // NS_PER_S}"
    encoder = msgspec.json.Encoder()
    pace = float("inf") if speed is None else speed
    first_ns, last_ns = series.times_ns[0], series.times_ns[-1]

    def device_time(time_ns: int, at_ns: int) -> str:
        if shift is Shift.BEGIN:
            return to_iso(at_ns)
        return to_iso(time_ns + (start_ns - last_ns if shift is Shift.END else 0))

    # By the clock of the rows: one that read now before them would seem to have stepped back.
    ts = device_time(first_ns, start_ns)
    online = {"ts": ts, "seq": 0, "boot": boot, "online": True}
    alive_topic = topics.device(kind, equipment_id, Stream.ALIVE)
    yield Outgoing(start_ns, alive_topic, encoder.encode(online), retain=True)
    topic = topics.device(kind, equipment_id, Stream.TELEMETRY)
    seq = 0
    for time_ns, values in zip(series.times_ns, series.values, strict=True):
        if not values:
            continue
        seq += 1
        at_ns = start_ns + round((time_ns - first_ns) / pace)
        item = {"ts": device_time(time_ns, at_ns), "seq": seq, "boot": boot, "v": values}
        yield Outgoing(at_ns, topic, encoder.encode(item))


class _Line(msgspec.Struct):
    t: float
    topic: str
    payload: Any = None
    payload_b64: str | None = None
    retain: bool = False


@dataclass(slots=True)
class Capture:
    """A capture file, read line by line.

    Parameters
    ----------
    lines, bad
        Lines read and lines refused so far.
    complaints
        The first `BAD_LINES_KEPT` refused lines: number and reason.
    disordered
        Messages whose ``t`` was before their predecessor's; they are given its time.
    """

    path: Path
    lines: int = 0
    bad: int = 0
    disordered: int = 0
    complaints: list[tuple[int, str]] = field(default_factory=list)

    def messages(self, *, start_ns: int, speed: float | None = 1.0) -> Iterator[Outgoing]:
        """Messages at ``start + t / speed`` in the file's order; ``None`` = all at the start.

        Raises
        ------
        UsageError
            If the file cannot be read at all.
        """
        if speed is not None and speed <= 0:
            raise UsageError(f"a speed is positive, not {speed:g}")
        decoder = msgspec.json.Decoder(_Line)
        latest_s = 0.0
        try:
            with self.path.open("rb") as file:
                while raw := file.readline(LINE_BYTES_MAX + 1):
                    self.lines += 1
                    if len(raw) > LINE_BYTES_MAX:
                        self._refuse(f"longer than {LINE_BYTES_MAX} bytes")
                        _skip_line(file, raw)
                        continue
                    outgoing = self._outgoing(raw, decoder)
                    if outgoing is None:
                        continue
                    t, topic, payload, retain = outgoing
                    self.disordered += t < latest_s
                    latest_s = max(latest_s, t)
                    at_ns = start_ns if speed is None else start_ns + seconds(latest_s / speed)
                    yield Outgoing(at_ns, topic, payload, retain)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be read: {error}") from error

    def _outgoing(
        self, raw: bytes, decoder: msgspec.json.Decoder[_Line]
    ) -> tuple[float, str, bytes, bool] | None:
        if not raw.strip():
            return None
        try:
            line = decoder.decode(raw)
            _check_line(line)
            return line.t, line.topic, _payload(line), line.retain
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self._refuse(str(error))
            return None

    def _refuse(self, reason: str) -> None:
        self.bad += 1
        if len(self.complaints) < BAD_LINES_KEPT:
            self.complaints.append((self.lines, reason))


def _check_line(line: _Line) -> None:
    if not math.isfinite(line.t) or line.t < 0:
        raise ValueError(f"t is {line.t}, not a time since the start")
    size = len(line.topic.encode())
    if not 0 < size <= _TOPIC_BYTES_MAX or any(c in line.topic for c in "+#\0"):
        raise ValueError("topic is empty, too long or holds a wildcard")


def _payload(line: _Line) -> bytes:
    if line.payload_b64 is not None:
        try:
            return base64.b64decode(line.payload_b64, validate=True)
        except binascii.Error as error:
            raise ValueError(f"payload_b64 is no base64: {error}") from error
    if isinstance(line.payload, str):
        return line.payload.encode()
    if line.payload is None:
        raise ValueError("payload or payload_b64 is missing")
    return msgspec.json.encode(line.payload)


def _skip_line(file: Any, raw: bytes) -> None:  # noqa: ANN401 - a binary file object
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(LINE_BYTES_MAX)


def _check_channels(maps: Sequence[ColumnMap], kind: Kind) -> None:
    if not maps:
        raise UsageError("a replay maps at least one column to a channel")
    for column_map in maps:
        if column_map.channel not in COLUMNS[kind]:
            close = difflib.get_close_matches(column_map.channel, COLUMNS[kind], n=1)
            hint = f', did you mean "{close[0]}"?' if close else ""
            raise UsageError(f'a {kind} has no channel "{column_map.channel}"{hint}')


def _check_columns(
    path: Path, names: Sequence[str], maps: Sequence[ColumnMap], timestamp_column: str
) -> None:
    for column in (timestamp_column, *(column_map.column for column_map in maps)):
        if column not in names:
            raise UsageError(f'{path} has no column "{column}"; it has {", ".join(names)}')


def _time(path: Path, line: int, text: str | None) -> int:
    text = (text or "").strip()
    try:
        if not re.fullmatch(r"\d+(\.\d+)?", text):
            return from_iso(text)
        number = float(text)
        return seconds(number / 1000.0 if number >= _EPOCH_MS_FROM else number)
    except ValueError as error:
        raise UsageError(f'{path} line {line}: "{text}" is no time') from error


def _cells(row: dict[str, str], maps: Sequence[ColumnMap]) -> dict[str, float]:
    cells: dict[str, float] = {}
    for column_map in maps:
        try:
            value = float(row[column_map.column])
        except (TypeError, ValueError):
            # An empty or broken cell is a channel not reported; read_series counts it.
            continue
        if math.isfinite(value):
            cells[column_map.channel] = value * column_map.factor + column_map.offset
    return cells
