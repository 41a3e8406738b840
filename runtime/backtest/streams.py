"""History that is still messages, or rows of a store: what becomes columns before it is played."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from domain.equipment import Equipment
from domain.errors import UsageError
from domain.instants import NS_PER_S, seconds
from runtime.backtest.shards import split
from runtime.backtest.sources import CaptureSource, MessagesSource, Source, WorldSource
from runtime.backtest.telemetry import TelemetrySource
from runtime.backtest.truths import read_truths
from runtime.inputs import registry_file, start_instant
from runtime.settings import load as settings_of
from runtime.site import Site
from runtime.wiring import open_state
from simulators.catalog import INJECTIONS
from simulators.offline import MESSAGES, WORLD
from simulators.parts import parts
from simulators.replay import Capture
from simulators.scenario import SCENARIO_DIRECTORY, Scenario, load
from simulators.truth import Line
from simulators.world import World

REGISTRY = "registry.csv"
TRUTH = "truth.jsonl"
CAPTURE = "capture.jsonl"

START = "2026-03-02T08:00:00+08:00"
"""Instant of t=0 of a scenario when none is named: a Monday morning, the same in every run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """History that is still messages.

    Parameters
    ----------
    sources
        Of disjoint devices.
    truths
        What really happened, unless the sources tell.
    origin
        Scenario, seed and start of a simulated one.
    densities
        By name of an injection, how many times more often than in nature it is injected.
    """

    sources: tuple[Source, ...]
    truths: tuple[Line, ...]
    start_ns: int
    end_ns: int
    origin: Mapping[str, str | int | float | None] = field(default_factory=dict)
    densities: Mapping[str, float] = field(default_factory=dict)


def simulated(name: str, seed: int, *, start: str | None) -> Stream:
    """Messages of a scenario, simulated when they are read.

    Raises
    ------
    UsageError
        If the scenario or the start is wrong.
    """
    scenario = load(name)
    start_ns = start_instant(start or START)
    # Only the rows are wanted: nothing is simulated yet.
    registry = World(scenario, seed, start_ns).registry()
    return Stream(
        sources=tuple(
            WorldSource(
                scenario, seed, start_ns, part=part, equipment=part.of(registry, scenario.fleet)
            )
            for part in parts(scenario.fleet)
        ),
        truths=(),
        start_ns=start_ns,
        end_ns=start_ns + seconds(scenario.duration_s),
        origin={"scenario": scenario.name, "seed": seed, "start_ns": start_ns},
        densities=densities_of(scenario),
    )


def densities_of(scenario: Scenario) -> dict[str, float]:
    """By name of an injection, its rate in a scenario over its natural one, unless they are equal.

    Entries that are written down have no rate: they count once.
    """
    if scenario.drawn is None:
        return {}
    rates = {
        name: (scenario.drawn.rate_per_year(injection), injection.rate_per_year)
        for name, injection in INJECTIONS.items()
        if any(scenario.fleet.of(kind) for kind in injection.kinds)
    }
    return {
        name: rate / natural
        for name, (rate, natural) in rates.items()
        if rate and natural and rate != natural
    }


def captured(directory: Path, *, start: str | None, workers: int) -> Stream:
    """Messages of a directory with ``capture.jsonl``.

    Raises
    ------
    UsageError
        If something in it is missing or damaged.
    """
    equipment = read_registry(directory / REGISTRY)
    path = directory / CAPTURE
    if start is None:
        raise UsageError(f"{CAPTURE} says how long after the start, but not when: name --start")
    start_ns = start_instant(start)
    last_ns = start_ns
    for outgoing in Capture(path).messages(start_ns=start_ns):
        last_ns = outgoing.at_ns
    return Stream(
        sources=tuple(
            CaptureSource(path=path, start_ns=start_ns, equipment=shard)
            for shard in split(equipment, workers)
        ),
        truths=read_truths(directory / TRUTH),
        start_ns=start_ns,
        end_ns=last_ns + (start_ns - last_ns) % NS_PER_S,
    )


def sent(directory: Path, *, workers: int) -> Stream:
    """Messages of a directory with ``messages.parquet``.

    Raises
    ------
    UsageError
        If something in it is missing or damaged.
    """
    try:
        world = json.loads((directory / WORLD).read_text(encoding="utf-8"))
        origin = {key: world[key] for key in ("scenario", "seed", "start_ns")}
        start_ns, duration_s = int(world["start_ns"]), float(world["duration_s"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{directory / WORLD} cannot be read: {error!r}") from error
    bundled = SCENARIO_DIRECTORY / f"{world['scenario']}.toml"
    return Stream(
        sources=tuple(
            MessagesSource(path=directory / MESSAGES, start_ns=start_ns, equipment=shard)
            for shard in split(read_registry(directory / REGISTRY), workers)
        ),
        truths=read_truths(directory / TRUTH),
        start_ns=start_ns,
        end_ns=start_ns + seconds(duration_s),
        origin=origin,
        densities=densities_of(load(bundled)) if bundled.is_file() else {},
    )


def served(directory: Path, *, workers: int) -> Stream:
    """Rows of the telemetry store of a data directory.

    Raises
    ------
    UsageError
        If there is no registry, or no row.
    DependencyError
        If a service holds the store.
    """
    site = Site(directory)
    if (directory / REGISTRY).exists():
        equipment = read_registry(directory / REGISTRY)
    else:
        state = open_state(settings_of(directory), site)
        try:
            with state.reading() as tx:
                fleet = tx.registry.fleet()
        finally:
            state.close()
        equipment = tuple(one for members in fleet.devices.values() for one in members)
    whole = TelemetrySource(path=site.telemetry, equipment=equipment)
    first_ns, last_ns = whole.span_ns()
    if not last_ns or not equipment:
        raise UsageError(f"{directory} holds no telemetry or no registry")
    return Stream(
        sources=tuple(
            TelemetrySource(path=site.telemetry, equipment=shard)
            for shard in split(equipment, workers)
        ),
        truths=read_truths(directory / TRUTH),
        start_ns=first_ns // NS_PER_S * NS_PER_S,
        end_ns=-(-last_ns // NS_PER_S) * NS_PER_S,
    )


def read_registry(path: Path) -> tuple[Equipment, ...]:
    """Rows of a registry file.

    Raises
    ------
    UsageError
        If it cannot be read, or a row is wrong.
    """
    parsed = registry_file(path)
    if parsed.refused:
        wrong = parsed.refused[0]
        raise UsageError(f"{path}, line {wrong.line}: {'; '.join(wrong.reasons)}")
    return parsed.rows
