"""Folding the findings of two sides into episodes.

Seconds; R = raised, E = ended, MATCH_S = 300:

    live     ____R___E____________
    shadow   __R_______E__________        both
"""

from typing import Any

import pytest

from detectors import episodes
from detectors.episodes import MATCH_S, UNDECIDED_S, Comparison, Side
from domain.equipment import Kind
from domain.findings import Evidence, Finding, Phase
from domain.incidents import IncidentKind, Level
from domain.instants import seconds
from domain.messages import OWN_GAP_NS
from domain.shadow import Episode, EpisodeOutcome

KIND = IncidentKind.OVERLOAD
CLAIMS = [(Kind.CRANE, KIND)]


class World:
    """A comparison, told what each side claims at a second; ticks come in between."""

    def __init__(self, before: Any = ()) -> None:
        self.comparison = Comparison("c", CLAIMS, before)
        self.position = 0

    def until(self, at_s: int, known: int = 0) -> None:
        self.position += 1
        self.comparison.elapse(seconds(at_s), self.position, {Kind.CRANE: known})

    def tell(
        self,
        side: Side,
        at_s: int,
        phase: Phase = Phase.RAISED,
        level: Level = Level.SUSPECTED,
        **changes: Any,
    ) -> None:
        self.until(at_s)
        values: dict[str, Any] = {
            "detector": "d",
            "kind": KIND,
            "equipment_id": "C1",
            "level": level,
            "phase": phase,
            "onset_ns": seconds(at_s - 1),
            "detected_at_ns": seconds(at_s),
            "position": self.position,
            "evidence": (Evidence(name=f"{side} {level}", value=True),),
        }
        found = [Finding(**values | changes)]
        live, shadow = (found, []) if side is Side.LIVE else ([], found)
        self.comparison.take(live, shadow, lambda _: Kind.CRANE)

    def spell(self, side: Side, first_s: int, last_s: int) -> None:
        self.tell(side, first_s)
        self.tell(side, last_s, Phase.ENDED)

    def last(self) -> Episode:
        return self.comparison.changes[-1][1]

    def tally(self, kind: IncidentKind = KIND) -> tuple[int, int, int]:
        (one,) = [t for t in self.comparison.totals.tallies if t.kind is kind]
        return one.both, one.added, one.missed


@pytest.mark.parametrize("first", Side)
def test_sides_that_overlap_are_one_episode(first: Side) -> None:
    world = World()
    second = Side.SHADOW if first is Side.LIVE else Side.LIVE
    world.tell(first, 10)
    assert world.last().outcome is EpisodeOutcome.UNDECIDED
    world.tell(second, 40)
    assert world.last().outcome is EpisodeOutcome.BOTH
    assert (world.last().onset_ns, world.last().detected_at_ns) == (seconds(9), seconds(10))
    world.until(10_000)
    assert world.tally() == (1, 0, 0)


def test_sides_within_the_tolerance_match_and_beyond_it_they_do_not() -> None:
    world = World()
    world.spell(Side.LIVE, 10, 20)
    world.spell(Side.SHADOW, 20 + MATCH_S - 1, 20 + MATCH_S)
    assert world.tally() == (1, 0, 0)
    world = World()
    world.spell(Side.LIVE, 10, 20)
    world.spell(Side.SHADOW, 20 + MATCH_S, 21 + MATCH_S)
    world.until(22 + 2 * MATCH_S)
    assert world.tally() == (0, 1, 1)


@pytest.mark.parametrize(
    ("side", "outcome"),
    [(Side.SHADOW, EpisodeOutcome.ADDED), (Side.LIVE, EpisodeOutcome.MISSED)],
)
def test_one_side_alone_is_decided_after_its_end(side: Side, outcome: EpisodeOutcome) -> None:
    world = World()
    world.spell(side, 10, 20)
    world.until(19 + MATCH_S)
    assert world.last().outcome is EpisodeOutcome.UNDECIDED
    world.until(20 + MATCH_S)
    assert world.last().outcome is outcome
    claims = world.last().live, world.last().shadow
    assert [claim is None for claim in claims].count(True) == 1


def test_what_does_not_end_is_decided_after_a_day_and_stays_so() -> None:
    world = World()
    world.tell(Side.SHADOW, 10)
    world.until(10 + UNDECIDED_S)
    assert world.last().outcome is EpisodeOutcome.ADDED
    world.tell(Side.LIVE, 20 + UNDECIDED_S)
    assert world.last().outcome is EpisodeOutcome.ADDED
    assert world.last().live is not None
    assert world.tally() == (0, 1, 0)


def test_the_highest_level_counts_and_the_candidates_evidence_of_it() -> None:
    world = World()
    world.tell(Side.SHADOW, 10)
    world.tell(Side.LIVE, 20)
    world.tell(Side.SHADOW, 30, level=Level.CONFIRMED)
    world.tell(Side.SHADOW, 40, level=Level.ADVISORY)
    live, shadow = world.last().live, world.last().shadow
    assert live is not None
    assert shadow is not None
    assert (shadow.level, live.level) == (Level.CONFIRMED, Level.SUSPECTED)
    assert shadow.detected_at_ns == seconds(10)
    assert [one.name for one in world.last().evidence] == ["shadow confirmed"]


def test_cases_that_stood_before_belong_to_both() -> None:
    world = World(before=[("C1", KIND)])
    world.tell(Side.SHADOW, 10, level=Level.CONFIRMED)
    world.tell(Side.SHADOW, 20, Phase.ENDED)
    world.tell(Side.LIVE, 30, Phase.ENDED)
    assert world.comparison.changes == []
    world.tell(Side.LIVE, 40)
    assert world.last().outcome is EpisodeOutcome.UNDECIDED


def test_an_alarm_needs_no_end() -> None:
    world = World()
    world.tell(Side.LIVE, 10, kind=IncidentKind.ALARM_BUTTON)
    world.until(10 + MATCH_S)
    assert world.tally(IncidentKind.ALARM_BUTTON) == (0, 0, 1)


def test_time_is_that_of_known_devices_without_our_own_outages() -> None:
    world = World()
    world.until(100, known=7)
    world.until(101, known=3)
    world.until(103, known=1)
    world.until(104 + OWN_GAP_NS // seconds(1), known=9)
    assert world.comparison.totals.device_ns == {Kind.CRANE: seconds(5)}


def test_the_oldest_is_decided_when_too_many_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "OPEN_MAX", 2)
    world = World()
    for number in range(3):
        world.tell(Side.SHADOW, 10 + number, equipment_id=f"C{number}")
    assert len(world.comparison.state().episodes) == 2
    assert world.comparison.totals.cut == 1
    assert world.tally() == (0, 1, 0)


def test_what_is_remembered_goes_on_as_if_nothing_had_been() -> None:
    whole, parted = World(before=[("C9", KIND)]), World(before=[("C9", KIND)])
    for world in (whole, parted):
        world.tell(Side.SHADOW, 10)
        world.tell(Side.LIVE, 12, equipment_id="C2")
    anew = Comparison("c", CLAIMS, ())
    anew.restore(parted.comparison.state())
    parted.comparison = anew
    for world in (whole, parted):
        world.comparison.changes.clear()
        world.tell(Side.LIVE, 20)
        world.tell(Side.LIVE, 21, Phase.ENDED, equipment_id="C9")
        world.tell(Side.LIVE, 30, Phase.ENDED, equipment_id="C2")
        world.until(30 + MATCH_S, known=4)
    assert parted.comparison.changes == whole.comparison.changes
    assert parted.comparison.state() == whole.comparison.state()
