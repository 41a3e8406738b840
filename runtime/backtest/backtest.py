"""A whole backtest: history through versions of the detectors, held against truth."""

import contextlib
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors import catalog
from domain.errors import UsageError
from runtime.backtest import columns, report, streams
from runtime.backtest.budget import exceeded, read_budget
from runtime.backtest.compare import compare, subjects
from runtime.backtest.evidence import pictures
from runtime.backtest.exposure import exposure_of, exposure_report, false_bounds
from runtime.backtest.history import History, recorded, stored
from runtime.backtest.judging import Judged, Run, judge, judge_incidents
from runtime.backtest.page import write_page
from runtime.backtest.pool import Pool, pool
from runtime.backtest.streams import Stream
from runtime.backtest.tasks import Parameters, Played, play
from runtime.backtest.truths import facts_of
from runtime.bench.nab import run_nab
from runtime.site import Site
from simulators.offline import MESSAGES

COLUMNS = "columns"
"""Directory for the columns of ``messages.parquet``, beside it."""

_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run.

    Parameters
    ----------
    scenario, seed, start
        What to simulate; without a scenario ``history`` is read.
    history
        Directory with history, or for a scenario the one that keeps it.
    settings, compare
        Overrides of the version under test, and of the one that it is compared with.
    budget
        Limits to hold.
    page
        HTML file to write.
    nab
        Directory with the recordings of the Numenta Anomaly Benchmark; without a history they
        alone are scored.
    """

    scenario: str | None = None
    seed: int = 0
    start: str | None = None
    history: Path | None = None
    settings: Path | None = None
    compare: Path | None = None
    budget: Path | None = None
    page: Path | None = None
    nab: Path | None = None
    workers: int = 1


def run_backtest(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    """Run a backtest; return everything as one plain object.

    Raises
    ------
    UsageError
        If an option or a file that it names is wrong.
    DependencyError
        If a worker process dies.
    """
    budget = None if options.budget is None else read_budget(options.budget)
    if options.nab is None:
        return _run(options, budget, say)
    scored = {"nab": _nab(options.nab, say)}
    only = options.scenario is None and options.history is None
    return scored if only else {**_run(options, budget, say), **scored}


def _nab(directory: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures of the statistics on real recordings, with null, random and always-on beside."""
    return {
        name: {
            "recall": round(row.events.recall, 4),
            "precision": None if row.events.precision is None else round(row.events.precision, 4),
            "false_per_series_day": round(row.events.false_per_day, 4),
            "nab": {profile: round(found, 2) for profile, found in row.scores.items()},
        }
        for name, row in run_nab(directory, say).items()
    }


def _run(
    options: Options, budget: Mapping[str, Any] | None, say: Callable[[str], None]
) -> dict[str, Any]:
    began_s = time.perf_counter()
    versions = [read_overrides(options.settings)]
    if options.compare is not None:
        versions.append(read_overrides(options.compare))
    for version in versions:
        catalog.check(version)
    with pool(options.workers, say) as workers, _history(options, workers) as history:
        read_s = time.perf_counter() - began_s
        done = workers.run("detectors", play, history.tasks(versions, options.workers))
        played_s = time.perf_counter() - began_s - read_s
        run = Run(
            equipment=tuple(history.equipment.values()),
            facts=facts_of(history.truths, history.index.densities),
            start_ns=history.index.start_ns,
            end_ns=history.index.end_ns,
        )
        judged = [
            judge(run, [found for one in done for found in one.findings[number]])
            for number in range(len(versions))
        ]
        written = {
            **_report(history, run, judged, done),
            **_speed(run, history_s=read_s, detect_s=played_s),
            "workers": options.workers,
        }
        if budget is not None:
            written["exceeded"] = exceeded(budget, written)
        if options.page is not None:
            shown = pictures(history.directory, history.index, subjects(judged))
            write_page(options.page, written, judged[0], shown)
    return written


def read_overrides(path: Path | None) -> Parameters:
    """Detector parameters of a TOML file with the tables ``[detectors.NAME]`` of a configuration.

    Raises
    ------
    UsageError
        If it cannot be read, or has no such table, or a value is no number.
    """
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    tables = document.get("detectors")
    if not isinstance(tables, dict):
        raise UsageError(f"{path} has no [detectors.NAME] table")
    for name, table in tables.items():
        for parameter, value in table.items() if isinstance(table, dict) else [("", None)]:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise UsageError(f"{path}: detectors.{name}.{parameter} is a number, not {value!r}")
    return {
        name: {parameter: float(value) for parameter, value in table.items()}
        for name, table in tables.items()
    }


