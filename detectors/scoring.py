"""Detectors held against what really happened: recall, precision, delay, false alarms. Pure.

Matching, per device and case (`domain.incidents.case_of`):

- An alarm belongs to a *fact* when the condition that it claims overlaps the fact: its onset is not
  later than `LATE_NS` after the fact's end, and it was raised not earlier than `EARLY_NS` before
  the fact began.
- A danger of the alarm's case is its *cause*: it is detected. Of several the one that began last
  before the alarm was raised. An alarm that claims more than the fact is, such as an entrapment
  where somebody only pressed the button, is not its alarm.
- Else a fact of the device that names the alarm's case among ``may_raise`` *explains* it.
- Else the alarm is *false*. A nuisance that lasted meanwhile is named as its occasion.

A fact counts as a truth when it is a danger and its evidence was sent `DECISION_NS` or more before
the end: no rule has had the time to judge what came later. Other dangers are listed apart. Dangers
of one device and case that overlap are one. Point adjustment does not exist here: an alarm is one
event, and so is a truth.

A truth that began while an alarm of its case was open on its device cannot have one of its own:
people see the open one. It is *covered*, and listed apart, when that alarm was open all the time
and was said to stand when the truth ended (`COVER_END_NS`). An alarm that was closed while the
danger lasted, or whose condition was not found again, covers nothing: such a truth is missed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detectors.intervals import poisson_interval, weighted_interval
from domain.incidents import IncidentKind, Level, case_of, most_specific
from domain.instants import NS_PER_S, seconds

DECISION_NS = seconds(60)
"""Evidence sent later than this before the end is not counted."""

EARLY_NS = seconds(60)
"""An alarm this much before a fact may still be its own: simulated dangers have a run-up."""

LATE_NS = seconds(60)
"""A claim whose onset lies this much after the fact may still be its own: sensors hold off."""

COVER_END_NS = seconds(60)
"""An alarm that was last said to stand this much before the end of a truth still covers it: a door
that opens, or a car that is being levelled, ends the claim before the last person is out."""

YEAR_S = 365.25 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that really happened to a device.

    Parameters
    ----------
    kind
        Incident kind of a danger; ``None`` for a nuisance.
    cause
        Name of what was injected.
    from_ns, to_ns
        When it physically began and ended; ``None`` = it never began, or stood at the end.
    evidence_from_ns
        When the device first sent data in which it shows; ``None`` = never.
    may_raise
        Further incident kinds that are true meanwhile.
    density
        How many times more often than in nature this is injected.
    """

    kind: IncidentKind | None
    equipment_id: str
    cause: str
    from_ns: int | None
    to_ns: int | None
    evidence_from_ns: int | None = None
    may_raise: frozenset[IncidentKind] = frozenset()
    density: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One incident of one case, as the detectors under test alone would have opened it.

    Parameters
    ----------
    onset_ns
        Event time since when the condition is claimed to stand.
    levels
        Levels reached and when, rising; the first is what raised the alarm.
    end_ns
        When it was over; ``None`` while it stands.
    stood
        When its condition was said to stand, and until when it was; ``None`` = to the end of the
        run.
    closed_ns
        When people or telemetry closed it; ``None`` = it was open at the end of the run.
    """

    equipment_id: str
    kind: IncidentKind
    onset_ns: int
    levels: tuple[tuple[Level, int], ...]
    end_ns: int | None = None
    stood: tuple[tuple[int, int | None], ...] = ()
    closed_ns: int | None = None

    @property
    def case(self) -> str:
        """Case of the incident."""
        return case_of(self.kind)

    @property
    def raised_ns(self) -> int:
        """When it was raised."""
        return self.levels[0][1]

    def reached_ns(self, level: Level) -> int | None:
        """When a level or a higher one was reached first, ``None`` when it never was."""
        return next((at_ns for got, at_ns in self.levels if got.rank >= level.rank), None)

    def open_through(self, from_ns: int, to_ns: int) -> bool:
        """Whether it was open from one instant to another, and stood at the end of that."""
        closed = self.closed_ns is not None and self.closed_ns < to_ns
        return (
            self.raised_ns <= from_ns
            and not closed
            and any(
                since <= to_ns and (until is None or until >= to_ns - COVER_END_NS)
                for since, until in self.stood
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A truth that began while an alarm of its case was open, and that alarm."""

    fact: Fact
    alarm: Alarm

    @property
    def said_ns(self) -> int:
        """When the condition was last said to stand, during the truth or before it."""
        ends = self.fact.to_ns
        return max(since for since, _ in self.alarm.stood if ends is None or since <= ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An alarm and the fact that it is, or that explains it, or that fooled the detector.

    Parameters
    ----------
    cause, explanation, occasion
        At most one of them is set; neither of the first two = the alarm is false.
    """

    alarm: Alarm
    cause: Fact | None = None
    explanation: Fact | None = None
    occasion: Fact | None = None

    @property
    def false(self) -> bool:
        """Whether nothing true is behind the alarm."""
        return self.cause is None and self.explanation is None


class Facts:
    """Facts of a run, by device.

    Parameters
    ----------
    ended_ns
        When the run ended.
    """

    def __init__(self, facts: Iterable[Fact], *, ended_ns: int) -> None:
        self.all = tuple(_joined(facts))
        self.ended_ns = ended_ns
        self._by_device: dict[str, list[Fact]] = {}
        for fact in self.all:
            self._by_device.setdefault(fact.equipment_id, []).append(fact)

    def expected(self, kinds: frozenset[IncidentKind]) -> list[Fact]:
        """Truths of some kinds: dangers whose evidence was sent in time."""
        return [fact for fact in self.all if fact.kind in kinds and self._told(fact)]

    def untold(self, kinds: frozenset[IncidentKind]) -> list[Fact]:
        """Dangers of some kinds whose evidence was never sent, or too late to be judged."""
        return [fact for fact in self.all if fact.kind in kinds and not self._told(fact)]

    def _told(self, fact: Fact) -> bool:
        sent_ns = fact.evidence_from_ns
        return sent_ns is not None and sent_ns <= self.ended_ns - DECISION_NS

    def match(self, alarm: Alarm) -> Match:
        """Say what is behind an alarm."""
        near = [f for f in self._by_device.get(alarm.equipment_id, ()) if _overlaps(alarm, f)]
        causes = [f for f in near if f.kind is not None and _covers(f.kind, alarm)]
        if causes:
            return Match(alarm=alarm, cause=_latest(causes, alarm.raised_ns))
        explaining = [f for f in near if any(_covers(kind, alarm) for kind in f.may_raise)]
        if explaining:
            return Match(alarm=alarm, explanation=_latest(explaining, alarm.raised_ns))
        fooling = [f for f in near if f.kind is None]
        return Match(alarm=alarm, occasion=_latest(fooling, alarm.raised_ns) if fooling else None)


def _joined(facts: Iterable[Fact]) -> Iterator[Fact]:
    """Facts, dangers of one device and case that overlap as one: they have one incident."""
    standing: dict[tuple[str, str], Fact] = {}
    for fact in sorted(facts, key=_began_ns):
        if fact.kind is None or fact.from_ns is None:
            yield fact
            continue
        place = (fact.equipment_id, case_of(fact.kind))
        former = standing.get(place)
        if former is None:
            standing[place] = fact
        elif former.to_ns is not None and fact.from_ns > former.to_ns:
            yield former
            standing[place] = fact
        else:
            standing[place] = _both(former, fact)
    yield from standing.values()


def _both(first: Fact, second: Fact) -> Fact:
    ends = (first.to_ns, second.to_ns)
    sent = [t for t in (first.evidence_from_ns, second.evidence_from_ns) if t is not None]
    return replace(
        first,
        to_ns=None if None in ends else max(t for t in ends if t is not None),
        evidence_from_ns=min(sent, default=None),
        may_raise=first.may_raise | second.may_raise,
    )


def _covers(kind: IncidentKind, alarm: Alarm) -> bool:
    """Whether a kind is all that an alarm claims: a press of a button is no entrapment."""
    return case_of(kind) == alarm.case and most_specific(alarm.kind, kind) is kind


def _overlaps(alarm: Alarm, fact: Fact) -> bool:
    if fact.from_ns is None:
        return False
    begun = alarm.raised_ns >= fact.from_ns - EARLY_NS
    return begun and (fact.to_ns is None or alarm.onset_ns <= fact.to_ns + LATE_NS)


def _latest(facts: Sequence[Fact], at_ns: int) -> Fact:
    """Newest fact that had begun at an instant, else the first to begin."""
    begun = [fact for fact in facts if _began_ns(fact) <= at_ns]
    return max(begun, key=_began_ns) if begun else min(facts, key=_began_ns)


def _began_ns(fact: Fact) -> int:
    return 0 if fact.from_ns is None else fact.from_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one detector did, at one level and above.

    Parameters
    ----------
    truth, detected
        Truths whose evidence was sent, and those of them with an alarm.
    covered
        Further truths, which began while an alarm of their case was open: in no other figure.
    untold
        Dangers without evidence, or with too late a one: in no other figure.
    alarms
        All alarms: first and repeated ones of truths, explained and false ones.
    false
        Alarms with nothing true behind them.
    repeated
        Further alarms of a truth that has one already.
    explained
        Alarms of something that a fact names as true besides.
    delays_s
        Per detected truth, from its physical beginning to the alarm.
    false_devices
        Devices with a false alarm: far fewer than alarms = they come in clumps.
    device_years
        Time watched over all devices that the detector judges.
    occasions
        False alarms by what went on meanwhile, ``normal`` = nothing.
    natural_false
        False alarms, each divided by the density of what went on meanwhile.
    natural_squares
        Sum of the squares of these weights.
    """

    truth: int
    detected: int
    covered: int
    untold: int
    alarms: int
    false: int
    repeated: int
    explained: int
    delays_s: tuple[float, ...]
    false_devices: int
    device_years: float
    occasions: Mapping[str, int]
    natural_false: float
    natural_squares: float

    @property
    def recall(self) -> float | None:
        """Detected share of truths; ``None`` without truths."""
        return self.detected / self.truth if self.truth else None

    @property
    def precision(self) -> float | None:
        """Detected truths of these and false alarms; ``None`` without either."""
        claimed = self.detected + self.false
        return self.detected / claimed if claimed else None

    @property
    def false_per_device_year(self) -> float | None:
        """False alarms a device-year as simulated."""
        return self.false / self.device_years if self.device_years else None

    @property
    def false_interval(self) -> tuple[float, float] | None:
        """95 % confidence interval of the rate."""
        if not self.device_years:
            return None
        low, high = poisson_interval(self.false)
        return low / self.device_years, high / self.device_years

    @property
    def natural_rate(self) -> float | None:
        """False alarms a device-year at natural frequency of nuisances."""
        return self.natural_false / self.device_years if self.device_years else None

    @property
    def natural_interval(self) -> tuple[float, float] | None:
        """95 % confidence interval of the natural rate."""
        if not self.device_years:
            return None
        low, high = weighted_interval(self.natural_false, self.natural_squares)
        return low / self.device_years, high / self.device_years

    def delay_s(self, share: float) -> float | None:
        """Quantile of the delays; ``None`` without a detected truth."""
        return float(np.quantile(self.delays_s, share)) if self.delays_s else None


def score(
    facts: Facts,
    matches: Sequence[Match],
    kinds: frozenset[IncidentKind],
    *,
    device_years: float,
    level: Level = Level.ADVISORY,
) -> Score:
    """Score the alarms of one detector at a level and above.

    Parameters
    ----------
    matches
        Its alarms with what is behind them.
    kinds
        Kinds that it claims: the truths that it is asked for.
    """
    reached = [match for match in matches if match.alarm.reached_ns(level) is not None]
    first = _first_alarms(reached, level)
    covers = [cover.fact for cover in covered(facts, matches, kinds, level=level)]
    apart = {id(fact) for fact in covers}
    expected = [fact for fact in facts.expected(kinds) if id(fact) not in apart]
    false = [match for match in reached if match.false]
    weights = [1.0 / _density(match.occasion) for match in false]
    return Score(
        truth=len(expected),
        detected=sum(id(fact) in first for fact in expected),
        covered=len(covers),
        untold=len(facts.untold(kinds)),
        alarms=len(reached),
        false=len(false),
        repeated=sum(match.cause is not None for match in reached) - len(first),
        explained=sum(match.explanation is not None for match in reached),
        delays_s=tuple(_delay_s(fact, first[id(fact)]) for fact in expected if id(fact) in first),
        false_devices=len({match.alarm.equipment_id for match in false}),
        device_years=device_years,
        occasions=Counter(m.occasion.cause if m.occasion else "normal" for m in false),
        natural_false=sum(weights),
        natural_squares=sum(weight**2 for weight in weights),
    )


def _first_alarms(matches: Iterable[Match], level: Level) -> dict[int, int]:
    """By identity of a fact, when its first alarm reached a level."""
    first: dict[int, int] = {}
    for match in matches:
        at_ns = match.alarm.reached_ns(level)
        if match.cause is not None and at_ns is not None:
            first[id(match.cause)] = min(at_ns, first.get(id(match.cause), at_ns))
    return first


def _delay_s(fact: Fact, at_ns: int) -> float:
    return (at_ns - _began_ns(fact)) / NS_PER_S


def _density(occasion: Fact | None) -> float:
    return 1.0 if occasion is None else occasion.density


def missed(facts: Facts, matches: Sequence[Match], kinds: frozenset[IncidentKind]) -> list[Fact]:
    """Truths of some kinds without an alarm of their own, and without one that covers them."""
    found = {id(match.cause) for match in matches}
    found |= {id(cover.fact) for cover in covered(facts, matches, kinds)}
    return [fact for fact in facts.expected(kinds) if id(fact) not in found]


def covered(
    facts: Facts,
    matches: Sequence[Match],
    kinds: frozenset[IncidentKind],
    *,
    level: Level = Level.ADVISORY,
) -> list[Cover]:
    """Truths of some kinds that began while an alarm of their case was open, see `Cover`.

    Parameters
    ----------
    level
        That the alarm had reached, or a higher one, before the truth ended.
    """
    own = {id(match.cause) for match in matches}
    alarms: dict[tuple[str, str], list[Alarm]] = {}
    for match in matches:
        place = (match.alarm.equipment_id, match.alarm.case)
        alarms.setdefault(place, []).append(match.alarm)
    found: list[Cover] = []
    for fact in facts.expected(kinds):
        if id(fact) in own or fact.kind is None:
            continue
        ends_ns = facts.ended_ns if fact.to_ns is None else fact.to_ns
        for alarm in alarms.get((fact.equipment_id, case_of(fact.kind)), ()):
            reached_ns = alarm.reached_ns(level)
            in_time = reached_ns is not None and reached_ns <= ends_ns
            if in_time and alarm.open_through(_began_ns(fact), ends_ns):
                found.append(Cover(fact=fact, alarm=alarm))
                break
    return found
