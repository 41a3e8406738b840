"""Incidents held against the truth of a simulated world: what was found, missed, and made up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.incidents import Incident, IncidentKind, case_of
from domain.instants import NS_PER_S, seconds
from simulators.truth import Truth

DECISION_NS = seconds(60)
"""Evidence sent later than this before the end is not counted as missed: no rule has had the time
to judge it."""

_EARLY_NS = seconds(60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Result of a run.

    Parameters
    ----------
    found
        Every incident as a plain object, with the fault that it is or that explains it; ``truth``
        is ``None`` for a spurious one.
    missed
        Faults whose evidence was sent in time and that have no incident.
    spurious
        Incidents that no truth of their device explains.
    """

    found: tuple[dict[str, Any], ...]
    missed: tuple[Truth, ...]
    spurious: tuple[Incident, ...]


def judge(truths: Sequence[Truth], incidents: Iterable[Incident], *, ended_ns: int) -> Verdict:
    """Hold incidents against truths.

    Parameters
    ----------
    ended_ns
        When the run ended.
    """
    by_device: dict[str, list[Truth]] = {}
    for truth in truths:
        by_device.setdefault(truth.equipment_id, []).append(truth)
    listed = sorted(incidents, key=lambda incident: incident.detected_at_ns)
    matches = [(incident, _cause(incident, by_device)) for incident in listed]
    hit = {id(truth) for _, truth in matches if truth is not None}
    expected = [truth for truth in truths if _expected(truth, ended_ns)]
    return Verdict(
        found=tuple(
            _report(incident, truth or _explanation(incident, by_device))
            for incident, truth in matches
        ),
        missed=tuple(truth for truth in expected if id(truth) not in hit),
        spurious=tuple(
            incident
            for incident, truth in matches
            if truth is None and _explanation(incident, by_device) is None
        ),
    )


def _expected(truth: Truth, ended_ns: int) -> bool:
    evidence_ns = truth.evidence_from_ns
    return (
        truth.kind is not None and evidence_ns is not None and evidence_ns <= ended_ns - DECISION_NS
    )


def _cause(incident: Incident, by_device: dict[str, list[Truth]]) -> Truth | None:
    """Fault of the incident's device and case that began before it was detected."""
    for truth in by_device.get(incident.equipment_id, ()):
        if truth.kind is None or case_of(IncidentKind(truth.kind)) != incident.case:
            continue
        if truth.from_ns is not None and incident.detected_at_ns >= truth.from_ns - _EARLY_NS:
            return truth
    return None


def _explanation(incident: Incident, by_device: dict[str, list[Truth]]) -> Truth | None:
    """Line of the device that names the incident's case as true besides its own kind."""
    lines = by_device.get(incident.equipment_id, ())
    return next((truth for truth in lines if incident.case in _true_cases(truth)), None)


def _true_cases(truth: Truth) -> set[str]:
    kinds = (*truth.may_raise, *((truth.kind,) if truth.kind else ()))
    return {case_of(IncidentKind(kind)) for kind in kinds}


def _report(incident: Incident, truth: Truth | None) -> dict[str, Any]:
    since_ns = None if truth is None else truth.from_ns
    after_s = None if since_ns is None else (incident.detected_at_ns - since_ns) / NS_PER_S
    return {
        "id": incident.id,
        "kind": incident.kind.value,
        "equipment_id": incident.equipment_id,
        "level": incident.level.value,
        "truth": None if truth is None else truth.kind or truth.cause,
        "detected_after_s": None if after_s is None else round(after_s, 1),
    }
