"""Runs keep their limits and end where they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.motion import Runs, plan


@settings(deadline=None, max_examples=150)
@given(
    distance=st.floats(0.01, 400.0),
    speed=st.floats(0.3, 6.0),
    acceleration=st.floats(0.3, 1.5),
    jerk=st.floats(0.5, 5.0),
)
def test_a_run_keeps_its_limits_and_covers_its_distance(
    distance: float, speed: float, acceleration: float, jerk: float
) -> None:
    run = plan(distance, speed_mps=speed, acceleration_mps2=acceleration, jerk_mps3=jerk)
    runs = Runs(1)
    runs.put(0, run)
    time = np.linspace(0.0, run.duration_s, 2001)
    covered, velocity, pull = runs.at(np.zeros(time.size, dtype=np.intp), time)
    assert covered[0] == pytest.approx(0.0, abs=1e-9)
    assert covered[-1] == pytest.approx(distance, rel=1e-9)
    assert velocity.min() >= -1e-9
    assert velocity.max() <= speed + 1e-9
    assert np.abs(pull).max() <= acceleration + 1e-9
    assert np.abs(np.diff(pull)).max() <= jerk * (time[1] - time[0]) * 1.01 + 1e-9
    assert np.diff(covered).min() >= -1e-9
    assert np.trapezoid(velocity, time) == pytest.approx(distance, rel=1e-3)


def test_cars_are_evaluated_independently() -> None:
    runs = Runs(2)
    runs.put(0, plan(3.0, speed_mps=1.0, acceleration_mps2=0.8, jerk_mps3=1.0))
    runs.put(1, plan(30.0, speed_mps=2.5, acceleration_mps2=1.0, jerk_mps3=1.5))
    together = runs.at(np.array([0, 1]), np.array([2.0, 7.0]))
    for slot, time in ((0, 2.0), (1, 7.0)):
        alone = runs.at(np.array([slot]), np.array([time]))
        assert [column[slot] for column in together] == [column[0] for column in alone]


@pytest.mark.parametrize("zero", ["distance_m", "speed_mps", "acceleration_mps2", "jerk_mps3"])
def test_a_quantity_that_is_not_positive_is_an_error(zero: str) -> None:
    quantities = {"speed_mps": 1.0, "acceleration_mps2": 1.0, "jerk_mps3": 1.0, "distance_m": 1.0}
    quantities[zero] = 0.0
    with pytest.raises(ValueError, match="positive"):
        plan(quantities.pop("distance_m"), **quantities)
