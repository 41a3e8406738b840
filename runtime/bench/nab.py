"""The statistics over the recordings of the Numenta Anomaly Benchmark, causally and all alike.

All files run side by side as one fleet of one channel, sample by sample, so that the pooled tail
learns from all of them but never from the future of its own file. Nothing is tuned on a file.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.statistics import nab
from detectors.statistics.base import Statistic
from detectors.statistics.catalog import STATISTICS
from detectors.statistics.engine import Statistics, StatisticsParameters
from detectors.statistics.nab import PROFILES, Events, Recording
from detectors.statistics.novelty import Novelty, NoveltyParameters
from domain.errors import UsageError
from domain.instants import NS_PER_S

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WARM_UP_MAX = 500
"""Recordings are short: every statistic counts from here on, about NAB's probation."""
BUDGETS_DAYS = (1.0, 30.0)
PRESET_DAYS = 7.0
"""Budget that was fixed beforehand: one false alarm in so many series-days (detection.md 1.2)."""
_EVERY_S = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Recordings by name, with their values."""

    names: tuple[str, ...]
    recordings: tuple[Recording, ...]
    values: tuple[Floats, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One detector's figures; see `detectors.statistics.nab`."""

    events: Events
    scores: Mapping[str, float]


def load_corpus(directory: Path) -> Corpus:
    """Read a directory with ``windows.json`` and the CSV files that it names.

    Raises
    ------
    UsageError
        If the directory has no ``windows.json``.
    """
    labels = directory / "windows.json"
    if not labels.is_file():
        raise UsageError(f"{directory}: no windows.json here")
    windows = json.loads(labels.read_text(encoding="utf-8"))
    names = tuple(sorted(name for name in windows if (directory / name).is_file()))
    pairs = [_read(directory / name, windows[name]) for name in names]
    return Corpus(
        names=names,
        recordings=tuple(recording for recording, _ in pairs),
        values=tuple(values for _, values in pairs),
    )


def detections(corpus: Corpus, days: float) -> dict[str, list[Ints]]:
    """Samples at which alarms opened, by statistic.

    Parameters
    ----------
    days
        Budget: all together one false alarm in so many series-days, half of it for novelty.
    """
    every = short_warm_up()
    budget = StatisticsParameters(alarms_per_device_day=0.5 / days)
    engines = (
        Statistics(1, budget, statistics=every),
        Novelty(1, NoveltyParameters(alarms_per_device_day=0.5 / days)),
    )
    for engine in engines:
        engine.grow(len(corpus.names))
    names = (*(item.name for item in every), "novelty")
    found: dict[str, list[list[int]]] = {name: [[] for _ in corpus.names] for name in names}
    for number in range(max(len(values) for values in corpus.values)):
        device = np.array([n for n, v in enumerate(corpus.values) if len(v) > number])
        when = np.array([corpus.recordings[n].times_s[number] for n in device]) * NS_PER_S
        values = np.array([[corpus.values[n][number]] for n in device])
        for alarm in (alarm for engine in engines for alarm in engine.step(device, when, values)):
            if not alarm.ended:
                found[alarm.statistic][alarm.device].append(number)
    return {
        name: [np.array(samples, dtype=np.int64) for samples in series]
        for name, series in found.items()
    }


def union(found: Mapping[str, Sequence[Ints]]) -> list[Ints]:
    """Samples at which any statistic alarmed, for each recording."""
    return [np.unique(np.concatenate(series)) for series in zip(*found.values(), strict=True)]


def short_warm_up() -> list[Statistic]:
    """The catalogue, warm within `WARM_UP_MAX` samples."""
    every: list[Any] = [make() for make in STATISTICS]
    return [replace(item, warm_up=min(item.warm_up, WARM_UP_MAX)) for item in every]


def judge(corpus: Corpus, found: Sequence[Ints]) -> Row:
    """All figures of one set of detections."""
    return Row(
        events=nab.events(corpus.recordings, found),
        scores={
            name: nab.nab_score(corpus.recordings, found, profile)
            for name, profile in PROFILES.items()
        },
    )


def run_nab(directory: Path, progress: Callable[[str], None]) -> dict[str, Row]:
    """Measure the whole set, each statistic alone, and null, random and always-on rows."""
    corpus = load_corpus(directory)
    swept: dict[float, list[Ints]] = {}
    rows: dict[str, Row] = {}
    for days in sorted({*BUDGETS_DAYS, PRESET_DAYS}):
        found = detections(corpus, days)
        swept[days] = union(found)
        progress(f"budget of one false alarm in {days:g} series-days: done")
        if days == PRESET_DAYS:
            for name, samples in found.items():
                rows[f"{name}, its share of the preset"] = judge(corpus, samples)
    best = max(swept, key=lambda days: judge(corpus, swept[days]).scores["standard"])
    return {
        "all, preset": judge(corpus, swept[PRESET_DAYS]),
        "all, held-out": judge(corpus, _held_out(corpus, swept)),
        f"all, optimised on the labels ({best:g} days)": judge(corpus, swept[best]),
        **rows,
        **_baselines(corpus, swept[PRESET_DAYS]),
    }


def _held_out(corpus: Corpus, swept: Mapping[float, list[Ints]]) -> list[Ints]:
    """Each half of the files at the budget that is best for the other half."""
    found: list[Ints] = [np.empty(0, dtype=np.int64)] * len(corpus.names)
    for half in (0, 1):
        others = [n for n in range(len(corpus.names)) if n % 2 != half]
        part = [corpus.recordings[n] for n in others]
        best = max(
            swept,
            key=lambda days: nab.nab_score(
                part, [swept[days][n] for n in others], PROFILES["standard"]
            ),
        )
        for n in range(half, len(corpus.names), 2):
            found[n] = swept[best][n]
    return found


def _baselines(corpus: Corpus, like: Sequence[Ints]) -> dict[str, Row]:
    """Nothing, as many alarms at random as ``like`` has, and one every hour."""
    rng = np.random.default_rng(1)
    sizes = [len(recording.times_s) for recording in corpus.recordings]
    share = sum(len(found) for found in like) / sum(sizes)
    every_hour = []
    for recording in corpus.recordings:
        hour = recording.times_s // _EVERY_S
        every_hour.append(np.flatnonzero(np.diff(hour, prepend=-1) > 0))
    return {
        "null": judge(corpus, [np.empty(0, dtype=np.int64)] * len(sizes)),
        "random, as many": judge(corpus, [np.flatnonzero(rng.random(n) < share) for n in sizes]),
        "always on, every hour": judge(corpus, every_hour),
    }


def _read(path: Path, windows: Sequence[Sequence[str]]) -> tuple[Recording, Floats]:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [(_seconds(row["timestamp"]), float(row["value"])) for row in csv.DictReader(lines)]
    times = np.array([time for time, _ in rows], dtype=np.int64)
    # Some files repeat an hour at the end of summer time; their clock is made to run on.
    times = np.maximum.accumulate(times - np.arange(len(times))) + np.arange(len(times))
    places = tuple(
        (
            int(np.searchsorted(times, _seconds(first))),
            min(int(np.searchsorted(times, _seconds(last))), len(times) - 1),
        )
        for first, last in windows
    )
    return Recording(times_s=times, windows=places), np.array([value for _, value in rows])


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
