"""Hoisting cycles, load spectrum and design working period, against what the cranes really did."""

import numpy as np
import pytest

from detectors.crane_classes import (
    GB_T_3811_2008,
    ISO_4301_1_2016,
    SPECTRUM_MAX,
    design_cycles,
    group,
    load_class,
    state,
)
from detectors.crane_duty import DutyReport
from detectors.current import Floats, Ints
from domain.equipment import Equipment
from tests.detectors.crane_fleet import fleet_of, worked

RNG_SEED = 20_261_124


def work(
    n: int, k: int, *, every_s: float = 1.0, zero_t: float = 0.0
) -> tuple[dict[str, Floats], Ints, Floats]:
    """Signals of n cranes that lift loads of 0.5 to 11 t in cycles of 40 to 75 s.

    A cycle: tighten 1.5 s, hoist with a bounce, hold, lower, slacken, and the way back.
    Returns the signals, the cycles that each crane finished, and the sum of (load / rated)^3.
    """
    rng = np.random.default_rng(RNG_SEED)
    t = np.arange(k) * every_s
    load, height = np.zeros((n, k)), np.full((n, k), 1.0)
    cycles, cubes = np.zeros(n, dtype=np.int64), np.zeros(n)
    for crane in range(n):
        begin = rng.uniform(3, 20)
        while (end := begin + rng.uniform(15, 40)) < t[-1] - 15:
            weight = rng.uniform(0.5, 11)
            age, left = t - begin, end - t
            taut = np.clip(np.minimum(age, left) / 1.5, 0, 1)
            bounce = 1 + 0.1 * np.exp(-np.maximum(age - 1.5, 0) / 0.5) * (age > 1.5)
            load[crane] += weight * taut * bounce
            height[crane] += 0.3 * np.clip(np.minimum(age - 1.5, left - 1.5), 0, 10)
            cycles[crane] += 1
            cubes[crane] += (weight / 10) ** 3
            begin = end + rng.uniform(15, 35)
    noisy = np.round(load + zero_t + rng.normal(0, 0.02, load.shape), 3)
    return {"hook_load_t": noisy, "hook_height_m": np.round(height, 2)}, cycles, cubes


@pytest.mark.parametrize(("every_s", "zero_t"), [(1.0, 0.12), (2.0, 0.0)])
def test_cycles_within_one_and_the_spectrum_factor_within_two_percent(
    every_s: float, zero_t: float
) -> None:
    signals, cycles, cubes = work(30, int(360 / every_s), every_s=every_s, zero_t=zero_t)
    members, times = fleet_of(30), np.arange(int(360 / every_s)) * every_s
    bank, _ = worked(members, times, signals)
    reports = [bank.duty(crane.id) for crane in members]
    counted = sum(report.cycles for report in reports if report is not None)
    full_load = sum(report.full_load_cycles for report in reports if report is not None)
    assert counted == pytest.approx(cycles.sum(), rel=0.01)
    assert full_load / counted == pytest.approx(cubes.sum() / cycles.sum(), rel=0.02)
    for report in reports:
        assert report is not None
        assert report.uncertain_cycles == 0
        assert sum(report.spectrum) == report.cycles


def duty_of(members: list[Equipment], times: Floats, signals: dict[str, Floats]) -> DutyReport:
    """Duty of the first crane."""
    report = worked(members, times, signals)[0].duty(members[0].id)
    assert report is not None
    return report


def lift(times: Floats, begin_s: float, end_s: float, load_t: float) -> dict[str, Floats]:
    """One crane with one load in the air between two instants; height moves meanwhile."""
    held = (times >= begin_s) & (times < end_s)
    return {
        "hook_load_t": np.where(held, load_t, 0.01)[None],
        "hook_height_m": (1 + 0.1 * np.clip(times - begin_s, 0, 20))[None],
    }


