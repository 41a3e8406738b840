"""History in columns: made from messages once, then played as often as one likes.

A directory with history holds one of

- ``columns.json`` and Parquet files (`runtime.backtest.columns`);
- ``messages.parquet`` and ``world.json``, as ``simulate --offline`` writes them;
- ``capture.jsonl``: messages as JSON lines (docs/simulators.md);
- ``telemetry.duckdb``, that is the data directory of a service that is not running;

beside ``registry.csv`` (or the service's state) and, where the truth is known, ``truth.jsonl``.
Everything else becomes columns first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.equipment import Equipment, Kind
from domain.errors import UsageError
from domain.instants import seconds
from domain.registry import format_registry
from runtime.backtest import columns
from runtime.backtest.columns import Index, Part
from runtime.backtest.pool import Pool
from runtime.backtest.shards import together
from runtime.backtest.streams import REGISTRY, TRUTH, Stream, read_registry
from runtime.backtest.tasks import Parameters, Playing, Recording, record
from runtime.backtest.truths import read_truths
from simulators.truth import Line, write_truth

SLICE_S = 3_600
SLICE_MIN_S = 60
SLICE_DEVICES = 2_000
"""A chunk covers an hour for so many devices, less for more of them: it must fit into memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """History in columns.

    Parameters
    ----------
    equipment
        By id.
    """

    directory: Path
    index: Index
    equipment: Mapping[str, Equipment]
    truths: tuple[Line, ...]

    def tasks(self, versions: Sequence[Parameters], workers: int) -> list[Playing]:
        """Tasks of all devices, those with most work first."""
        found: list[Playing] = []
        for kind in Kind:
            own = [part for part in self.index.parts if part.ids.get(kind.value)]
            found += [
                self._playing(kind, shard, versions) for shard in together(own, kind, workers)
            ]
        return sorted(found, key=lambda task: -sum(part.rows for part in task.parts))

    def _playing(
        self, kind: Kind, shard: Sequence[Part], versions: Sequence[Parameters]
    ) -> Playing:
        return Playing(
            kind=kind,
            directory=self.directory,
            parts=tuple(shard),
            equipment=tuple(self.equipment[one] for part in shard for one in part.ids[kind.value]),
            versions=tuple(versions),
            start_ns=self.index.start_ns,
            end_ns=self.index.end_ns,
        )


def recorded(stream: Stream, directory: Path, pool: Pool) -> History:
    """Turn messages into columns in a directory.

    Raises
    ------
    DependencyError
        If a worker process dies.
    """
    equipment = tuple(one for source in stream.sources for one in source.equipment)
    directory.mkdir(parents=True, exist_ok=True)
    slice_s = min(SLICE_S, max(SLICE_MIN_S, SLICE_S * SLICE_DEVICES // max(len(equipment), 1)))
    done = pool.run(
        "history",
        record,
        [
            Recording(
                number=number,
                source=source,
                directory=directory,
                start_ns=stream.start_ns,
                slice_ns=seconds(slice_s),
            )
            for number, source in enumerate(stream.sources)
        ],
    )
    index = Index(
        version=columns.INDEX_VERSION,
        start_ns=stream.start_ns,
        end_ns=stream.end_ns,
        slice_ns=seconds(slice_s),
        parts=[one.part for one in done],
        origin=dict(stream.origin),
        densities=dict(stream.densities),
    )
    truths = (*stream.truths, *(truth for one in done for truth in one.truths))
    registry = format_registry(equipment)
    (directory / REGISTRY).write_text(registry, encoding="utf-8", newline="")
    write_truth(directory / TRUTH, truths)
    columns.write_index(directory, index)
    return History(
        directory=directory, index=index, equipment={e.id: e for e in equipment}, truths=truths
    )


def stored(directory: Path) -> History:
    """History of a directory with ``columns.json``.

    Raises
    ------
    UsageError
        If something in it is missing or damaged.
    """
    index = columns.read_index(directory)
    equipment = {one.id: one for one in read_registry(directory / REGISTRY)}
    ids = [one for part in index.parts for members in part.ids.values() for one in members]
    lacking = [one for one in ids if one not in equipment]
    if lacking:
        raise UsageError(f"{directory / REGISTRY} lacks {', '.join(lacking[:5])}")
    return History(
        directory=directory,
        index=index,
        equipment={one: equipment[one] for one in ids},
        truths=read_truths(directory / TRUTH),
    )
