"""Comparison of a candidate with live detection, as episodes.

An episode is one condition of one device, by kind of incident: it opens with the first finding of
either side and takes in every further one of both, until both have ended and `MATCH_S` has passed.

    live     ________████████________________       both: the two lie within MATCH_S
    shadow   ____██████████__________________

    shadow   ____████████________.                  added: MATCH_S after its end
    live     ________████________.                  missed: likewise

What one side alone claims without an end is decided after `UNDECIDED_S`. An outcome that is decided
stays. Cases that stood when the comparison began belong to both sides and are not counted.
Time is the received time of findings and ticks: both sides see the same rows.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from domain.equipment import Kind
from domain.findings import Finding, Phase
from domain.incidents import IncidentKind
from domain.instants import seconds
from domain.messages import OWN_GAP_NS
from domain.shadow import Claim, Episode, EpisodeOutcome, Tally, Totals

MATCH_S = 300
"""The two sides' claims may lie this far apart and still be of one episode (ours)."""

UNDECIDED_S = 86_400
"""What one side alone claims and does not end is decided after this time (ours)."""

OPEN_MAX = 10_000
"""Episodes open at once; beyond it the oldest is decided as it stands."""

_MATCH_NS, _UNDECIDED_NS = seconds(MATCH_S), seconds(UNDECIDED_S)
_MOMENTARY = frozenset({IncidentKind.ALARM_BUTTON})
"""Kinds whose findings are never ended."""

_FAR = 2**63 - 1

Case = tuple[str, IncidentKind]
"""Equipment and kind of incident."""