@contextlib.contextmanager
def _history(options: Options, workers: Pool) -> Iterator[History]:
    """History in columns; what nobody wants to keep is deleted afterwards."""
    place = options.history
    if place is not None and (place / columns.INDEX).exists():
        yield _kept(options, place)
    elif place is not None and options.scenario is not None:
        yield recorded(_stream(options), place, workers)
    elif place is not None and (place / MESSAGES).exists():
        yield _decoded_once(streams.sent(place, workers=options.workers), place, workers)
    else:
        stream = _stream(options)
        with tempfile.TemporaryDirectory(prefix="equipwatch-backtest-") as directory:
            yield recorded(stream, Path(directory), workers)


def _decoded_once(stream: Stream, place: Path, workers: Pool) -> History:
    """History of messages that stay where they are, with their columns beside them."""
    beside = place / COLUMNS
    if (beside / columns.INDEX).exists():
        history = stored(beside)
        if dict(history.index.origin) == dict(stream.origin):
            return history
        (beside / columns.INDEX).unlink()
    return recorded(stream, beside, workers)


def _stream(options: Options) -> Stream:
    if options.scenario is not None:
        return streams.simulated(options.scenario, options.seed, start=options.start)
    place, workers = options.history, options.workers
    if place is None:
        raise UsageError("name a --scenario to simulate, or a --history to read")
    if (place / streams.CAPTURE).exists():
        return streams.captured(place, start=options.start, workers=workers)
    if Site(place).telemetry.exists():
        return streams.served(place, workers=workers)
    listed = f"{columns.INDEX}, {MESSAGES}, {streams.CAPTURE}, telemetry.duckdb"
    raise UsageError(f"{place} holds no history: none of {listed}")


def _kept(options: Options, place: Path) -> History:
    history = stored(place)
    if options.scenario is not None:
        wanted = streams.simulated(options.scenario, options.seed, start=options.start).origin
        if dict(wanted) != dict(history.index.origin):
            raise UsageError(f"{place} holds another history: {history.index.origin}")
    return history


def _report(
    history: History,
    run: Run,
    judged: Sequence[Mapping[str, Judged]],
    done: Sequence[Played],
) -> dict[str, Any]:
    together = judge_incidents(run, [found for one in done for found in one.findings[0]])
    kinds = sorted({one.kind for one in run.equipment})
    written: dict[str, Any] = {
        "detectors": {name: _detector_report(history, run, one) for name, one in judged[0].items()},
        **report.run_report(run),
        "incidents": _detector_report(history, run, together),
        "exposure": {
            str(kind): exposure_report(exposure_of(run, history.truths, {kind})) for kind in kinds
        },
        "origin": dict(history.index.origin),
        "densities": dict(history.index.densities),
        "rows": sum(one.rows for one in done),
        "process_s": {
            "read": round(sum(one.read_s for one in done), 3),
            "detect": round(sum(one.detect_s for one in done), 3),
        },
    }
    if len(judged) > 1:
        written["compare"] = compare(judged[0], judged[1])
    return written


def _detector_report(history: History, run: Run, one: Judged) -> dict[str, Any]:
    """A detector's figures, with bounds of its false alarms by what could have raised them."""
    written = report.detector_report(one)
    exposure = exposure_of(run, history.truths, one.equipment)
    written["false_bounds"] = false_bounds(one.score, exposure)
    for level, score in one.levels.items():
        written["levels"][str(level)]["false_bounds"] = false_bounds(score, exposure)
    return written


def _speed(run: Run, *, history_s: float, detect_s: float) -> dict[str, Any]:
    """Speed of the whole, and without what it took to have the history in columns."""
    days = len(run.equipment) * run.years * _DAYS_PER_YEAR
    return {
        "device_days_per_s": round(days / (history_s + detect_s), 3),
        "detect_device_days_per_s": round(days / detect_s, 3),
        "wall_s": {"history": round(history_s, 3), "detect": round(detect_s, 3)},
    }