@pytest.mark.parametrize(("begin_s", "end_s", "cycles"), [(10, 40, 1), (10, 13, 0), (10, 190, 1)])
def test_a_cycle_is_a_load_that_is_lifted_for_four_seconds(
    begin_s: float, end_s: float, cycles: int
) -> None:
    times = np.arange(205.0)
    report = duty_of(fleet_of(1), times, lift(times, begin_s, end_s, 8.0))
    assert report.cycles == cycles
    assert report.full_load_cycles == pytest.approx(cycles * 0.799**3, rel=0.01)
    if cycles:
        assert report.spectrum[7] == 1
        assert report.peak_ratio_max == pytest.approx(0.8)
        assert report.working_s == pytest.approx(end_s - begin_s, abs=2)


def test_a_load_that_loses_touch_with_the_floor_for_two_seconds_is_one_cycle() -> None:
    times = np.arange(80.0)
    signals = lift(times, 10, 50, 8.0)
    signals["hook_load_t"][0, 30:32] = 0.01
    assert duty_of(fleet_of(1), times, signals).cycles == 1


@pytest.mark.parametrize(("after_t", "cycles"), [(8.0, 1), (0.01, 1), (4.0, 2)])
def test_a_gap_leaves_an_uncertain_cycle(after_t: float, cycles: int) -> None:
    """The crane is silent from 30 to 90 s; then the same load hangs, none, or another."""
    times = np.concatenate([np.arange(30.0), np.arange(90.0, 140)])
    signals = lift(times, 10, 110, 8.0)
    signals["hook_load_t"][0, (times >= 90) & (times < 110)] = after_t
    signals["hook_height_m"] = (1 + 0.1 * times)[None]
    report = duty_of(fleet_of(1), times, signals)
    assert (report.cycles, report.uncertain_cycles) == (cycles, 1)


def test_an_overload_counts_by_the_chart_and_the_cube_by_the_rated_load() -> None:
    times = np.arange(60.0)
    signals = lift(times, 10, 40, 6.0) | {"radius_m": np.full((1, 60), 16.0)}
    members = fleet_of(1, load_chart=((5.0, 10.0), (25.0, 2.0)), classification="Q2/U4")
    report = duty_of(members, times, signals)
    assert report.overload_cycles == 1
    assert report.spectrum_factor == pytest.approx(0.6**3, rel=0.01)
    assert (report.classification, report.group, report.load_class) == ("Q2/U4", "A4", "Q2")
    assert report.design_cycles == 62_500
    assert report.used_share == pytest.approx(0.6**3 / 62_500, rel=0.01)
    assert report.state == "normal"


def test_nothing_is_known_of_a_crane_without_classification_or_cycles() -> None:
    report = duty_of(fleet_of(1), np.arange(5.0), {"hook_load_t": np.zeros((1, 5))})
    assert (report.cycles, report.spectrum_factor, report.load_class) == (0, None, None)
    assert (report.design_cycles, report.used_share, report.state) == (None, None, "unknown")


def test_classes_of_the_editions() -> None:
    assert [group(f"{q}/{u}") for q, u in (("Q1", "U5"), ("Q4", "U2"), ("Q3", "U0"))] == [
        "A4",
        "A4",
        "A1",
    ]
    assert group("Q9/U1") == group("") == ""
    diagonal = [design_cycles(text) for text in ("Q1/U5", "Q2/U4", "Q3/U3")]
    assert diagonal == [62_500.0] * 3
    assert design_cycles("Q2/U9") is None
    assert load_class(0.2, GB_T_3811_2008) == "Q2"
    assert load_class(0.2, ISO_4301_1_2016) == "Q3"
    assert load_class(1.3) == "Q4"
    assert set(SPECTRUM_MAX) == {GB_T_3811_2008, ISO_4301_1_2016}
    shares = (None, 0.1, 0.8, 1.0)
    assert [state(share) for share in shares] == ["unknown", "normal", "advised", "assessment_due"]
