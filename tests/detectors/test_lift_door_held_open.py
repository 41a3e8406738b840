"""Doors that stay open for too long."""

from typing import Any

import pytest

from domain.equipment import Equipment, Kind
from tests.support.story import Story, lift

KIND = "door_held_open"


def test_a_blocked_door_of_an_empty_car_is_an_advisory_after_80_s() -> None:
    """
    door   ____█████████████████████████████___
               10             90 advisory   200   202 ended
    """
    story = lift().at(10, door_closed=False).until(199).at(200, door_closed=True).until(210)
    assert story.levels() == [(KIND, "advisory", 10, 90)]
    assert story.ended() == [(KIND, "door_closed")]


def test_people_who_hold_it_have_five_minutes() -> None:
    held = lift().at(10, door_closed=False, passenger_present=True).until(300)
    assert held.levels() == []
    assert held.until(400).levels() == [(KIND, "advisory", 10, 310)]


def test_a_cleaner_who_steps_out_leaves_the_usual_time() -> None:
    """
    door       █████████████████████████████████
    presence   ███████cleaner█____________
               10            150         230 advisory
    """
    story = lift().at(10, door_closed=False, passenger_present=True)
    story.at(150, passenger_present=False).until(300)
    assert story.levels() == [(KIND, "advisory", 10, 230)]


@pytest.mark.parametrize("change", [{"service_mode": 0}, {"service_mode": 2}, {"service_mode": 3},
                                    {"service_mode": 4}, {"service_mode": 6},
                                    {"mains_power": False}])  # fmt: skip
def test_reasons_for_an_open_door(change: dict[str, Any]) -> None:
    story = lift().at(5, **change).at(10, door_closed=False).until(500)
    assert story.levels(KIND) == []


def test_fire_return_that_begins_ends_it_with_its_reason() -> None:
    story = lift().at(10, door_closed=False).until(100).at(120, service_mode=3)
    assert story.ended() == [(KIND, "mode_fire_return")]


def test_a_lift_that_parks_with_its_door_open_is_learned() -> None:
    story, t_s = lift(heartbeat_s=120), 10.0
    for _ in range(8):
        story.at(t_s, door_closed=False).at(t_s + 150, door_closed=True)
        t_s += 200
    assert len(story.levels()) == 3
    story.at(t_s, door_closed=False).until(t_s + 2_000)
    assert story.levels()[3:] == [(KIND, "advisory", t_s, t_s + 1_800)]


def test_many_short_openings_make_a_long_one_an_exception_again() -> None:
    story, t_s = lift(), 10.0
    for seconds in (*[150] * 3, *[8] * 20):
        story.at(t_s, door_closed=False).at(t_s + seconds, door_closed=True)
        t_s += 200
    story.at(t_s, door_closed=False).until(t_s + 100)
    assert story.levels()[3:] == [(KIND, "advisory", t_s, t_s + 80)]


def test_a_contact_that_showed_an_open_door_while_the_car_ran_is_not_believed() -> None:
    story = lift().at(10, door_closed=False).at(20, car_status=1).at(40, car_status=0).until(400)
    assert story.levels(KIND) == []


def test_a_parked_lift_with_unknown_door_is_no_case() -> None:
    story = Story(Equipment(id="L1", kind=Kind.LIFT))
    story.at(0, service_mode=1, car_status=0, door_zone=True)
    assert story.until(600).levels(KIND) == []
