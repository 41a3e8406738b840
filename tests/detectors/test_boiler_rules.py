"""Boiler rules, each as a story of one boiler: rated 0.8 MPa and 2 t/h, set pressure 0.83 MPa."""

import math
from typing import Any

import numpy as np
import pytest

from detectors.bank import Bank
from detectors.steam import saturation_c
from domain.equipment import Equipment, Kind
from tests.support.story import LATE, Story

RNG_SEED = 20_261_124


def boiler(**registry: Any) -> Story:
    rating = {"rated_pressure_mpa": 0.8, "rated_evaporation_tph": 2.0} | registry
    parameters = rating.pop("parameters", None)
    only = rating.pop("only", None)
    equipment = Equipment(id="B1", kind=Kind.BOILER, **rating)
    story = Story(equipment, parameters=parameters)
    if only is not None:
        story.bank = Bank(story.fleet, parameters, only=only)
    return story


def kinds(story: Story, *chosen: str) -> list[tuple[str, str]]:
    return [(kind, level) for kind, level, *_ in story.levels(*chosen)]


def boils_c(gauge_mpa: float) -> float:
    return float(saturation_c(np.array([gauge_mpa]))[0])


# Limiter


def test_flame_above_the_trip_pressure_is_a_defeated_limiter() -> None:
    """
    pressure  0.79 | +0.12 MPa/min: 0.816 after 13 s, 0.83 after 20 s
    """
    story = boiler()
    for t in range(60):
        pressure = 0.79 + max(0, t - 10) * 0.002
        story.at(t, steam_pressure_mpa=round(pressure, 4), flame_on=t < 40)
    assert story.levels("limiter_defeated") == [("limiter_defeated", "confirmed", 24, 27)]
    assert ("limiter_defeated", "flame_off") in story.ended()


def test_a_limiter_that_acts_within_two_seconds_is_sound() -> None:
    story = boiler()
    for t in range(60):
        pressure = 0.79 + min(max(0, t - 10), 16) * 0.002
        story.at(t, steam_pressure_mpa=round(pressure, 4), flame_on=t < 26)
    assert story.levels("limiter_defeated") == []


def test_flame_over_low_low_water_or_a_closed_switch_is_a_defeated_limiter() -> None:
    by_level = boiler().at(0, water_level_mm=0, flame_on=True).at(10, water_level_mm=-80).until(20)
    by_switch = boiler().at(0, low_water=False, flame_on=True).at(10, low_water=True).until(20)
    pilot = boiler().at(0, low_water=True, burner_stage=2).until(20)
    assert by_level.levels("limiter_defeated")[0][3] == 13
    assert by_switch.levels("limiter_defeated")[0][3] == 13
    assert pilot.levels("limiter_defeated") == []


def test_a_transmitter_that_jumped_and_froze_defeats_no_limiter_and_sticks_no_valve() -> None:
    story = boiler()
    for t in range(60):
        pressure = 0.75 + 0.001 * (t % 7) if t < 20 else 1.1
        story.at(t, steam_pressure_mpa=pressure, flame_on=True, safety_valve_lifted=False)
    assert [level for _, level in kinds(story) if level != "advisory"] == []


# Steam temperature and burner as witnesses of the pressure

BY_PRESSURE = ("boiler_pressure", "boiler_limiter", "boiler_valve_stuck", "boiler_sensor")


def witnessed(
    *,
    drift_mpa_per_h: float = 0.0,
    steam_k_per_h: float = 0.0,
    switches: bool = True,
    ramp_from_s: int = 5_400,
    ramp_s: int = 0,
    lag_s: int = 0,
) -> dict[str, set[str]]:
    """Levels by kind: a cycle about 0.7 MPa, errors that grow from 40 min on, and a true ramp.

    The burner stops at the top of the cycle; the thermometer shows the steam of `lag_s` ago, and
    2 K too much.
    """
    parameters = {name: {"warm_up_s": 600.0} for name in BY_PRESSURE}
    story = boiler(parameters=parameters, only=BY_PRESSURE)

    def true_mpa(t: int) -> float:
        ramp_mpa = 0.002 * min(max(0, t - ramp_from_s), 90)
        return 0.7 + 0.04 * math.sin(t / 60) + ramp_mpa

    for t in (*range(0, ramp_from_s, 30), *range(ramp_from_s, ramp_from_s + ramp_s)):
        grown_h = max(0, t - 2_400) / 3_600
        steam_c = boils_c(true_mpa(t - lag_s)) + 2 + steam_k_per_h * grown_h
        fires = not switches or t >= ramp_from_s or math.cos(t / 60) > 0
        story.at(
            t,
            steam_pressure_mpa=true_mpa(t) + drift_mpa_per_h * grown_h,
            steam_temperature_c=steam_c,
            flame_on=fires,
            burner_stage=4 if fires else 0,
        )
    found: dict[str, set[str]] = {}
    for kind, level in kinds(story):
        found.setdefault(kind, set()).add(level)
    return found


