"""What worker processes of a backtest do: decode messages into columns, and play columns."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.equipment import Equipment, Kind, build_fleet
from domain.findings import Finding
from runtime.backtest.columns import Part, PartWriter, read_chunks
from runtime.backtest.playback import Playback
from runtime.backtest.sources import Source
from simulators.truth import Line

Parameters = Mapping[str, Mapping[str, float]]
"""A version of the detectors: overrides by detector and parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Messages of some devices that are to become a part of a history.

    Parameters
    ----------
    number
        Of the part.
    directory
        Takes the columns.
    slice_ns
        Time that a chunk covers.
    """

    number: int
    source: Source
    directory: Path
    start_ns: int
    slice_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A part of a history, and what happened to its devices as far as the source tells."""

    part: Part
    truths: tuple[Line, ...]


def record(task: Recording) -> Recorded:
    """Simulate or read, and write columns."""
    fleet = build_fleet(1, task.source.equipment)
    writer = PartWriter(task.directory, task.number)
    source = task.source
    for chunk in source.chunks(fleet, start_ns=task.start_ns, slice_ns=task.slice_ns):
        writer.write(chunk)
    return Recorded(part=writer.part(fleet.ids), truths=source.truths())


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """Devices of one kind, from some parts of a history.

    Parameters
    ----------
    equipment
        In the order of the parts.
    versions
        Each judges the same rows.
    start_ns, end_ns
        Ticks follow every second from the one to the other.
    """

    kind: Kind
    directory: Path
    parts: tuple[Part, ...]
    equipment: tuple[Equipment, ...]
    versions: tuple[Parameters, ...]
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What detectors said.

    Parameters
    ----------
    findings
        Of each version; those of one device in its order.
    read_s, detect_s
        Wall time that reading and detecting took.
    """

    findings: tuple[tuple[Finding, ...], ...]
    rows: int
    read_s: float
    detect_s: float


def play(task: Playing) -> Played:
    """Play columns through every version."""
    fleet = build_fleet(1, task.equipment)
    players = [Playback(fleet, version, start_ns=task.start_ns) for version in task.versions]
    findings: list[list[Finding]] = [[] for _ in players]
    rows, detect_s, began_s = 0, 0.0, time.perf_counter()
    for chunk in read_chunks(task.directory, task.parts, task.kind):
        since_s = time.perf_counter()
        rows += sum(map(len, chunk.batches))
        for collected, player in zip(findings, players, strict=True):
            collected.extend(player.step(chunk.batches, chunk.until_ns))
        detect_s += time.perf_counter() - since_s
    for collected, player in zip(findings, players, strict=True):
        collected.extend(player.finish(task.end_ns))
    return Played(
        findings=tuple(map(tuple, findings)),
        rows=rows,
        read_s=time.perf_counter() - began_s - detect_s,
        detect_s=detect_s,
    )
