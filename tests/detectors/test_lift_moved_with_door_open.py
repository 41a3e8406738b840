"""Cars that move with their door open, and doors that only seem to be."""

import pytest

from domain.equipment import Equipment, Kind
from tests.support.story import Story, leave, lift, ride

KIND = "moved_with_door_open"


def creeps(story: Story, t_s: float = 60.0, *, inside: bool | None = False) -> Story:
    """At a floor with its door open, the car creeps out of the zone and stands 3 s later."""
    story.at(t_s - 5, door_closed=False, passenger_present=inside)
    story.at(t_s, car_status=1).at(t_s + 1, door_zone=False)
    return story.at(t_s + 3, car_status=0)


def served(story: Story) -> Story:
    """One ordinary stop, so that the door was seen closing."""
    return story.at(10, door_closed=False).at(20, door_closed=True)


@pytest.mark.parametrize(("inside", "level"), [(False, "advisory"), (None, "advisory"),
                                               (True, "suspected")])  # fmt: skip
def test_a_car_that_creeps_away_is_claimed_although_it_stands_again(
    inside: bool | None, level: str
) -> None:
    """
    door   ____████████████████████████████ open
    zone   ███████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
    car    ______██|stands
                  61      66
    """
    story = creeps(served(lift()), inside=inside).until(90)
    assert story.levels(KIND) == [(KIND, level, 61, 66)]


def test_a_fault_code_and_somebody_inside_confirm_it() -> None:
    story = creeps(served(lift()), inside=True).code(64, "gbt24476:05").until(90)
    assert story.levels(KIND) == [(KIND, "suspected", 61, 66), (KIND, "confirmed", 61, 69)]
    names = {e.name for f in story.findings if f.kind == KIND for e in f.evidence}
    assert "gbt24476:05" in names


def test_it_ends_when_the_door_closes() -> None:
    story = creeps(served(lift())).until(80).at(90, door_closed=True).until(95)
    assert (KIND, "door_closed") in story.ended()


def test_a_run_with_the_door_open_is_claimed_through_the_zones_it_passes() -> None:
    story = served(lift()).at(50, door_closed=False, passenger_present=True)
    story.at(60, car_status=1).at(61, door_zone=False)
    for t_s in (63.0, 66.0):
        story.at(t_s, door_zone=True).at(t_s + 0.4, door_zone=False)
    assert story.until(70).levels(KIND) == [(KIND, "suspected", 61, 66)]


def test_ordinary_trips_and_levelling_with_the_door_open_are_none() -> None:
    story = leave(ride(lift(), 10, 20).at(38, car_status=0, door_zone=True), 39).until(60)
    story.at(70, door_closed=False).at(72, car_status=1).at(74, car_status=0)
    story.at(80, door_closed=True).until(120)
    assert story.levels(KIND) == []


def test_a_door_message_that_is_overtaken_is_no_open_door() -> None:
    """The door closed at 66; its message arrives 3 s late, after the car left the zone."""
    story = served(lift()).at(60, door_closed=False)
    story.at(67, car_status=1).at(67.5, door_zone=False)
    story.at(66, received_s=69, door_closed=True).until(100)
    assert story.levels(KIND) == []


def test_a_stuck_contact_is_claimed_on_its_first_run_only() -> None:
    story = served(lift()).at(50, door_closed=False)
    for start in range(60, 400, 60):
        story.at(start, car_status=1).at(start + 1, door_zone=False)
        story.at(start + 20, car_status=0, door_zone=True)
    assert len(story.until(450).levels(KIND)) == 1


def test_a_contact_never_seen_closed_proves_nothing() -> None:
    story = Story(Equipment(id="L1", kind=Kind.LIFT))
    story.at(0, service_mode=1, car_status=0, door_zone=True, door_closed=False)
    story.at(10, car_status=1).at(11, door_zone=False).until(60)
    assert story.levels(KIND) == []


def test_a_mechanic_moves_the_car_with_its_door_open() -> None:
    story = creeps(served(lift()).at(30, service_mode=2), inside=True).until(90)
    assert story.levels() == []
    assert story.at(100, service_mode=1).until(120).levels(KIND) == []


def test_a_level_signal_lost_at_an_open_door_is_no_move() -> None:
    story = served(lift()).at(50, door_closed=False).at(60, door_zone=False).until(75)
    assert story.levels(KIND) == []
    cut = served(lift()).at(1, car_status=None).at(50, door_closed=False)
    assert cut.at(60, door_zone=False, mains_power=False).until(90).levels(KIND) == []
