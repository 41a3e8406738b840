"""Cranes hoist within their chart, except where the scenario overloads them."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from simulators.crane import LOAD_MIXES, SPECTRUM_LIMITS, CraneDesign, Cranes
from simulators.drawn import Reports
from simulators.scenario import FleetSize, Scenario
from simulators.world import World
from tests.support.simulated import START_NS, entry, item, items_of, states, truth_s, world


@pytest.mark.parametrize("spectrum", sorted(LOAD_MIXES))
def test_load_mixes_keep_the_limit_of_their_class(spectrum: str) -> None:
    mix = LOAD_MIXES[spectrum]
    assert sum(share for _, share in mix) == pytest.approx(1.0)
    assert 0 < sum(share * load**3 for load, share in mix) <= SPECTRUM_LIMITS[spectrum]


def test_the_chart_is_linear_between_its_points() -> None:
    design = CraneDesign(
        rated_load_t=8.0,
        load_chart=((10.0, 8.0), (20.0, 4.0)),
        spectrum="Q1",
        height_m=40.0,
        span_m=50.0,
        hoist_speed_mps=0.5,
        wind_limit_mps=20.0,
        report_interval_s=10.0,
    )
    assert design.capacity_t(15.0) == pytest.approx(6.0)
    assert design.capacity_t(5.0) == 8.0


def test_ordinary_cycles_stay_within_the_capacity_and_repeat() -> None:
    simulated = world(cranes=12, duration_s=1800.0)
    messages = list(simulated.outgoing())
    cycles = 0
    for equipment in simulated.registry():
        assert equipment.rated_load_t is not None
        track = list(states(items_of(messages, equipment.id)))
        loads = np.array([s["hook_load_t"] for _, s in track])
        loaded = loads > 0.1 * equipment.rated_load_t
        cycles += int(np.sum(np.diff(loaded.astype(int)) == 1))
        for (_, before), (_, state) in pairwise(track):
            if equipment.load_chart:
                radii, capacities = zip(*equipment.load_chart, strict=True)
                capacity = np.interp(state["radius_m"], radii, capacities)
                moment = state["hook_load_t"] * state["radius_m"]
                assert state["load_moment_tm"] == pytest.approx(moment, abs=0.01)
            else:
                capacity = equipment.rated_load_t
            # Two samples in a row: a lift-off may bounce for less than a second.
            assert min(before["hook_load_t"], state["hook_load_t"]) < 1.03 * capacity
            assert state["hoist_brake_closed"] == (state["hoist_command"] == 0)
            if state["hoist_command"]:
                assert np.sign(state["hoist_speed_mps"]) == state["hoist_command"]
            assert abs(state["sway_deg"]) < 3.0
            assert 0.0 <= state["wind_speed_mps"] < 13.8
    assert cycles > 40


@pytest.mark.parametrize("number", range(1, 7))
def test_an_overload_is_held_above_the_capacity(number: int) -> None:
    equipment_id = f"crane-{number:04d}"
    simulated = world(entry("overload", equipment_id, 5, 120, factor=1.2), cranes=6)
    (equipment,) = [e for e in simulated.registry() if e.id == equipment_id]
    track = list(states(items_of(simulated.outgoing(), equipment_id)))
    (truth,) = simulated.truth()
    from_s, to_s = truth_s(truth.from_ns), truth_s(truth.to_ns)
    assert from_s < 40.0
    assert 125.0 < to_s < 300.0
    for at_s, state in track:
        if from_s + 2.0 < at_s < 125.0:
            radii, capacities = zip(
                *(equipment.load_chart or ((0.0, equipment.rated_load_t),)), strict=True
            )
            capacity = np.interp(state.get("radius_m", 0.0), radii, capacities)
            assert state["hook_load_t"] == pytest.approx(1.2 * capacity, rel=0.05)


def test_a_load_taken_up_fast_rings_and_is_legal() -> None:
    snatch = entry("shock_at_lift_off", "crane-0001", 5, 120, factor=1.3)
    scenario = Scenario(
        name="t",
        duration_s=120,
        fleet=FleetSize(cranes=1),
        entries=(snatch,),
        reports=Reports(crane_hz=5.0),
    )
    simulated = World(scenario, 11, START_NS)
    rated = simulated.registry()[0].rated_load_t
    assert rated is not None
    track: list[tuple[float, dict[str, float]]] = []
    for outgoing in simulated.outgoing():
        one = item(outgoing)
        content: Any = one.body
        bodies = content if isinstance(content, list) else [content]
        track += [(one.at_s, body["v"]) for body in bodies if "v" in body]
    from_s = truth_s(simulated.truth()[0].from_ns)
    plateau = [s["hook_load_t"] for t, s in track if from_s + 6 < t < from_s + 12]
    peak = max(s["hook_load_t"] for t, s in track if from_s < t < from_s + 6)
    assert peak > 1.05 * np.median(plateau)


def test_a_rope_tightens_as_fast_as_its_load_then_rings() -> None:
    design = CraneDesign(
        rated_load_t=10.0,
        load_chart=(),
        spectrum="Q2",
        height_m=10.0,
        span_m=20.0,
        hoist_speed_mps=0.2,
        wind_limit_mps=20.0,
        report_interval_s=10.0,
    )
    cranes = Cranes([design] * 2, np.random.default_rng(1), pause_s=1.0, lift_m=2.0)
    cranes.next_factor.update({0: 1.1, 1: 1.6})
    cranes.next_load.update({0: 0.5, 1: 0.5})
    share: list[np.ndarray] = []
    for step in range(4_000):
        cranes.step(step / 100)
        share.append(cranes.hook_t / 5.0)
    loads = np.array(share)
    for slot, factor in ((0, 1.1), (1, 1.6)):
        begin = int(np.argmax(loads[:, slot] > 1.0))
        assert loads[begin : begin + 100, slot].max() == pytest.approx(factor, abs=0.01)
        rise = np.diff(loads[begin - 3 : begin + 2, slot])
        assert rise.max() == pytest.approx(rise.min(), rel=0.2), "no kink at lift-off"


def test_gusts_stay_below_the_limit() -> None:
    simulated = world(entry("gusts", "crane-0001", 5, 250, peak=0.9), cranes=1)
    limit = simulated.registry()[0].wind_limit_mps
    assert limit is not None
    winds = [s["wind_speed_mps"] for _, s in states(items_of(simulated.outgoing(), "crane-0001"))]
    assert 0.75 * limit < max(winds) <= 0.91 * limit


def test_an_idle_crane_reports_slower_than_a_working_one() -> None:
    simulated = world(cranes=4, duration_s=600.0)
    items = [i for i in items_of(simulated.outgoing(), "crane-0001") if i.values]
    gaps = np.diff([i.at_s for i in items])
    assert np.min(gaps) == pytest.approx(1.0, abs=0.01)
    assert np.max(gaps) == pytest.approx(10.0, abs=0.01)
