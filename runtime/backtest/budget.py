"""A budget: what a detector may cost and must reach, as TOML, and where a run exceeds it.

[detectors.entrapment]
recall_min = 0.99

[detectors.entrapment.confirmed]
ttd_p95_s_max = 150
false_per_device_year_upper_max = 0.0137

[run]
device_days_per_s_min = 100
"""

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from domain.errors import UsageError
from runtime.backtest.judging import LEVELS

_Figure = Callable[[Mapping[str, Any]], float | None]

LIMITS: Mapping[str, _Figure] = {
    "truth_min": lambda one: one["truth"],
    "recall_min": lambda one: one["recall"],
    "precision_min": lambda one: one["precision"],
    "false_max": lambda one: one["false"],
    "false_per_device_year_max": lambda one: one["false_per_device_year"],
    "false_per_device_year_upper_max": lambda one: _upper(one["false_per_device_year_ci95"]),
    "natural_false_per_device_year_max": lambda one: one["natural_false_per_device_year"],
    "natural_false_per_device_year_upper_max": lambda one: _upper(
        one["natural_false_per_device_year_ci95"]
    ),
    "ttd_p50_s_max": lambda one: one["ttd_s"]["p50"],
    "ttd_p95_s_max": lambda one: one["ttd_s"]["p95"],
    "alarms_per_operator_hour_max": lambda one: one["alarms_per_operator_hour"],
}
"""Limits of a detector's figures: ``_min`` must be reached, ``_max`` not be exceeded; ``upper`` is
the upper end of the 95 % interval."""

RUN_LIMITS: Mapping[str, _Figure] = {
    "device_days_per_s_min": lambda report: report["device_days_per_s"],
    "detect_device_days_per_s_min": lambda report: report["detect_device_days_per_s"],
    "device_years_min": lambda report: report["device_years"],
}


def read_budget(path: Path) -> dict[str, Any]:
    """Budget of a file.

    Raises
    ------
    UsageError
        If it cannot be read, or names a limit, level or detector that does not exist.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"budget {path}: {error}") from error
    _check(path, document, {"detectors": None, "run": None})
    _check(path, document.get("run", {}), RUN_LIMITS)
    for table in document.get("detectors", {}).values():
        _check(path, table, {**LIMITS, **{str(level): None for level in LEVELS}})
        for level in LEVELS:
            _check(path, table.get(str(level), {}), LIMITS)
    return document


def exceeded(budget: Mapping[str, Any], report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Limits that a report breaks; a figure that was not measured breaks its limit too.

    Raises
    ------
    UsageError
        If the budget names a detector that judged none of the devices.
    """
    found = list(_broken("run", budget.get("run", {}), RUN_LIMITS, report))
    for name, table in budget.get("detectors", {}).items():
        if name not in report["detectors"]:
            near = _near(name, report["detectors"])
            raise UsageError(f'the budget names "{name}", which judged nothing here{near}')
        figures = report["detectors"][name]
        found += _broken(name, table, LIMITS, figures)
        for level in map(str, LEVELS):
            if level in table:
                found += _broken(f"{name}.{level}", table[level], LIMITS, figures["levels"][level])
    return found


def _broken(
    where: str,
    table: Mapping[str, Any],
    limits: Mapping[str, _Figure],
    figures: Mapping[str, Any],
) -> Iterator[dict[str, Any]]:
    for name, allowed in table.items():
        if name not in limits:
            continue
        measured = limits[name](figures)
        least = name.endswith("_min")
        if measured is None or (measured < allowed if least else measured > allowed):
            yield {"of": where, "limit": name, "allowed": allowed, "measured": measured}


def _check(path: Path, table: object, known: Mapping[str, object]) -> None:
    if not isinstance(table, dict):
        raise UsageError(f"budget {path}: a table is expected, not {table!r}")
    for key, value in table.items():
        if key not in known:
            raise UsageError(f'budget {path}: unknown "{key}"{_near(key, known)}')
        if known[key] is not None and (
            isinstance(value, bool) or not isinstance(value, int | float)
        ):
            raise UsageError(f"budget {path}: {key} is a number, not {value!r}")


def _near(word: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _upper(interval: list[float] | None) -> float | None:
    return None if interval is None else interval[1]
