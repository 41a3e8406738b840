"""Truth files and truths of simulated worlds, as facts that detectors are scored against."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from detectors.scoring import Fact
from domain.errors import UsageError
from domain.incidents import IncidentKind
from domain.instants import from_iso
from simulators.truth import Line, Statistic, Truth


def facts_of(lines: Iterable[Line], densities: Mapping[str, float]) -> tuple[Fact, ...]:
    """Truths of a world as facts; statistics are none.

    Parameters
    ----------
    densities
        By name of an injection, how many times more often than in nature it is injected.
    """
    return tuple(
        Fact(
            kind=None if truth.kind is None else IncidentKind(truth.kind),
            equipment_id=truth.equipment_id,
            cause=truth.cause,
            from_ns=truth.from_ns,
            to_ns=truth.to_ns,
            evidence_from_ns=truth.evidence_from_ns,
            may_raise=frozenset(map(IncidentKind, truth.may_raise)),
            density=densities.get(truth.cause, 1.0),
        )
        for truth in lines
        if isinstance(truth, Truth)
    )


def read_truths(path: Path) -> tuple[Line, ...]:
    """Lines of a truth file (docs/simulators.md); an absent file says that nothing happened.

    Raises
    ------
    UsageError
        Naming the first line that is wrong.
    """
    if not path.exists():
        return ()
    lines: list[Line] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                lines.append(_statistic(record) if "statistic" in record else _truth(record))
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(f"{path}, line {number}: {error!r}") from error
    return tuple(lines)


def _statistic(record: Mapping[str, Any]) -> Statistic:
    return Statistic(
        statistic=str(record["statistic"]),
        equipment_id=str(record["equipment_id"]),
        value=float(record["value"]),
        from_ns=from_iso(record["from"]),
        to_ns=from_iso(record["to"]),
    )


def _truth(record: Mapping[str, Any]) -> Truth:
    kind = record.get("kind")
    may_raise = tuple(record.get("may_raise", ()))
    for word in (*may_raise, *((kind,) if kind else ())):
        IncidentKind(word)
    return Truth(
        kind=kind,
        equipment_id=record["equipment_id"],
        cause=record.get("cause") or record.get("nuisance") or str(kind),
        from_ns=_instant(record.get("from")),
        to_ns=_instant(record.get("to")),
        evidence_from_ns=_instant(record.get("evidence_from")),
        may_raise=may_raise,
    )


def _instant(text: str | None) -> int | None:
    return None if text is None else from_iso(text)