def test_a_transmitter_that_steam_and_burner_deny_is_an_advisory_about_the_transmitter() -> None:
    assert witnessed(drift_mpa_per_h=0.16) == {"sensor_drift": {"advisory"}}


def test_steam_alone_denies_nothing() -> None:
    """The burner burns on without a step: the transmitter may be right."""
    assert "confirmed" in witnessed(drift_mpa_per_h=0.16, switches=False)["limiter_defeated"]


@pytest.mark.parametrize(
    ("drift_mpa_per_h", "steam_k_per_h"), [(0.12, 0.0), (-0.12, 0.0), (0.0, -8.0)]
)
def test_a_true_ramp_is_confirmed_whatever_one_instrument_showed_before(
    drift_mpa_per_h: float, steam_k_per_h: float
) -> None:
    found = witnessed(drift_mpa_per_h=drift_mpa_per_h, steam_k_per_h=steam_k_per_h, ramp_s=120)
    assert "confirmed" in found["overpressure"]
    assert "confirmed" in found["limiter_defeated"]


def test_a_thermometer_that_lags_denies_no_ramp() -> None:
    assert "confirmed" in witnessed(ramp_s=120, lag_s=90)["overpressure"]


def test_a_coarse_transmitter_shows_a_ramp() -> None:
    """
    true  0.60 .. 0.79 in a cycle, then +0.12 MPa/min; shown in steps of 0.03 MPa
    """
    story = boiler(only=BY_PRESSURE)
    for t in range(950, 1_200):
        true = 0.695 + 0.095 * math.sin(t / 80) if t < 1_131 else 0.79 + 0.002 * (t - 1_131)
        story.at(t, steam_pressure_mpa=round(round(true / 0.03) * 0.03, 3), flame_on=True)
    raised = [row for row in story.levels("overpressure") if row[1] != "advisory"]
    assert min(row[3] for row in raised) > 1_131


# Safety valve


def ramp(story: Story, t: int, slope: float = 0.002, **values: Any) -> None:
    story.at(t, steam_pressure_mpa=round(0.80 + slope * t, 4), flame_on=True, **values)


def test_a_valve_that_does_not_lift_sticks() -> None:
    """
    pressure  0.80 +0.12 MPa/min, set 0.83 after 15 s, its tolerance 0.8549 after 27.5 s
    """
    story = boiler()
    for t in range(40):
        ramp(story, t)
    assert story.levels("safety_valve_stuck") == [("safety_valve_stuck", "confirmed", 28, 36)]


def test_a_knee_or_a_lift_is_a_valve_that_works() -> None:
    knee, lifted = boiler(), boiler()
    for t in range(90):
        # Lifts at its upper tolerance, holds the pressure there, and lowers it without the fire.
        top = 0.856 + 0.001 * (t % 3) - 0.003 * max(0, t - 60)
        pressure = round(min(0.80 + 0.002 * t, top), 4)
        knee.at(t, steam_pressure_mpa=pressure, flame_on=t < 60)
        lifted.at(t, steam_pressure_mpa=pressure, flame_on=t < 60, safety_valve_lifted=t > 27)
    assert lifted.levels("safety_valve_stuck") == []
    assert knee.levels("safety_valve_stuck") == []


def test_a_switch_that_says_shut_needs_no_slope() -> None:
    story = boiler()
    for t in range(70):
        pressure = round(min(0.80 + 0.002 * t, 0.87), 4)
        story.at(t, steam_pressure_mpa=pressure, flame_on=t < 30, safety_valve_lifted=False)
    assert kinds(story, "safety_valve_stuck") == [("safety_valve_stuck", "confirmed")]


def test_a_valve_that_stays_open_far_below_its_reseat_pressure_leaks() -> None:
    story = boiler().at(0, steam_pressure_mpa=0.70, safety_valve_lifted=False, flame_on=True)
    story.at(10, safety_valve_lifted=True).until(50)
    assert story.levels("safety_valve_stuck") == []
    story.at(60, steam_pressure_mpa=0.69).until(80)
    assert story.levels("safety_valve_stuck") == [("safety_valve_stuck", "advisory", 10, 70)]