class Side(StrEnum):
    """Whose finding it is."""

    LIVE = "live"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that a comparison remembers, for snapshots."""

    episodes: tuple[Episode, ...]
    before: tuple[tuple[str, IncidentKind, tuple[Side, ...]], ...]
    totals: Totals
    passed_ns: int


class Comparison:
    """Episodes and totals of one candidate.

    Parameters
    ----------
    claims
        Kinds of equipment and of incidents that are compared: each has a tally from the start.
    before
        Cases that stand on both sides.

    Attributes
    ----------
    changes
        Episodes that are new or changed, with the journal position of the change, oldest first.
        Whoever stores them empties it.
    """

    def __init__(
        self, candidate: str, claims: Iterable[tuple[Kind, IncidentKind]], before: Iterable[Case]
    ) -> None:
        self._candidate = candidate
        self._open: dict[Case, Episode] = {}
        self._before: dict[Case, set[Side]] = {case: set(Side) for case in before}
        self._tallies = {
            (kind, incident): Tally(equipment_kind=kind, kind=incident)
            for kind, incident in sorted(set(claims))
        }
        self._device_ns: dict[Kind, int] = {kind: 0 for kind, _ in self._tallies}
        self._cut = 0
        self._passed_ns = 0
        self._due_ns = _FAR
        self.changes: list[tuple[int, Episode]] = []

    @property
    def totals(self) -> Totals:
        """Sums so far."""
        return Totals(
            device_ns=dict(self._device_ns), tallies=tuple(self._tallies.values()), cut=self._cut
        )

    def state(self) -> State:
        """Everything that a restart needs."""
        return State(
            episodes=tuple(self._open.values()),
            before=tuple((*case, tuple(sorted(sides))) for case, sides in self._before.items()),
            totals=self.totals,
            passed_ns=self._passed_ns,
        )

    def restore(self, state: State) -> None:
        """Continue from a remembered state."""
        self._open = {(one.equipment_id, one.kind): one for one in state.episodes}
        self._before = {(name, kind): set(sides) for name, kind, sides in state.before}
        self._tallies = {(one.equipment_kind, one.kind): one for one in state.totals.tallies}
        self._device_ns = dict(state.totals.device_ns)
        self._cut = state.totals.cut
        self._passed_ns = state.passed_ns
        self._due_ns = min(map(_due_ns, self._open.values()), default=_FAR)

    def take(
        self,
        live: Iterable[Finding],
        shadow: Iterable[Finding],
        kind_of: Callable[[str], Kind],
    ) -> None:
        """Take in findings of both sides, in the order of their journal positions.

        Parameters
        ----------
        kind_of
            Kind of a piece of equipment by its id.
        """
        found = [(f.position, Side.LIVE, f) for f in live]
        found += [(f.position, Side.SHADOW, f) for f in shadow]
        found.sort(key=lambda one: one[:2])
        for _, side, finding in found:
            case = finding.equipment_id, finding.kind
            if case in self._before:
                self._take_before(side, finding)
            elif finding.phase is Phase.ENDED:
                self._end(side, finding)
            else:
                self._raise(side, finding, kind_of)

    def elapse(self, now_ns: int, position: int, known: Mapping[Kind, int]) -> None:
        """Let time pass up to a tick: decide what is due, and add up the time of known devices.

        Parameters
        ----------
        known
            Per kind, devices whose values are known.
        """
        passed_ns = now_ns - self._passed_ns
        if self._passed_ns and 0 < passed_ns <= OWN_GAP_NS:
            for kind in self._device_ns:
                self._device_ns[kind] += passed_ns * known.get(kind, 0)
        self._passed_ns = max(self._passed_ns, now_ns)
        if now_ns < self._due_ns:
            return
        for case, episode in list(self._open.items()):
            if _due_ns(episode) <= now_ns:
                self._decide(case, episode, position)
        self._due_ns = min(map(_due_ns, self._open.values()), default=_FAR)

    def _take_before(self, side: Side, finding: Finding) -> None:
        """A case that stood at the beginning: only its end on both sides matters."""
        case = finding.equipment_id, finding.kind
        if finding.phase is Phase.ENDED:
            self._before[case].discard(side)
        if not self._before[case]:
            del self._before[case]

    def _raise(self, side: Side, finding: Finding, kind_of: Callable[[str], Kind]) -> None:
        case = finding.equipment_id, finding.kind
        episode = self._open.get(case) or self._opened(finding, kind_of)
        strongest = side is Side.SHADOW or episode.shadow is None
        claim = _raised(_claim_of(episode, side), finding)
        if strongest and claim.level is finding.level:
            episode = replace(episode, evidence=finding.evidence)
        episode = _with(episode, side, claim)
        if episode.outcome is EpisodeOutcome.UNDECIDED and episode.live and episode.shadow:
            episode = self._count(episode, EpisodeOutcome.BOTH)
        self._keep(episode, finding.position)

    def _end(self, side: Side, finding: Finding) -> None:
        episode = self._open.get((finding.equipment_id, finding.kind))
        claim = None if episode is None else _claim_of(episode, side)
        if episode is None or claim is None or claim.ended_at_ns is not None:
            return
        ended = replace(claim, ended_at_ns=finding.detected_at_ns)
        self._keep(_with(episode, side, ended), finding.position)

    def _opened(self, finding: Finding, kind_of: Callable[[str], Kind]) -> Episode:
        if len(self._open) >= OPEN_MAX:
            case, oldest = next(iter(self._open.items()))
            self._cut += 1
            self._decide(case, oldest, finding.position)
            self._open.pop(case, None)
        return Episode(
            candidate=self._candidate,
            equipment_id=finding.equipment_id,
            equipment_kind=kind_of(finding.equipment_id),
            kind=finding.kind,
            position=finding.position,
            onset_ns=finding.onset_ns,
            detected_at_ns=finding.detected_at_ns,
        )

    def _decide(self, case: Case, episode: Episode, position: int) -> None:
        """Decide an episode whose time has come, and forget it when both sides are over."""
        if episode.outcome is EpisodeOutcome.UNDECIDED:
            outcome = EpisodeOutcome.MISSED if episode.shadow is None else EpisodeOutcome.ADDED
            episode = self._count(episode, outcome)
            self._keep(episode, position)
        if _over_ns(episode) is not None:
            del self._open[case]

    def _count(self, episode: Episode, outcome: EpisodeOutcome) -> Episode:
        key = episode.equipment_kind, episode.kind
        tally = self._tallies.get(key) or Tally(equipment_kind=key[0], kind=key[1])
        self._device_ns.setdefault(key[0], 0)
        word = outcome.value
        self._tallies[key] = replace(tally, **{word: getattr(tally, word) + 1})
        return replace(episode, outcome=outcome)

    def _keep(self, episode: Episode, position: int) -> None:
        self._open[episode.equipment_id, episode.kind] = episode
        self._due_ns = min(self._due_ns, _due_ns(episode))
        self.changes.append((position, episode))


def _claim_of(episode: Episode, side: Side) -> Claim | None:
    return episode.live if side is Side.LIVE else episode.shadow


def _with(episode: Episode, side: Side, claim: Claim) -> Episode:
    if side is Side.LIVE:
        return replace(episode, live=claim)
    return replace(episode, shadow=claim)


def _raised(claim: Claim | None, finding: Finding) -> Claim:
    """Claim of a side after one more finding."""
    at_ns = finding.detected_at_ns
    ended_at_ns = at_ns if finding.kind in _MOMENTARY else None
    if claim is None:
        return Claim(detected_at_ns=at_ns, level=finding.level, ended_at_ns=ended_at_ns)
    level = max(claim.level, finding.level, key=lambda one: one.rank)
    return replace(claim, level=level, ended_at_ns=ended_at_ns)


def _over_ns(episode: Episode) -> int | None:
    """Received time at which every side that claimed had ended, ``None`` while one stands."""
    ends = [claim.ended_at_ns for claim in (episode.live, episode.shadow) if claim is not None]
    return None if None in ends else max(end for end in ends if end is not None)


def _due_ns(episode: Episode) -> int:
    """Received time from which an episode is to be decided or forgotten."""
    over_ns = _over_ns(episode)
    if over_ns is not None:
        return over_ns + _MATCH_NS
    undecided = episode.outcome is EpisodeOutcome.UNDECIDED
    return episode.detected_at_ns + _UNDECIDED_NS if undecided else _FAR
