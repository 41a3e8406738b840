"""Boilers respond as the tabulated physics says, and their controls keep them in their bands."""

from datetime import date

import numpy as np
import pytest

from simulators.boiler import Boilers, Stage, safety_valve_set_mpa
from simulators.registry import populate
from simulators.scenario import FleetSize, Scenario
from simulators.steam import SIZES, rates, saturation, saturation_temperature_c
from tests.support.simulated import entry, items_of, states, truth_s, world

# industrial.md 1.4: absolute MPa, then dp/dt of blocked outlet and flame-out [MPa/min], and
# the water rate without feed [m3/min], by evaporation in t/h.
RESPONSES = {
    0.5: (0.8, 0.14, -0.11, -0.008),
    2.0: (0.9, 0.12, -0.10, -0.034),
    4.0: (1.1, 0.15, -0.12, -0.067),
    10.0: (1.35, 0.20, -0.16, -0.169),
}
TOLERANCE = 0.25
TODAY = date(2026, 3, 5)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.evaporation_tph} t/h")
def test_responses_agree_with_the_published_table(size: object) -> None:
    assert isinstance(size, type(SIZES[0]))
    pressure, blocked, flame_out, no_feed = RESPONSES[size.evaporation_tph]

    def respond(*, heat_kw: float, feed: float, steam: float) -> tuple[float, float]:
        draw = size.evaporation_tph / 3.6
        pressure_rate, water_rate = rates(
            pressure_mpa=np.array([pressure]),
            water_m3=np.array([size.water_m3]),
            total_m3=np.array([size.water_m3 + size.steam_m3]),
            metal_kg=np.array([size.metal_kg]),
            heat_kw=np.array([heat_kw]),
            feed_kgps=np.array([feed * draw]),
            feed_kj_per_kg=np.array([251.0]),
            steam_kgps=np.array([steam * draw]),
            drain_kgps=np.array([0.0]),
        )
        return float(pressure_rate[0]) * 60.0, float(water_rate[0]) * 60.0

    rise, _ = respond(heat_kw=size.heat_kw, feed=0.0, steam=0.0)
    assert rise == pytest.approx(blocked, rel=TOLERANCE)
    fall, _ = respond(heat_kw=0.0, feed=0.0, steam=1.0)
    assert fall == pytest.approx(flame_out, rel=TOLERANCE)
    steady, _ = respond(heat_kw=size.heat_kw, feed=1.0, steam=1.0)
    assert steady == pytest.approx(0.0, abs=0.002)
    _, loss = respond(heat_kw=size.heat_kw, feed=0.0, steam=1.0)
    assert loss == pytest.approx(no_feed, rel=TOLERANCE)


def test_properties_at_saturation_agree_with_the_table() -> None:
    at = saturation(np.array([0.2, 0.5, 0.9, 1.35, 2.6]))
    assert at.temperature_c == pytest.approx([120.21, 151.84, 175.36, 193.35, 226.05], abs=0.05)
    assert at.d_temperature == pytest.approx([157.8, 75.3, 47.2, 34.3, 20.6], rel=0.01)
    assert at.rho_s == pytest.approx([1.129, 2.668, 4.654, 6.859, 13.004], rel=0.006)
    assert saturation_temperature_c(np.array([0.9])) == pytest.approx([175.36], abs=0.05)


def test_set_pressures_follow_the_rule_of_the_bands() -> None:
    assert safety_valve_set_mpa(0.7) == 0.73
    assert safety_valve_set_mpa(0.8) == 0.83
    assert safety_valve_set_mpa(1.0) == 1.04
    assert safety_valve_set_mpa(1.25) == 1.3


def test_left_alone_the_controls_keep_pressure_and_level_in_their_bands() -> None:
    scenario = Scenario(name="t", duration_s=1.0, fleet=FleetSize(boilers=30))
    rng = np.random.default_rng(2)
    boilers = Boilers(populate(scenario, rng, TODAY).boilers, rng)
    starts = np.zeros(30, dtype=int)
    for second in range(1, 3 * 3600):
        before = boilers.stage.copy()
        boilers.step(float(second))
        starts += (before == Stage.OFF) & (boilers.stage == Stage.PURGE)
        below = boilers.rated_mpa - boilers.pressure_mpa
        assert below.min() > 0.0
        assert below.max() < 0.35
        assert np.abs(boilers.level_mm).max() < 60.0
        assert np.abs(boilers.pressure_rate).max() * 60.0 < 0.5
        assert not boilers.valve_open.any()
    assert starts.max() <= 6 * 3


