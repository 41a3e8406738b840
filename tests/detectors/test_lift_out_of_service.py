"""Lifts out of service without a reason."""

import pytest

from tests.support.story import lift

KIND = "out_of_service"


def test_ten_minutes_without_a_reason_are_an_advisory() -> None:
    story = lift(heartbeat_s=60).at(10, service_mode=0).until(700).at(800, service_mode=1)
    story.until(810)
    assert story.levels() == [(KIND, "advisory", 10, 610)]
    assert story.ended() == [(KIND, "mode_normal")]


@pytest.mark.parametrize(("mode", "word"), [(2, "mode_inspection"), (5, "mode_emergency_power")])
def test_a_reason_gives_it_four_hours(mode: int, word: str) -> None:
    story = lift(heartbeat_s=200).at(10, service_mode=mode).at(600, service_mode=0)
    story.until(600 + 14_399)
    assert story.levels(KIND) == []
    story.until(600 + 14_401)
    assert story.levels(KIND) == [(KIND, "advisory", 600, 15_000)]
    assert {e.value for e in story.findings[-1].evidence if e.name == "reason"} == {word}


def test_normal_mode_forgets_the_reason() -> None:
    story = lift(heartbeat_s=60).at(10, service_mode=2).at(20, service_mode=1)
    assert story.at(30, service_mode=0).until(700).levels(KIND) == [(KIND, "advisory", 30, 630)]


def test_a_power_cut_explains_it_while_it_lasts_and_after() -> None:
    story = lift(heartbeat_s=60).at(10, service_mode=0, mains_power=False).until(3_000)
    assert story.levels(KIND) == []
    story.at(3_001, mains_power=True).until(9_000)
    assert story.levels(KIND) == []


def test_an_unknown_mode_is_neither() -> None:
    story = lift(heartbeat_s=60).at(10, service_mode=0).at(300, service_mode=7)
    assert story.at(400, service_mode=0).until(800).levels() == [(KIND, "advisory", 110, 710)]