@pytest.mark.parametrize(("burns_s", "leaks"), [(20, False), (300, True)])
def test_a_burner_that_burns_for_no_process_feeds_a_leak(burns_s: int, leaks: bool) -> None:
    """The process is shut; standing losses need the burner for a twentieth of the time at most."""
    story = boiler(parameters={"boiler_valve_stuck": {"idle_s": 500.0}})
    for t in range(0, 1_200, 10):
        pressure = 0.70 + 0.005 * (t // 10 % 7)
        fires = t % 600 < burns_s
        story.at(t, steam_pressure_mpa=pressure, steam_flow_tph=0.01, flame_on=fires)
    found = kinds(story, "safety_valve_stuck")
    assert found == ([("safety_valve_stuck", "advisory")] if leaks else [])


def test_a_lift_is_suspected_at_set_pressure_and_an_advisory_by_hand() -> None:
    real = boiler().at(0, steam_pressure_mpa=0.82, safety_valve_lifted=False)
    real.at(10, steam_pressure_mpa=0.83, safety_valve_lifted=True).until(20)
    by_hand = boiler().at(0, steam_pressure_mpa=0.70, safety_valve_lifted=False)
    by_hand.at(10, safety_valve_lifted=True).at(14, safety_valve_lifted=False).until(40)
    assert real.levels("safety_valve_lifted") == [("safety_valve_lifted", "suspected", 10, 11)]
    assert kinds(by_hand) == [("safety_valve_lifted", "advisory")]
    assert by_hand.ended() == [("safety_valve_lifted", "valve_shut")]


# Low water


def test_a_level_at_the_alarm_is_an_advisory_and_a_swing_of_load_is_nothing() -> None:
    low = boiler().at(0, water_level_mm=0, flame_on=True).at(10, water_level_mm=-52)
    low.at(30, water_level_mm=-53).until(90)
    swing = boiler().at(0, water_level_mm=-39, flame_on=True, low_water=False)
    for t in range(5, 120, 5):
        level = -39 - 15 * math.sin(math.pi * min(t, 60) / 60)
        swing.at(t, water_level_mm=round(level, 1))
    assert kinds(low, "low_water_firing") == [("low_water_firing", "advisory")]
    assert [level for _, level in kinds(swing) if level != "advisory"] == []


def test_an_open_switch_makes_a_low_level_wait_and_no_longer() -> None:
    drifted = boiler().at(0, water_level_mm=0, flame_on=True, low_water=False)
    drifted.at(10, water_level_mm=-62).at(25, water_level_mm=-50).until(60)
    jammed = boiler().at(0, water_level_mm=0, flame_on=True, low_water=False)
    jammed.at(10, water_level_mm=-62).at(20, water_level_mm=-66).until(60)
    assert [level for _, level in kinds(drifted) if level != "advisory"] == []
    assert ("low_water_firing", "suspected", 10, 30) in jammed.levels()


# Overheating


def steaming(t: int, pressure: float, excess_k: float = 0.0, **values: Any) -> dict[str, Any]:
    """What a boiler in service reports every ten seconds."""
    wobble = 0.3 * math.sin(t)
    return {
        "steam_pressure_mpa": pressure,
        "steam_temperature_c": round(boils_c(pressure) + excess_k + wobble, 1),
        "flame_on": True,
        "water_level_mm": 0.0,
        "flue_gas_temperature_c": 180.0,
    } | values


def test_steam_hotter_than_saturation_is_overheating_and_a_dry_shell_is_suspected() -> None:
    story = boiler()
    for t in range(0, 4_000, 50):
        story.at(t, **steaming(t, 0.7))
    assert story.levels() == []
    for t in range(4_000, 4_200, 10):
        story.at(t, **steaming(t, 0.7, 7.0))
    assert kinds(story) == [("overheating", "advisory")]
    for t in range(4_200, 4_260, 10):
        story.at(t, **steaming(t, 0.7, 14.0, flue_gas_temperature_c=260.0))
    assert kinds(story)[1:] == [("overheating", "suspected")]
    for t in range(4_260, 4_600, 20):
        story.at(t, **steaming(t, 0.7))
    assert story.ended() == [("overheating", "steam_saturated")]


def test_a_superheater_or_a_thermometer_that_reads_high_is_usual() -> None:
    story = boiler()
    for t in range(0, 5_000, 50):
        story.at(t, **steaming(t, 0.7, 40.0))
    assert story.levels() == []


def test_a_thermometer_that_lags_behind_a_fall_of_pressure_is_no_overheating() -> None:
    """Falls of 0.1 MPa/min, from 0.80 to 0.50 MPa; the thermometer lags by 60 s."""
    story = boiler(parameters={"boiler_superheat": {"warm_up_s": 600.0}})
    shown = boils_c(0.8)
    for t in range(0, 2_700, 10):
        phase = t % 900
        pressure = round(0.8 - 0.1 / 60 * min(phase, 180) + 0.3 / 600 * max(0, phase - 300), 3)
        shown += (boils_c(pressure) - shown) * (1 - math.exp(-10 / 60))
        story.at(t, **steaming(t, pressure) | {"steam_temperature_c": round(shown, 1)})
    assert story.levels("overheating") == []


# Feed


def test_a_pump_that_runs_without_flow_has_failed() -> None:
    story = boiler().at(0, water_level_mm=-30, feed_pump_on=False, feed_water_flow_tph=0.0)
    for t in range(1, 120):
        level = round(-30 - 0.2 * t, 1)
        story.at(t, water_level_mm=level, feed_pump_on=level < -40, feed_water_flow_tph=0.01)
    assert story.levels("feed_pump_failure") == [("feed_pump_failure", "advisory", 75, 105)]


def test_a_pump_that_does_not_start_or_does_nothing_has_failed() -> None:
    stopped, useless = boiler(), boiler()
    for t in range(0, 400, 5):
        level = round(-30 - 0.05 * t, 1)
        stopped.at(t, water_level_mm=level, feed_pump_on=False)
        useless.at(t, water_level_mm=level, feed_pump_on=level < -40)
    assert stopped.levels("feed_pump_failure")[0][2:] == (300, 360)
    assert useless.levels("feed_pump_failure") == []
    for t in range(400, 460, 5):
        useless.at(t, water_level_mm=-50.0, feed_pump_on=True)
    assert useless.levels("feed_pump_failure")[0][2:] == (300, 420)
    useless.at(465, water_level_mm=-30.0).until(480)
    assert useless.ended()[-1] == ("feed_pump_failure", "water_level_normal")


def test_a_pump_that_lifts_the_level_slowly_is_sound() -> None:
    """It starts at -40 mm in a shrink to -52 mm, and gains 3 mm a minute at full draw."""
    story = boiler().at(0, water_level_mm=-39, feed_pump_on=False, feed_water_flow_tph=0.0)
    for t in range(4, 400, 4):
        level = -52 + 0.05 * max(0, t - 20) if t > 20 else -39 - 0.65 * t
        story.at(t, water_level_mm=round(level, 1), feed_pump_on=True, feed_water_flow_tph=3.0)
    assert story.levels("feed_pump_failure") == []


# Flame


def ignite(story: Story, t: int, stages: list[tuple[int, int]]) -> int:
    """Report stages for some seconds each; flame from the pilot on."""
    for stage, duration_s in stages:
        for _ in range(0, duration_s, 4):
            story.at(t, burner_stage=stage, flame_on=stage in (2, 3, 4), steam_pressure_mpa=0.7)
            t += 4
    return t


REGULAR = [(0, 20), (1, 20), (2, 4), (3, 40), (4, 40), (0, 40)]


def test_a_regular_ignition_and_slow_snapshots_claim_nothing() -> None:
    fast, slow = boiler(), boiler()
    ignite(fast, ignite(fast, 0, REGULAR), REGULAR)
    for t in range(0, 900, 60):
        slow.at(t, burner_stage=3 * (t // 60 % 2), flame_on=bool(t // 60 % 2))
    assert fast.levels() + slow.levels() == []


@pytest.mark.parametrize("skipped", [[(0, 20), (3, 60)], [(0, 20), (1, 8), (2, 4), (3, 60)]])
def test_fuel_without_a_whole_purge_is_irregular(skipped: list[tuple[int, int]]) -> None:
    story = boiler()
    ignite(story, 0, skipped)
    assert kinds(story) == [("flame_sequence", "advisory")]


def test_a_purge_that_was_overtaken_on_its_way_excuses_the_ignition() -> None:
    story = boiler()
    t = ignite(story, 0, [(0, 20)])
    for late in range(t, t + 20, 4):
        story.at(late, steam_pressure_mpa=0.7)
    t = ignite(story, t + 20, [(2, 4), (3, 4)])
    story.at(20, received_s=t, burner_stage=1)
    ignite(story, t, [(3, 100)])
    assert story.levels() == []


def test_failed_tries_and_the_lock_out_after_them_are_claimed() -> None:
    story = boiler()
    t = 0
    for _ in range(3):
        t = ignite(story, t, [(0, 20), (1, 20), (2, 4)])
    assert kinds(story) == [("flame_sequence", "advisory")]
    locked = boiler()
    ignite(locked, 0, [(0, 20), (1, 20), (2, 4), (5, 60)])
    assert kinds(locked) == [("flame_sequence", "advisory")]


def test_a_lock_out_that_a_limiter_had_a_reason_for_is_no_failed_flame() -> None:
    story = boiler().at(0, water_level_mm=-60, low_water=True)
    ignite(story, 1, [(4, 60), (5, 100)])
    assert story.levels("flame_sequence") == []


def test_fuel_without_flame_and_flame_without_fuel_are_claimed() -> None:
    out, ghost, blind = boiler(), boiler(), boiler()
    t = ignite(out, 0, REGULAR[:4])
    for later in range(t, t + 20, 2):
        out.at(later, burner_stage=3, flame_on=False)
    assert out.levels("flame_sequence")[0][2:] == (t, t + 10)
    ghost.at(0, burner_stage=0, flame_on=True).until(40)
    assert kinds(ghost) == [("flame_sequence", "advisory")]
    blind.at(0, burner_stage=3, flame_on=False).until(40)
    assert blind.levels() == []


# Hunting


def cycle(t: int, period_s: int, swing_mpa: float) -> tuple[float, bool]:
    """Pressure of a triangle about 0.7 MPa, and whether it rises."""
    phase = t % period_s / period_s
    up = phase < 0.5
    share = phase * 2 if up else 2 - phase * 2
    return 0.7 + swing_mpa * (share - 0.5), up


@pytest.mark.parametrize(
    ("period_s", "swing_mpa", "hunts"),
    [(120, 0.10, True), (120, 0.05, False), (120, 0.01, False), (20, 0.1, False)],
)
def test_a_wide_regular_cycle_of_burner_and_pressure_is_hunting(
    period_s: int, swing_mpa: float, hunts: bool
) -> None:
    """The fire is never out, as in a burner of two stages whose differential is 0.05 MPa."""
    noise = np.random.default_rng(RNG_SEED).normal(0, 0.0008, 900)
    story = boiler()
    for t in range(0, 900, 5):
        pressure, up = cycle(t, period_s, swing_mpa)
        stage = 4 if up else 3
        story.at(t, steam_pressure_mpa=round(pressure + noise[t], 3), burner_stage=stage)
    found = kinds(story, "pressure_hunting")
    assert found == ([("pressure_hunting", "advisory")] if hunts else [])


def test_a_burner_that_starts_too_often_hunts_within_its_band() -> None:
    story = boiler()
    for t in range(0, 1_800, 10):
        pressure, up = cycle(t, 240, 0.05)
        story.at(t, steam_pressure_mpa=round(pressure, 3), flame_on=up)
    assert kinds(story, "pressure_hunting") == [("pressure_hunting", "advisory")]
    for t in range(1_800, 2_600, 20):
        story.at(t, steam_pressure_mpa=0.7, flame_on=True)
    assert ("pressure_hunting", "pressure_steady") in story.ended()


@pytest.mark.parametrize("burner_follows", [False, True])
def test_a_load_that_swings_is_no_hunting(burner_follows: bool) -> None:
    """Draw swings every minute: the burner stays as it is, or follows and the steam flow tells."""
    story = boiler()
    for t in range(0, 1_000, 5):
        pressure, up = cycle(t, 120, 0.10)
        values: dict[str, Any] = {"burner_stage": 3 + up * burner_follows}
        if burner_follows:
            values["steam_flow_tph"] = 0.4 if up else 1.8
        story.at(t, steam_pressure_mpa=round(pressure, 3), **values)
    assert story.levels("pressure_hunting") == []


# All of them


def test_nothing_is_claimed_of_a_boiler_that_reports_pressure_alone() -> None:
    story = boiler()
    for t in range(0, 600, 5):
        story.at(t, steam_pressure_mpa=round(0.7 + 0.05 * math.sin(t / 40), 3))
    assert story.levels() == []


def test_late_rows_and_sentinels_raise_nothing_by_themselves() -> None:
    story = boiler().at(0, steam_pressure_mpa=0.7, flame_on=True, water_level_mm=0)
    story.at(300, received_s=600, quality=LATE, water_level_mm=-90)
    story.at(310, received_s=600, quality=LATE, water_level_mm=0)
    for t in range(620, 700, 4):
        story.at(t, steam_pressure_mpa=None, water_level_mm=None, flame_on=True)
    assert [kind for kind, *_ in story.levels() if kind != "device_offline"] == []
