"""Quick-opening vessels: lock not engaged under pressure, and bypassed interlocks."""

from typing import Any

import pytest

from domain.equipment import Equipment, Kind
from tests.support.story import LATE, Story

CLOSED = {"door_closed": True, "lock_engaged": True, "vent_open": False}


def vessel() -> Story:
    return Story(Equipment(id="V1", kind=Kind.VESSEL, report_interval_s=10.0))


def dispatched(story: Story) -> list[tuple[str, str, float, float]]:
    return [entry for entry in story.levels() if entry[1] != "advisory"]


def batch(story: Story, start_s: int, zero_mpa: float = 0.0) -> int:
    """A proper batch of five minutes: close, lock, press, vent, unlock, open."""
    story.at(start_s, door_closed=True, lock_engaged=False, vent_open=True)
    story.at(start_s + 5, lock_engaged=True, vent_open=False)
    for t in range(5, 95, 5):
        pressure = round(0.3 * min(t / 30, 1, max(0, 80 - t) / 30) + zero_mpa, 3)
        story.at(start_s + 5 + t, internal_pressure_mpa=pressure)
        if t == 50:
            story.at(start_s + 55, vent_open=True)
    story.at(start_s + 105, lock_engaged=False, internal_pressure_mpa=zero_mpa)
    story.at(start_s + 110, door_closed=False)
    for t in range(115, 160, 5):
        story.at(start_s + t, internal_pressure_mpa=zero_mpa)
    return start_s + 160


def opened() -> Story:
    """An open vessel whose sensor shows zero."""
    return vessel().at(0, door_closed=False, lock_engaged=False, vent_open=True)


def test_proper_batches_claim_nothing_and_a_shifted_zero_is_learned() -> None:
    right, shifted = opened(), opened()
    t = 10
    for k in range(40):
        shifted.at(t + k, internal_pressure_mpa=0.014)
    for start in (60, 230, 400):
        batch(right, start)
        batch(shifted, start, zero_mpa=0.014)
    assert right.levels() + shifted.levels() == []


def test_pressure_without_lock_is_suspected_and_then_confirmed() -> None:
    """
    pressure  0 | 0.012 at 10 s | 0.05 at 20 s | 0 at 40 s
    """
    story = vessel().at(0, door_closed=True, lock_engaged=False, internal_pressure_mpa=0.0)
    for t in range(1, 90):
        pressure = 0.0 if t < 10 or t >= 40 else 0.012 if t < 20 else 0.05
        story.at(t, internal_pressure_mpa=pressure)
    assert story.levels("lock_not_engaged") == [
        ("lock_not_engaged", "suspected", 10, 12),
        ("lock_not_engaged", "confirmed", 10, 22),
    ]
    assert story.ended() == [("lock_not_engaged", "pressure_gone")]


def test_an_opening_under_pressure_is_confirmed_at_once() -> None:
    story = vessel().at(0, internal_pressure_mpa=0.3, **CLOSED).at(60, vent_open=True)
    for t in range(61, 70):
        story.at(t, internal_pressure_mpa=round(0.3 - 0.01 * (t - 60), 3))
    story.at(70, lock_engaged=False)
    assert story.levels("interlock_bypassed") == [("interlock_bypassed", "confirmed", 70, 70)]
    for t in range(71, 120):
        story.at(t, internal_pressure_mpa=0.0)
    assert ("interlock_bypassed", "pressure_gone") in story.ended()


def test_an_old_sample_of_the_pressure_proves_nothing_until_the_next_one() -> None:
    emptied = vessel().at(0, internal_pressure_mpa=0.3, **CLOSED).at(5, vent_open=True)
    emptied.at(50, lock_engaged=False).at(52, internal_pressure_mpa=0.0).until(60)
    full = vessel().at(0, internal_pressure_mpa=0.3, **CLOSED).at(5, vent_open=True)
    full.at(50, door_closed=False).at(52, internal_pressure_mpa=0.2).until(60)
    assert emptied.levels("interlock_bypassed") == []
    assert full.levels("interlock_bypassed") == [("interlock_bypassed", "confirmed", 50, 52)]


def residue(shown_mpa: float) -> Story:
    """Venting from 0.4 MPa, until the transmitter stands at a residue; unlocked at 60 s."""
    story = vessel().at(0, internal_pressure_mpa=0.4, **CLOSED).at(5, vent_open=True)
    for t in range(6, 60):
        pressure = max(0.4 * 0.8 ** (t - 5), shown_mpa)
        story.at(t, internal_pressure_mpa=round(pressure, 3))
    return story.at(60, lock_engaged=False, internal_pressure_mpa=shown_mpa)


