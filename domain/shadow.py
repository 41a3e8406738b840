"""Candidates: detectors and thresholds that run on live data without raising incidents."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.equipment import Kind
from domain.errors import ConflictError
from domain.findings import Evidence
from domain.incidents import IncidentKind, Level

RUNNING_MAX = 4
"""Candidates that run at the same time: each judges every batch once more."""

CANDIDATES_MAX = 100
"""Candidates kept; a further one takes the place of the oldest that is over."""

EPISODES_KEPT = 1_000
"""Episodes kept of a candidate; the oldest decided ones go first. Totals count all."""

Parameters = Mapping[str, Mapping[str, float]]
"""Detector parameters by settings table and name; an empty table names a detector as it is."""


class CandidateState(StrEnum):
    """Where a candidate stands."""

    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    PROMOTED = "promoted"
    REVERTED = "reverted"


class ActKind(StrEnum):
    """What somebody, or the system in the case of a failure, did with a candidate."""

    STARTED = "started"
    STOPPED = "stopped"
    FAILED = "failed"
    PROMOTED = "promoted"
    REVERTED = "reverted"


_STATES: Mapping[ActKind, tuple[frozenset[CandidateState], CandidateState]] = {
    ActKind.STOPPED: (frozenset({CandidateState.RUNNING}), CandidateState.STOPPED),
    ActKind.FAILED: (frozenset({CandidateState.RUNNING}), CandidateState.FAILED),
    ActKind.PROMOTED: (
        frozenset({CandidateState.RUNNING, CandidateState.STOPPED}),
        CandidateState.PROMOTED,
    ),
    ActKind.REVERTED: (frozenset({CandidateState.PROMOTED}), CandidateState.REVERTED),
}


def state_after(state: CandidateState, act: ActKind) -> CandidateState:
    """State of a candidate after an act.

    Raises
    ------
    ConflictError
        If the act does not fit the state, such as the promotion of one that failed.
    """
    allowed, result = _STATES[act]
    if state not in allowed:
        raise ConflictError(f"A candidate that is {state} cannot be {act}.")
    return result


class EpisodeOutcome(StrEnum):
    """What a comparison of candidate and live detection came to."""

    UNDECIDED = "undecided"
    BOTH = "both"
    ADDED = "added"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one side claimed in an episode.

    Parameters
    ----------
    detected_at_ns
        Received time of its first finding.
    level
        Highest level so far.
    ended_at_ns
        Received time of its end, ``None`` while it stands.
    """

    detected_at_ns: int
    level: Level
    ended_at_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One condition of one device as live detection and a candidate saw it.

    Parameters
    ----------
    position
        Journal frame that opened it; with candidate, equipment and kind its identity.
    onset_ns
        Event time of the onset that was claimed first.
    live, shadow
        What live detection and the candidate claimed, ``None`` = nothing.
    evidence
        Of the candidate's finding with the highest level; without one, of the live finding.
    """

    candidate: str
    equipment_id: str
    equipment_kind: Kind
    kind: IncidentKind
    position: int
    onset_ns: int
    detected_at_ns: int
    outcome: EpisodeOutcome = EpisodeOutcome.UNDECIDED
    live: Claim | None = None
    shadow: Claim | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Decided episodes of one kind of incident on one kind of equipment."""

    equipment_kind: Kind
    kind: IncidentKind
    both: int = 0
    added: int = 0
    missed: int = 0

    @property
    def live(self) -> int:
        """Episodes of live detection."""
        return self.both + self.missed

    @property
    def shadow(self) -> int:
        """Episodes of the candidate."""
        return self.both + self.added


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over the time that a candidate has run.

    Parameters
    ----------
    device_ns
        Per kind of equipment, the time in which devices were known, summed over devices. The time
        in which this service was away is not in it.
    cut
        Episodes decided early because too many were open at once.
    """

    device_ns: Mapping[Kind, int]
    tallies: tuple[Tally, ...] = ()
    cut: int = 0


NOTHING_YET = Totals(device_ns={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A detector or threshold that is tried on live data.

    Parameters
    ----------
    parameters
        What differs from live detection; its tables are the detectors that are compared.
    reason
        Why it was started.
    pruned
        Episodes that were counted and are not kept any more.
    """

    name: str
    parameters: Parameters
    state: CandidateState
    started_by: str
    started_at_ns: int
    reason: str
    totals: Totals = NOTHING_YET
    pruned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One line of the audit trail of candidates; it is never changed and never deleted.

    Parameters
    ----------
    number
        Given by the store, 0 before.
    parameters
        Those of the candidate at the time.
    position
        Journal frame after which it took effect, ``None`` while the pipeline has not seen it.
    """

    candidate: str
    kind: ActKind
    actor: str
    at_ns: int
    reason: str
    parameters: Parameters
    position: int | None = None
    number: int = 0


def merged(layers: Iterable[Parameters]) -> dict[str, dict[str, float]]:
    """Parameters of several layers, the later one winning parameter by parameter.

    >>> merged([{"a": {"x": 1, "y": 2}}, {"a": {"x": 3}, "b": {}}])
    {'a': {'x': 3, 'y': 2}, 'b': {}}
    """
    result: dict[str, dict[str, float]] = {}
    for layer in layers:
        for name, values in layer.items():
            result.setdefault(name, {}).update(values)
    return result
