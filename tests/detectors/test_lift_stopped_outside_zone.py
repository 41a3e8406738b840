"""Stops between floors with nobody seen inside, and what only looks like one."""

from typing import Any

import pytest

from tests.support.story import PARKED, Story, lift, ride

KIND = "stopped_outside_zone"


def stops(story: Story, t_s: float = 40.0, **values: Any) -> Story:
    """Runs empty for 20 s and stops between floors at ``t_s``."""
    story.at(t_s - 20, car_status=1, car_direction=1, door_zone=False)
    return story.at(t_s, car_status=0, car_direction=0, **values)


def test_an_empty_car_between_floors_is_an_advisory_after_a_minute() -> None:
    """
    car   ████████|stands between floors____________████runs to a floor
                  40              100 advisory      200      202 in the zone
    """
    story = stops(lift()).at(195, car_status=1).at(200, door_zone=True, car_status=0).until(210)
    assert story.levels() == [(KIND, "advisory", 40, 100)]
    assert story.ended() == [(KIND, "door_zone_reached")]
    evidence = {e.name: e.value for e in story.findings[0].evidence}
    assert evidence["stopped_s"] == 60
    assert evidence["door_zone"] is False


def test_somebody_inside_makes_it_an_entrapment_instead() -> None:
    story = ride(lift(), 10, 20).at(40, car_status=0).until(400)
    assert story.levels(KIND) == []
    assert story.levels("entrapment_off_level")


def test_an_express_run_is_no_stop() -> None:
    story = lift(express_zone_m=200, rated_speed_mps=2.0)
    story.at(10, car_status=1, door_zone=False, passenger_present=True).until(200)
    assert story.levels() == []


def test_without_motion_signals_it_waits_for_the_express_zone() -> None:
    """200 m at 2 m/s and 15 s of margin, then the hold."""
    story = lift(express_zone_m=200, rated_speed_mps=2.0)
    story.at(1, car_status=None).at(10, door_zone=False).until(400)
    assert story.levels(KIND) == [(KIND, "advisory", 10, 185)]


@pytest.mark.parametrize("mode", [2, 3, 4, 6])
def test_special_modes_move_cars_by_other_rules(mode: int) -> None:
    assert stops(lift().at(5, service_mode=mode)).until(900).levels(KIND) == []


def test_a_mode_that_begins_ends_the_claim_with_its_reason() -> None:
    story = stops(lift()).until(150).at(160, service_mode=2)
    assert story.ended() == [(KIND, "mode_inspection")]


def test_a_power_cut_explains_the_stop_and_the_car_then_has_time_to_find_its_floor() -> None:
    """
    mains   ██████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁████████████████████
    car     ██████|stands between floors___________________
                  40                 340 back        520 advisory: 180 s
    """
    story = stops(lift(), mains_power=False, passenger_present=None).until(340)
    assert story.levels(KIND) == []
    story.at(340, mains_power=True, passenger_present=False).until(600)
    assert story.levels(KIND) == [(KIND, "advisory", 340, 520)]


def test_a_car_that_relearns_its_floor_after_a_cut_is_no_case() -> None:
    story = stops(lift(), mains_power=False).at(100, mains_power=True).until(230)
    story.at(230, car_status=1).at(250, car_status=0, door_zone=True).until(400)
    assert story.levels(KIND) == []


def test_a_level_signal_lost_while_the_car_stands_is_believed_only_with_a_fault_code() -> None:
    alone = lift().at(30, door_zone=False).until(600)
    assert alone.levels(KIND) == []
    position_lost = lift().at(30, door_zone=False).code(35, "gbt24476:07").until(600)
    assert position_lost.levels(KIND) == []
    told = lift().at(30, door_zone=False).code(35, "gbt24476:04").until(600)
    assert told.levels(KIND) == [(KIND, "advisory", 35, 95)]


def test_a_stuck_level_signal_is_known_by_the_door_that_opens_there() -> None:
    """The car serves a floor: its door was open for 5 s at this stop."""
    story = stops(lift()).at(43, door_closed=False).at(48, door_closed=True).until(600)
    assert story.levels(KIND) == []


def test_a_rebooted_terminal_that_says_the_same_changes_nothing() -> None:
    story = stops(lift()).until(60)
    story.at(61, **{**PARKED, "door_zone": False}).until(200)
    assert story.levels(KIND) == [(KIND, "advisory", 40, 100)]


def test_unknown_zone_is_no_stop_and_stops_the_clock() -> None:
    """
    zone    ▁▁▁▁▁▁▁▁▁▁??????????▁▁▁▁▁▁▁▁▁▁▁▁▁▁
            40       70        100         130 advisory: 60 s known
    """
    story = stops(lift()).at(70, door_zone=None).at(100, door_zone=False).until(200)
    assert story.levels(KIND) == [(KIND, "advisory", 70, 130)]
