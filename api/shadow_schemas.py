"""Candidates as the API, the console and the command line give them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import Field, StringConstraints

from api.schemas import EvidenceOut, Id, In, Instant, Note, Out, iso
from detectors.intervals import poisson_interval
from domain.equipment import Kind
from domain.incidents import IncidentKind, Level
from domain.instants import seconds, to_iso
from domain.shadow import (
    Act,
    ActKind,
    Candidate,
    CandidateState,
    Claim,
    Episode,
    EpisodeOutcome,
    Tally,
)

DAY_NS = seconds(86_400)

Reason = Annotated[Note, StringConstraints(min_length=1)]
"""Why, for the audit trail."""


class StartIn(In):
    """A candidate to start."""

    name: Id
    parameters: dict[str, dict[str, float]] = Field(
        description="Detector parameters by settings table and name; an empty table compares a "
        "detector as it is."
    )
    reason: Reason


class StopIn(In):
    """Why a candidate is stopped."""

    reason: Note = ""


class ReasonIn(In):
    """Why a candidate is promoted or reverted."""

    reason: Reason


class RateOut(Out):
    """Episodes a device-day with their exact 95 % interval (Poisson); null without device-days.

    Episodes of one device that come in bursts are not independent: the interval is then too
    narrow.
    """

    episodes: int
    per_device_day: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, episodes: int, device_days: float) -> Self:
        """Rate over an exposure."""
        if device_days <= 0:
            return cls(episodes=episodes, per_device_day=None, low=None, high=None)
        low, high = (bound / device_days for bound in poisson_interval(episodes))
        return cls(episodes=episodes, per_device_day=episodes / device_days, low=low, high=high)


class ComparisonOut(Out):
    """Decided episodes of one kind of incident on one kind of equipment.

    ``device_days`` is the time in which devices of the kind were known while the candidate ran,
    summed over devices; the time in which the service was away is not in it.
    """

    equipment_kind: Kind
    kind: IncidentKind
    device_days: float
    both: int
    added: int
    missed: int
    shadow: RateOut
    live: RateOut

    @classmethod
    def of(cls, tally: Tally, device_ns: Mapping[Kind, int]) -> Self:
        """Model of a tally."""
        device_days = device_ns.get(tally.equipment_kind, 0) / DAY_NS
        return cls(
            equipment_kind=tally.equipment_kind,
            kind=tally.kind,
            device_days=device_days,
            both=tally.both,
            added=tally.added,
            missed=tally.missed,
            shadow=RateOut.of(tally.shadow, device_days),
            live=RateOut.of(tally.live, device_days),
        )


class CandidateOut(Out):
    """A candidate and what its comparison with live detection came to so far.

    ``pruned`` episodes are in the figures and are not kept any more; ``cut`` ones were decided
    early because too many were open at once.
    """

    name: str
    state: CandidateState
    parameters: dict[str, dict[str, float]]
    started_by: str
    started_at: Instant
    reason: str
    comparison: list[ComparisonOut]
    pruned: int
    cut: int

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        """Model of a candidate."""
        totals = candidate.totals
        return cls(
            name=candidate.name,
            state=candidate.state,
            parameters={table: dict(values) for table, values in candidate.parameters.items()},
            started_by=candidate.started_by,
            started_at=to_iso(candidate.started_at_ns),
            reason=candidate.reason,
            comparison=[ComparisonOut.of(tally, totals.device_ns) for tally in totals.tallies],
            pruned=candidate.pruned,
            cut=totals.cut,
        )


class ActOut(Out):
    """One line of the audit trail.

    ``position`` is the journal frame after which it took effect, null while the pipeline has not
    taken it over.
    """

    number: int
    candidate: str
    act: ActKind
    actor: str
    at: Instant
    reason: str
    parameters: dict[str, dict[str, float]]
    position: int | None

    @classmethod
    def of(cls, act: Act) -> Self:
        """Model of an act."""
        return cls(
            number=act.number,
            candidate=act.candidate,
            act=act.kind,
            actor=act.actor,
            at=to_iso(act.at_ns),
            reason=act.reason,
            parameters={table: dict(values) for table, values in act.parameters.items()},
            position=act.position,
        )


class CandidateDetailOut(CandidateOut):
    """A candidate with its newest acts."""

    acts: list[ActOut]

    @classmethod
    def detailed(cls, candidate: Candidate, acts: Sequence[Act]) -> Self:
        """Model of a candidate with its acts."""
        own = CandidateOut.of(candidate).model_dump()
        return cls(**own, acts=[ActOut.of(act) for act in acts])


class ClaimOut(Out):
    """What one side claimed; ``ended_at`` is null while it stands."""

    detected_at: Instant
    level: Level
    ended_at: Instant | None

    @classmethod
    def of(cls, claim: Claim) -> Self:
        """Model of a claim."""
        return cls(
            detected_at=to_iso(claim.detected_at_ns),
            level=claim.level,
            ended_at=iso(claim.ended_at_ns),
        )


class EpisodeOut(Out):
    """One condition of one device; a side that is null claimed nothing."""

    equipment_id: str
    equipment_kind: Kind
    kind: IncidentKind
    outcome: EpisodeOutcome
    onset: Instant
    live: ClaimOut | None
    shadow: ClaimOut | None
    evidence: list[EvidenceOut]

    @classmethod
    def of(cls, episode: Episode) -> Self:
        """Model of an episode."""
        return cls(
            equipment_id=episode.equipment_id,
            equipment_kind=episode.equipment_kind,
            kind=episode.kind,
            outcome=episode.outcome,
            onset=to_iso(episode.onset_ns),
            live=None if episode.live is None else ClaimOut.of(episode.live),
            shadow=None if episode.shadow is None else ClaimOut.of(episode.shadow),
            evidence=[EvidenceOut.of(evidence) for evidence in episode.evidence],
        )
