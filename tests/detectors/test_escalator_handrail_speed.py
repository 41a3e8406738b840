"""Handrails against steps."""

import numpy as np

from domain.equipment import Equipment, Kind
from tests.support.story import Story

KIND = "handrail_speed"
SEED = 20_260_611


def escalator() -> Story:
    return Story(Equipment(id="E1", kind=Kind.ESCALATOR, report_interval_s=10.0))


def runs(story: Story, start: int, stop: int, left: float, right: float = 0.505) -> Story:
    """Steps at 0.5 m/s, a sample a second."""
    for t_s in range(start, stop):
        story.at(t_s, service_mode=1, speed_mps=0.5, handrail_speed_left_mps=left,
                 handrail_speed_right_mps=right)  # fmt: skip
    return story


def test_a_handrail_20_percent_slow_is_an_advisory_and_suspected_when_it_runs_on() -> None:
    story = runs(runs(escalator(), 0, 60, 0.505), 60, 120, 0.40)
    (kind, level, onset, at), suspected = story.levels()
    assert (kind, level) == (KIND, "advisory")
    assert 62 <= onset <= 65
    assert 77 <= at <= 82
    assert suspected == (KIND, "suspected", onset, at + 5)
    evidence = {e.name: e.value for e in story.findings[0].evidence}
    assert isinstance(evidence["deviation_left"], float)
    assert evidence["deviation_left"] < -0.15


def test_it_ends_when_the_steps_stop_or_the_handrail_is_right() -> None:
    stopped = runs(escalator(), 0, 40, 0.40)
    stopped.at(41, speed_mps=0.0, handrail_speed_left_mps=0.0).until(60)
    assert stopped.ended() == [(KIND, "steps_stopped")]
    right = runs(runs(escalator(), 0, 40, 0.40), 40, 100, 0.505)
    assert right.ended() == [(KIND, "handrail_right")]


def test_slips_of_eight_seconds_are_none_even_on_a_worn_belt() -> None:
    story, worn = escalator(), 0.485
    for start in range(0, 500, 50):
        runs(runs(story, start, start + 42, worn), start + 42, start + 50, 0.40)
    assert story.levels() == []


def test_wear_is_an_advisory_after_ten_minutes_and_noise_is_none() -> None:
    assert [x[:2] for x in runs(escalator(), 0, 700, 0.485).levels()] == [(KIND, "advisory")]
    rng, story = np.random.default_rng(SEED), escalator()
    for t_s in range(800):
        left, right = 0.505 * (1 + rng.normal(0, 0.01, 2))
        runs(story, t_s, t_s + 1, left, right)
    assert story.levels() == []


def test_starts_standby_and_single_samples_are_none() -> None:
    story = escalator()
    for start in range(0, 400, 40):
        runs(story, start, start + 8, 0.2)
        runs(story, start + 8, start + 20, 0.505)
        runs(story, start + 20, start + 21, 0.1)
        runs(story, start + 21, start + 30, 0.505)
        story.at(start + 30, speed_mps=0.1, handrail_speed_left_mps=0.0)
    assert story.levels() == []


def test_a_sensor_that_moves_at_a_standstill_is_not_believed() -> None:
    story = escalator().at(0, service_mode=1, speed_mps=0.0, handrail_speed_left_mps=0.3)
    for t_s in range(1, 20):
        story.at(t_s, speed_mps=0.0, handrail_speed_left_mps=0.3, handrail_speed_right_mps=0.0)
    assert runs(story, 20, 200, 0.3).levels() == []
    assert runs(story, 200, 260, 0.3, right=0.35).levels()
    (shown,) = {e.value for e in story.findings[0].evidence if e.name == "deviation_left"}
    assert shown == "sensor_not_believed"


def test_a_mechanic_in_inspection_is_none() -> None:
    story = escalator()
    for t_s in range(100):
        story.at(t_s, service_mode=2, speed_mps=0.5, handrail_speed_left_mps=0.3)
    assert story.levels() == []


def test_unknown_speeds_claim_nothing() -> None:
    story = escalator()
    for t_s in range(100):
        story.at(t_s, service_mode=1, speed_mps=None, handrail_speed_left_mps=0.3)
    assert story.levels() == []
