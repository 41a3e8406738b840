"""Histories: what a world sends, in Parquet, made part by part in processes of their own.

A directory holds ``messages.parquet`` (``t`` in seconds since the start, ``topic``, ``payload``,
``retain`` as a subscriber sees it; in order of ``t``), ``truth.jsonl``, ``registry.csv`` and
``world.json`` (scenario, seed, start and counts). The same scenario, seed and start give the same
bytes, however many processes make them.
"""

import gc
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np

from domain.instants import to_iso
from domain.readings import Stream
from simulators.outgoing import Outgoing
from simulators.parts import Part, parts
from simulators.scenario import Scenario
from simulators.truth import Statistic, Truth, write_truth
from simulators.world import World

MESSAGES = "messages.parquet"
TRUTH = "truth.jsonl"
REGISTRY = "registry.csv"
WORLD = "world.json"

ROWS_PER_BLOCK = 50_000
"""Messages held in memory by one process: about 25 MB."""

PROCESSES_MAX = 64

_ALIVE = f"/{Stream.ALIVE.name.lower()}"
_SORT_MEMORY = "1GB"
"""Memory in which DuckDB merges the parts; more is spilled to the directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was written.

    Parameters
    ----------
    dropped
        Drawn entries that would have overlapped on their device.
    """

    messages: int
    devices: int
    faults: int
    nuisances: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """One part as its process made it; truths with their place in the scenario."""

    messages: int
    dropped: int
    truths: tuple[tuple[int, Truth], ...]
    statistics: tuple[Statistic, ...]


def write_history(
    scenario: Scenario,
    seed: int,
    start_ns: int,
    *,
    directory: Path,
    registry_csv: str,
    processes: int = 1,
) -> History:
    """Simulate a scenario and write it.

    Parameters
    ----------
    directory
        Made if it is missing; files of an earlier history are replaced.
    registry_csv
        Text of ``registry.csv``, from the rows of `World.registry`.
    processes
        Parts simulated at once, at most `PROCESSES_MAX`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pieces = parts(scenario.fleet)
    with TemporaryDirectory(dir=directory, prefix="parts-") as scratch:
        jobs = [(scenario, seed, start_ns, part, Path(scratch)) for part in pieces]
        workers = max(1, min(processes, PROCESSES_MAX, len(jobs)))
        if workers == 1:
            made = [_make(*job) for job in jobs]
        else:
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                made = list(pool.map(_make, *zip(*jobs, strict=True)))
        _merge(Path(scratch), directory / MESSAGES)
    truths = [truth for _, truth in sorted(_numbered(made), key=lambda one: one[0])]
    statistics = [line for one in made for line in one.statistics]
    write_truth(directory / TRUTH, (*truths, *statistics))
    (directory / REGISTRY).write_text(registry_csv, encoding="utf-8", newline="")
    history = History(
        messages=sum(one.messages for one in made),
        devices=scenario.fleet.total,
        faults=sum(truth.kind is not None for truth in truths),
        nuisances=sum(truth.kind is None for truth in truths),
        dropped=made[0].dropped,
    )
    _write_world(directory / WORLD, scenario, seed, start_ns, history)
    return history


def _numbered(made: Sequence[_Made]) -> Iterator[tuple[int, Truth]]:
    for one in made:
        yield from one.truths


def _make(scenario: Scenario, seed: int, start_ns: int, part: Part, scratch: Path) -> _Made:
    """Simulate one part into blocks of Parquet, named so that their order is the parts'."""
    world = World(scenario, seed, start_ns, part=part)
    # What the world holds lives to the end: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    stream = world.outgoing()
    messages = 0
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        for block in iter(lambda: list(islice(stream, ROWS_PER_BLOCK)), []):
            path = scratch / f"{part.number:05d}-{messages:012d}.parquet"
            _write_block(database, block, start_ns, part.number, messages, path)
            messages += len(block)
    gc.unfreeze()
    return _Made(
        messages=messages,
        dropped=world.dropped,
        truths=tuple(zip(world.places(), world.truth(), strict=True)),
        statistics=world.statistics(),
    )


def _write_block(
    database: duckdb.DuckDBPyConnection,
    block: Sequence[Outgoing],
    start_ns: int,
    part: int,
    first: int,
    path: Path,
) -> None:
    n = len(block)
    at_ns = np.fromiter((one.at_ns for one in block), dtype=np.int64, count=n)
    topics = np.array([one.topic for one in block], dtype=object)
    columns = {
        "t": np.round((at_ns - start_ns) / 1e9, 6),
        "topic": topics,
        "payload": np.array([one.payload.decode() for one in block], dtype=object),
        "retain": np.array(
            [one.retain and not one.topic.endswith(_ALIVE) for one in block], dtype=bool
        ),
        "part": np.full(n, part, dtype=np.int32),
        "number": np.arange(first, first + n, dtype=np.int64),
    }
    database.register("block", columns)
    database.execute(f"COPY block TO '{_quoted(path)}' (FORMAT parquet, COMPRESSION zstd)")
    database.unregister("block")


def _merge(scratch: Path, target: Path) -> None:
    """Sort all parts by time into one file; one thread, so that the bytes are always the same."""
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        database.execute(f"SET memory_limit = '{_SORT_MEMORY}'")
        database.execute(f"SET temp_directory = '{_quoted(scratch / 'spill')}'")
        rows = database.read_parquet(str(scratch / "*.parquet"))
        merged = rows.order("t, part, number").project("t, topic, payload, retain")
        merged.write_parquet(str(target), compression="zstd")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _write_world(
    path: Path, scenario: Scenario, seed: int, start_ns: int, history: History
) -> None:
    record = {
        "scenario": scenario.name,
        "seed": seed,
        "start": to_iso(start_ns),
        "start_ns": start_ns,
        "duration_s": scenario.duration_s,
        "messages": history.messages,
        "devices": history.devices,
        "faults": history.faults,
        "nuisances": history.nuisances,
        "dropped": history.dropped,
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
