"""What a device said around an alarm or a missed truth, out of the columns of a history."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from detectors import catalog
from detectors.scoring import Alarm, Fact
from domain.channels import CHANNELS, ChannelType
from domain.equipment import Kind
from domain.errors import UsageError
from domain.instants import seconds
from runtime.backtest.columns import Index, Part
from runtime.backtest.database import in_memory

CHANNELS_MAX = 6
"""Channels of one plot."""

POINTS_MAX = 2_000
"""Points of one channel in a plot: of more, every second, third ... is shown."""

MARGIN_NS = seconds(180)
WINDOW_NS = seconds(3_600)
"""A plot has this margin on both sides of what it shows, and is never longer than the window."""

_DEFAULT_CHANNELS: Mapping[Kind, tuple[str, ...]] = {
    Kind.LIFT: ("car_status", "door_zone", "door_closed", "passenger_present", "mains_power"),
    Kind.BOILER: ("steam_pressure_mpa", "water_level_mm", "flame_on"),
    Kind.CRANE: ("hook_load_t", "hook_height_m", "hoist_speed_mps"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One channel over time; gaps in ``values`` do not occur: unreported rows are left out."""

    channel: str
    unit: str
    times_ns: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is to be seen of one alarm or missed truth.

    Parameters
    ----------
    title
        Why it is shown.
    alarm, fact
        The alarm, and what is behind it; at least one of them.
    span_ns
        First and last instant to show.
    """

    title: str
    detector: str
    equipment_id: str
    alarm: Alarm | None
    fact: Fact | None
    span_ns: tuple[int, int]
    traces: tuple[Trace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a picture is asked of; see `Picture`."""

    title: str
    detector: str
    alarm: Alarm | None = None
    fact: Fact | None = None

    @property
    def equipment_id(self) -> str:
        """Device of the alarm or the fact."""
        of = self.alarm or self.fact
        return "" if of is None else of.equipment_id

    def span_ns(self) -> tuple[int, int]:
        """First and last instant to show."""
        instants: list[int] = []
        if self.alarm is not None:
            instants += [self.alarm.onset_ns, self.alarm.levels[-1][1]]
        elif self.fact is not None and self.fact.from_ns is not None:
            instants += [self.fact.from_ns, self.fact.to_ns or self.fact.from_ns]
        first_ns = min(instants, default=0) - MARGIN_NS
        return first_ns, min(max(instants, default=0) + MARGIN_NS, first_ns + WINDOW_NS)


def pictures(directory: Path, index: Index, subjects: Iterable[Subject]) -> list[Picture]:
    """Pictures of subjects, with the channels that their detectors read.

    Raises
    ------
    UsageError
        If a file of the history is missing or damaged.
    """
    channels = _channels_of_detectors()
    with in_memory() as connection:
        return [
            Picture(
                title=subject.title,
                detector=subject.detector,
                equipment_id=subject.equipment_id,
                alarm=subject.alarm,
                fact=subject.fact,
                span_ns=subject.span_ns(),
                traces=_traces(
                    connection, directory, index, subject, channels.get(subject.detector, ())
                ),
            )
            for subject in subjects
        ]


def _channels_of_detectors() -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(
            dict.fromkeys(
                channel
                for part in make(catalog.parameters_of(name, {}))
                for channel in part.channels
            )
        )
        for name, (_, make) in catalog.STAGED.items()
    }


def _traces(
    connection: duckdb.DuckDBPyConnection,
    directory: Path,
    index: Index,
    subject: Subject,
    wanted: Sequence[str],
) -> tuple[Trace, ...]:
    place = _place(index, subject.equipment_id)
    if place is None:
        return ()
    part, kind, slot = place
    first_ns, last_ns = subject.span_ns()
    files = _files(directory, part, kind, first_ns, last_ns)
    names = _shown(kind, wanted)
    if not files or not names:
        return ()
    listed = ", ".join(f'"{name}"' for name in names)
    try:
        found = connection.execute(
            f"SELECT event_time_ns, {listed} FROM read_parquet(?) "  # noqa: S608 - of the catalogue
            "WHERE device = ? AND event_time_ns BETWEEN ? AND ? ORDER BY event_time_ns",
            [files, slot, first_ns, last_ns],
        ).fetchnumpy()
    except duckdb.Error as error:
        raise UsageError(f"history {directory} cannot be read: {error}") from error
    units = {channel.name: channel.unit for channel in CHANNELS[kind]}
    return tuple(_trace(name, units[name], found) for name in names)


def _trace(name: str, unit: str, found: Mapping[str, np.ndarray]) -> Trace:
    values = np.ma.filled(found[name], np.nan)
    said = np.flatnonzero(~np.isnan(values))
    said = said[:: max(1, -(-len(said) // POINTS_MAX))]
    times = np.ma.getdata(found["event_time_ns"])[said]
    return Trace(channel=name, unit=unit, times_ns=times.tolist(), values=values[said].tolist())


def _place(index: Index, equipment_id: str) -> tuple[Part, Kind, int] | None:
    for part in index.parts:
        for kind, ids in part.ids.items():
            if equipment_id in ids:
                return part, Kind(kind), ids.index(equipment_id)
    return None


def _files(directory: Path, part: Part, kind: Kind, first_ns: int, last_ns: int) -> list[str]:
    """Files that may hold rows of a span, each but for late ones received soon after."""
    found: list[str] = []
    since_ns = 0
    for chunk in part.chunks:
        if chunk.until_ns >= first_ns and since_ns <= last_ns and kind.value in chunk.files:
            found.append(str(directory / chunk.files[kind.value]))
        since_ns = chunk.until_ns
    return found


def _shown(kind: Kind, wanted: Sequence[str]) -> list[str]:
    numeric = {one.name for one in CHANNELS[kind] if one.type is not ChannelType.LABEL}
    chosen = [name for name in wanted if name in numeric]
    chosen = chosen or [name for name in _DEFAULT_CHANNELS.get(kind, ()) if name in numeric]
    return chosen[:CHANNELS_MAX]
