"""Findings of a run held against its facts: scores by detector, and of all incidents together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from detectors.scoring import YEAR_S, Cover, Fact, Facts, Match, Score, covered, missed, score
from domain.equipment import Equipment, Kind
from domain.findings import Finding
from domain.incidents import IncidentKind, Level
from domain.instants import NS_PER_S
from runtime.backtest.claims import Claims, claims
from runtime.backtest.incidents import CLOSED_AFTER_NS, alarms_of

LEVELS = (Level.ADVISORY, Level.SUSPECTED, Level.CONFIRMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was played, beside what came out.

    Parameters
    ----------
    facts
        Everything that happened to these devices.
    """

    equipment: tuple[Equipment, ...]
    facts: tuple[Fact, ...]
    start_ns: int
    end_ns: int

    @property
    def years(self) -> float:
        """Length in years."""
        return (self.end_ns - self.start_ns) / NS_PER_S / YEAR_S

    def of(self, kinds: frozenset[Kind]) -> "Run":
        """The same of some kinds of equipment."""
        members = tuple(one for one in self.equipment if one.kind in kinds)
        ids = {one.id for one in members}
        return Run(
            equipment=members,
            facts=tuple(fact for fact in self.facts if fact.equipment_id in ids),
            start_ns=self.start_ns,
            end_ns=self.end_ns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One detector's result.

    Parameters
    ----------
    equipment
        Kinds of equipment that it judges.
    levels
        Score of the alarms that reached a level or a higher one.
    kinds
        Where it claims several kinds: truths of one kind, and alarms shown as that kind.
    """

    name: str
    equipment: frozenset[Kind]
    matches: tuple[Match, ...]
    missed: tuple[Fact, ...]
    covered: tuple[Cover, ...]
    score: Score
    levels: Mapping[Level, Score]
    kinds: Mapping[IncidentKind, Score]


def judge(run: Run, findings: Sequence[Finding]) -> dict[str, Judged]:
    """Score every detector that judges some of the devices, each as if it were alone."""
    known = {**claims(), **_unlisted(findings)}
    present = {one.kind for one in run.equipment}
    detector_of = {name: detector for detector, claim in known.items() for name in claim.names}
    by_detector: dict[str, list[Finding]] = {name: [] for name in known}
    for finding in findings:
        by_detector[detector_of[finding.detector]].append(finding)
    return {
        name: _judged(name, claim, run.of(claim.equipment), by_detector[name])
        for name, claim in sorted(known.items())
        if claim.equipment & present
    }


def _unlisted(findings: Iterable[Finding]) -> dict[str, Claims]:
    """Detectors that no catalogue of rules lists, by what they raised."""
    listed = {name for claim in claims().values() for name in claim.names}
    kinds: dict[str, set[IncidentKind]] = {}
    for finding in findings:
        if finding.detector not in listed:
            kinds.setdefault(finding.detector, set()).add(finding.kind)
    return {
        name: Claims(names=frozenset({name}), kinds=frozenset(found), equipment=frozenset(Kind))
        for name, found in kinds.items()
    }


def judge_incidents(run: Run, findings: Iterable[Finding]) -> Judged:
    """Score what dispatch and engineers would have seen: the incidents of all findings together."""
    kinds = frozenset(kind for claim in claims().values() for kind in claim.kinds)
    everything = Claims(names=frozenset(), kinds=kinds, equipment=frozenset(Kind))
    return _judged("incidents", everything, run, findings)


def _judged(name: str, claim: Claims, run: Run, findings: Iterable[Finding]) -> Judged:
    facts = Facts(run.facts, ended_ns=run.end_ns)
    alarms = alarms_of(findings, closed_after_ns=CLOSED_AFTER_NS, end_ns=run.end_ns)
    matches = tuple(facts.match(alarm) for alarm in alarms)
    years = len(run.equipment) * run.years
    levels = {
        level: score(facts, matches, claim.kinds, device_years=years, level=level)
        for level in LEVELS
    }
    return Judged(
        name=name,
        equipment=claim.equipment,
        matches=matches,
        missed=tuple(missed(facts, matches, claim.kinds)),
        covered=tuple(covered(facts, matches, claim.kinds)),
        score=levels[Level.ADVISORY],
        levels=levels,
        kinds=_by_kind(facts, matches, claim.kinds, years) if len(claim.kinds) > 1 else {},
    )


def _by_kind(
    facts: Facts, matches: Sequence[Match], kinds: frozenset[IncidentKind], years: float
) -> dict[IncidentKind, Score]:
    """Score of each kind: its truths by any alarm of theirs, else alarms shown as the kind."""
    found: dict[IncidentKind, Score] = {}
    for kind in sorted(kinds):
        own = [m for m in matches if m.alarm.kind is kind or (m.cause and m.cause.kind is kind)]
        result = score(facts, own, frozenset({kind}), device_years=years)
        if result.truth or result.alarms or result.untold:
            found[kind] = result
    return found