def test_a_blocked_outlet_lifts_the_safety_valve_and_its_end_closes_it() -> None:
    simulated = world(entry("overpressure", "boiler-0001", 5, 200), duration_s=500.0)
    rated = simulated.registry()[2].rated_pressure_mpa
    valve = simulated.registry()[2].safety_valve_set_mpa
    assert rated is not None
    assert valve is not None
    track = list(states(items_of(simulated.outgoing(), "boiler-0001")))
    (truth,) = simulated.truth()
    from_s, to_s = truth_s(truth.from_ns), truth_s(truth.to_ns)
    crossed_s = next(t for t, s in track if s["steam_pressure_mpa"] > rated + 0.003)
    assert crossed_s == pytest.approx(truth_s(truth.evidence_from_ns), abs=5.0)
    assert 10.0 < crossed_s - from_s < 60.0
    lifted = [t for t, s in track if s["safety_valve_lifted"]]
    assert crossed_s < lifted[0] < crossed_s + 60.0
    assert max(s["steam_pressure_mpa"] for _, s in track) < 1.08 * valve
    during = [s for t, s in track if from_s + 1 < t < 200.0]
    assert all(s["flame_on"] and s["burner_stage"] == Stage.HIGH for s in during)
    assert not track[-1][1]["safety_valve_lifted"]
    assert 205.0 <= to_s < 300.0
    rising = [s["steam_pressure_mpa"] for t, s in track if from_s < t < crossed_s]
    per_minute = (rising[-1] - rising[0]) / (len(rising) - 1) * 60.0
    assert 0.08 < per_minute < 0.25


def test_a_stuck_valve_lets_the_pressure_run_on() -> None:
    simulated = world(entry("overpressure", "boiler-0001", 5, 200, valve_stuck=True))
    valve = simulated.registry()[2].safety_valve_set_mpa
    assert valve is not None
    track = list(states(items_of(simulated.outgoing(180.0), "boiler-0001")))
    assert not any(s["safety_valve_lifted"] for _, s in track)
    assert track[-1][1]["steam_pressure_mpa"] > 1.05 * valve


def test_low_water_with_a_bypassed_limiter_keeps_firing() -> None:
    simulated = world(entry("low_water_firing", "boiler-0001", 5, 250, drain_tph=6.0))
    track = list(states(items_of(simulated.outgoing(), "boiler-0001")))
    (truth,) = simulated.truth()
    from_s = truth_s(truth.from_ns)
    assert from_s < 120.0
    during = [s for t, s in track if from_s + 5 < t < 250.0]
    assert all(s["low_water"] for s in during)
    assert sum(s["flame_on"] for s in during) > 0.9 * len(during)
    assert during[-1]["water_level_mm"] < during[0]["water_level_mm"] < -55.0
    assert all(s["feed_pump_on"] and s["feed_water_flow_tph"] < 0.1 for s in during)


def test_without_a_bypass_the_limiter_locks_the_burner_out() -> None:
    scenario = Scenario(name="t", duration_s=1.0, fleet=FleetSize(boilers=1))
    rng = np.random.default_rng(2)
    boilers = Boilers(populate(scenario, rng, TODAY).boilers, rng)
    boilers.prime(0, below_rated_mpa=0.1, level_mm=-36.0)
    boilers.pump_failed[0] = True
    boilers.drain_kgps[0] = 2.0
    for second in range(1, 400):
        boilers.step(float(second))
    assert boilers.stage[0] == Stage.LOCK_OUT
    assert not boilers.flame[0]


def test_swings_of_demand_are_no_danger() -> None:
    simulated = world(entry("load_swing", "boiler-0001", 5, 800, period_s=60), duration_s=900.0)
    rated = simulated.registry()[2].rated_pressure_mpa
    assert rated is not None
    track = list(states(items_of(simulated.outgoing(), "boiler-0001")))
    assert max(s["steam_pressure_mpa"] for _, s in track) < rated
    assert not any(s["low_water"] for _, s in track)
    flows = [s["steam_flow_tph"] for _, s in track]
    assert max(flows) > 3 * min(flows)


def test_pressure_is_reported_each_second_in_kilopascals() -> None:
    items = items_of(world(boilers=1).outgoing(60.0), "boiler-0001")
    pressures = [i.values["steam_pressure_mpa"] for i in items if i.values]
    assert len(pressures) == 60
    assert all(round(p, 3) == p for p in pressures)
