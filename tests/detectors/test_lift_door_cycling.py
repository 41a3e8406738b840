"""Doors that open again and again at one floor."""

import pytest

from domain.errors import UsageError
from tests.support.story import Story, lift

KIND = "door_cycling"


def cycle(story: Story, t_s: float, cycles: int, every_s: float = 10.0) -> Story:
    """Open for 4 s, ``cycles`` times."""
    for number in range(cycles):
        start = t_s + number * every_s
        story.at(start, door_closed=False).at(start + 4, door_closed=True)
    return story


def test_the_eighth_opening_at_one_stop_is_an_advisory_that_ends_with_quiet() -> None:
    """
    door   █_█_█_█_█_█_█_█_________________________
    s      10            80 advisory   84 + 60 ended
    """
    story = cycle(lift(), 10, 8).until(200)
    assert story.levels() == [(KIND, "advisory", 80, 80)]
    assert story.ended() == [(KIND, "door_stayed_closed")]
    evidence = {e.name: e.value for e in story.findings[0].evidence}
    assert (evidence["door_openings"], evidence["within_s"]) == (8, 70)


def test_seven_openings_or_slow_ones_are_none() -> None:
    assert cycle(lift(), 10, 7).until(300).levels() == []
    assert cycle(lift(), 10, 12, every_s=40).until(900).levels() == []


def test_openings_at_different_stops_do_not_add_up() -> None:
    story = cycle(lift(), 10, 5)
    story.at(70, car_status=1).at(80, car_status=0)
    assert cycle(story, 85, 5).until(300).levels() == []


def test_a_mechanic_tests_the_door() -> None:
    assert cycle(lift().at(5, service_mode=2), 10, 20).until(400).levels() == []


def test_a_burst_that_is_over_is_not_claimed_again_by_a_passenger() -> None:
    story = cycle(lift(), 10, 8).at(100, service_mode=1).until(150)
    assert story.ended() == [(KIND, "door_stayed_closed")]
    cycle(story, 160, 1).at(200, passenger_present=True).until(400)
    assert len(story.levels()) == 1


def test_a_longer_burst_is_one_case() -> None:
    assert len(cycle(lift(), 10, 30).until(500).levels()) == 1


def test_a_run_ends_it() -> None:
    story = cycle(lift(), 10, 8).at(90, car_status=1, door_zone=False).until(105)
    assert story.ended() == [(KIND, "car_ran")]


def test_cycles_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="2 to 50"):
        lift(parameters={"lift_door_cycling": {"cycles": 200}})