def test_a_zero_that_drifted_in_a_batch_is_told_by_the_open_door() -> None:
    story = residue(0.03).at(65, door_closed=False, internal_pressure_mpa=0.03)
    for t in range(66, 110):
        story.at(t, internal_pressure_mpa=0.03)
    assert dispatched(story) == []


def test_a_real_residue_falls_as_the_door_opens() -> None:
    story = residue(0.03).at(65, door_closed=False, internal_pressure_mpa=0.03)
    for t in range(66, 80):
        story.at(t, internal_pressure_mpa=0.0)
    assert dispatched(story) == [("interlock_bypassed", "confirmed", 60, 66)]


def test_a_residue_that_no_open_door_explains_is_suspected() -> None:
    waits, mute = residue(0.03), residue(0.03)
    for t in range(61, 130):
        waits.at(t, internal_pressure_mpa=0.03)
    mute.at(65, door_closed=False)
    for t in range(66, 80):
        mute.at(t, vent_open=True)
    assert dispatched(waits) == [("interlock_bypassed", "suspected", 60, 120)]
    assert dispatched(mute) == [("interlock_bypassed", "suspected", 60, 75)]


def test_pressure_that_still_falls_or_hardly_fell_waits_for_no_door() -> None:
    falling = vessel().at(0, internal_pressure_mpa=0.4, **CLOSED).at(5, vent_open=True)
    for t in range(6, 60):
        falling.at(t, internal_pressure_mpa=round(0.05 - 0.0008 * (t - 30) if t > 30 else 0.1, 4))
    falling.at(60, lock_engaged=False, internal_pressure_mpa=0.026)
    blocked = residue(0.2)
    assert falling.levels()[0][1:] == ("confirmed", 60, 60)
    assert blocked.levels()[0][1:] == ("confirmed", 60, 60)


def test_a_far_zero_behind_three_open_switches_is_learned_and_told() -> None:
    story = opened()
    for t in range(40):
        story.at(10 + t, internal_pressure_mpa=0.12)
    batch(story, 60, zero_mpa=0.12)
    assert [entry[:2] for entry in story.levels()] == [("sensor_drift", "advisory")]


def test_a_transmitter_that_did_not_move_since_the_vent_opened_may_be_stuck() -> None:
    story = vessel().at(0, internal_pressure_mpa=0.3, **CLOSED).at(5, vent_open=True)
    for t in range(6, 100, 2):
        story.at(t, internal_pressure_mpa=0.3)
    story.at(100, lock_engaged=False, internal_pressure_mpa=0.3)
    assert story.levels("interlock_bypassed") == [("interlock_bypassed", "suspected", 100, 100)]


def test_a_bridged_lock_switch_and_a_shut_vent_are_advisories() -> None:
    bridged = vessel().at(0, internal_pressure_mpa=0.0, **CLOSED)
    bridged.at(10, door_closed=False).at(30, door_closed=True)
    bridged.at(70, internal_pressure_mpa=0.1).until(75)
    jumpered = vessel().at(0, internal_pressure_mpa=0.0, **CLOSED).at(10, door_closed=False)
    for t in range(15, 60, 5):
        jumpered.at(t, internal_pressure_mpa=0.0)
    unvented = vessel().at(0, internal_pressure_mpa=0.0, **CLOSED)
    unvented.at(10, internal_pressure_mpa=0.0, lock_engaged=False).until(60)
    assert bridged.levels() == [("interlock_bypassed", "advisory", 70, 70)]
    assert jumpered.levels() == [("interlock_bypassed", "advisory", 40, 40)]
    assert unvented.levels() == [("interlock_bypassed", "advisory", 10, 10)]


@pytest.mark.parametrize("channel", ["lock_engaged", "internal_pressure_mpa"])
def test_unknown_is_neither_locked_nor_pressed(channel: str) -> None:
    values: dict[str, Any] = {"internal_pressure_mpa": 0.3, "lock_engaged": False}
    story = vessel().at(0, door_closed=True, **values | {channel: None})
    story.until(20)
    assert story.levels() == []


def test_late_rows_raise_nothing_that_is_over_at_their_end() -> None:
    story = vessel().at(0, internal_pressure_mpa=0.0, door_closed=True, lock_engaged=False)
    story.at(20, received_s=200, quality=LATE, internal_pressure_mpa=0.3)
    story.at(40, received_s=200, quality=LATE, internal_pressure_mpa=0.0).until(230)
    assert dispatched(story) == []
