"""Cars beyond the ends of their shaft: ends are learned from rides, labels are texts."""

from typing import Any

import pytest

from tests.support.story import Story, lift

KIND = "over_travel"
LABELS = ("B1", "1", "2")


def trip(story: Story, t_s: float, *labels: str) -> float:
    """Run through floors, 5 s each, direction and zone as a terminal tells them."""
    up = LABELS.index(labels[-1]) > LABELS.index(labels[0])
    story.at(t_s, car_status=1, car_direction=1 if up else 2)
    for label in labels[1:]:
        story.at(t_s + 1, door_zone=False)
        t_s += 5
        story.at(t_s, car_position=label, door_zone=True)
    story.at(t_s + 1, car_status=0, car_direction=0)
    return t_s + 20


def served(story: Story, rounds: int) -> float:
    """Rides between the ends."""
    t_s = trip(story, 10.0, "1", "2")
    for _ in range(rounds):
        t_s = trip(story, t_s, "2", "1", "B1")
        t_s = trip(story, t_s, "B1", "1", "2")
    return trip(story, t_s, "2", "1")


def overruns(story: Story, t_s: float, *, inside: bool = False, **end: Any) -> float:
    """Run up through the zone of the top floor, and stand beyond it from the time returned on."""
    story.at(t_s, car_status=1, car_direction=1, door_zone=True, passenger_present=inside)
    story.at(t_s + 1, door_zone=False)
    story.at(t_s + 5, car_position="2", door_zone=True).at(t_s + 5.4, door_zone=False)
    story.at(t_s + 6, car_status=0, **{"car_direction": 0, **end})
    return t_s + 6


def test_beyond_the_top_is_an_advisory_and_suspected_with_somebody_inside() -> None:
    for inside, level in ((False, "advisory"), (True, "suspected")):
        story = lift()
        t_s = overruns(story, served(story, 4), inside=inside)
        story.until(t_s + 25)
        assert story.levels(KIND) == [(KIND, level, t_s, t_s + 20)]
        evidence = {e.name: e.value for f in story.findings if f.kind == KIND for e in f.evidence}
        assert (evidence["end_of_shaft"], evidence["passed_door_zone"]) == ("top", True)


def test_a_fault_code_confirms_it_after_45_s_and_the_zone_ends_it() -> None:
    story = lift()
    t_s = overruns(story, served(story, 4), inside=True)
    story.code(t_s + 2, "gbt24476:01").until(t_s + 60)
    assert story.levels(KIND)[-1] == (KIND, "confirmed", t_s, t_s + 45)
    story.at(t_s + 70, car_status=1).at(t_s + 75, door_zone=True, car_status=0).until(t_s + 80)
    assert (KIND, "door_zone_reached") in story.ended()


def test_as_many_floors_as_the_registry_names_prove_the_ends_without_turns() -> None:
    known, unknown = lift(floors=2), lift(floors=9)
    for story in (known, unknown):
        story.until(overruns(story, served(story, 0)) + 100)
    assert known.levels(KIND)
    assert unknown.levels(KIND) == []


def test_a_stop_below_the_top_is_none_unless_the_car_still_heads_out() -> None:
    """The display already shows the top floor; the car never was in its zone."""
    for direction, found in ((0, 0), (1, 1)):
        story = lift()
        t_s = served(story, 4)
        story.at(t_s, car_status=1, car_direction=1).at(t_s + 1, door_zone=False)
        story.at(t_s + 4, car_position="2")
        story.at(t_s + 5, car_status=0, car_direction=direction).until(t_s + 100)
        assert len(story.levels(KIND)) == found


def test_a_long_run_from_an_end_is_none() -> None:
    story = lift()
    t_s = trip(story, served(story, 4), "1", "B1")
    story.at(t_s, car_status=1, car_direction=1).at(t_s + 1, door_zone=False).until(t_s + 90)
    assert story.levels(KIND) == []


@pytest.mark.parametrize("mode", [2, 4])
def test_special_modes_are_not_judged(mode: int) -> None:
    story = lift()
    t_s = served(story, 4)
    story.at(t_s - 5, service_mode=mode)
    story.until(overruns(story, t_s, inside=True) + 100)
    assert story.levels(KIND) == []


def test_a_zone_lost_while_the_car_stands_at_the_top_is_none() -> None:
    story = lift()
    t_s = trip(story, served(story, 4), "1", "2")
    story.at(t_s, door_zone=False).until(t_s + 200)
    assert story.levels(KIND) == []
