"""Every injection happens, ends, is evident, and has the signature that its name promises."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from domain.equipment import Equipment, Kind
from domain.instants import NS_PER_S, from_iso
from simulators.catalog import INJECTIONS
from simulators.drawn import Reports
from simulators.parts import ORDER
from simulators.scenario import FleetSize, Scenario, device_id, make_entry
from simulators.steam import ATMOSPHERE_MPA, SIZES, saturation_temperature_c
from simulators.truth import Truth
from simulators.world import World
from tests.support.simulated import START_NS, item, truth_s

START_S = 20.0
LASTS_S = 300.0
LENGTH_S = {Kind.BOILER: 1_000.0}
PARAMETERS: dict[str, dict[str, object]] = {
    "load_cell_drift": {"rate_per_h": 0.5},
    "sensor_drift": {"rate_per_h": 0.5},
    "flue_fouling": {"rate_c_per_day": 2_400.0 * 2},
    "lost_messages": {"share": 0.5},
    "pressure_hunting": {"swing": 0.05},
}
LONG = {"pressure_hunting": 800.0, "tube_leak": 800.0, "feed_pump_failure": 700.0}

Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Act:
    """What one injection did to one device: its truth and what held after each item."""

    truth: Truth
    equipment: Equipment
    track: list[tuple[float, Values]]

    def meanwhile(self, *, after_s: float = 0.0) -> list[tuple[float, Values]]:
        from_s = truth_s(self.truth.from_ns) + after_s
        to_s = truth_s(self.truth.to_ns)
        return [(at_s, values) for at_s, values in self.track if from_s <= at_s < to_s - 0.01]


def play(kind: Kind) -> dict[str, Act]:
    names = [name for name, injection in INJECTIONS.items() if kind in injection.kinds]
    entries = [
        make_entry(
            name,
            device_id(kind, number),
            start_s=START_S,
            duration_s=LONG.get(name, LASTS_S),
            parameters=PARAMETERS.get(name),
        )
        for number, name in enumerate(names, start=1)
    ]
    scenario = Scenario(
        name="t",
        duration_s=LENGTH_S.get(kind, 500.0),
        fleet=FleetSize(**{f"{kind}s": len(names)}),
        entries=tuple(entries),
        reports=Reports(crane_hz=10.0),
    )
    world = World(scenario, 11, START_NS)
    tracks: dict[str, list[tuple[float, Values]]] = {}
    for outgoing in world.outgoing():
        one = item(outgoing)
        track = tracks.setdefault(one.equipment_id, [])
        content: Any = one.body
        for body in content if isinstance(content, list) else [content]:
            if "v" in body:
                held = track[-1][1] if track else {}
                track.append((_told_s(body["ts"]), {**held, **body["v"]}))
    rows = {row.id: row for row in world.registry()}
    return {
        truth.cause: Act(
            truth=truth, equipment=rows[truth.equipment_id], track=tracks[truth.equipment_id]
        )
        for truth in world.truth()
    }


def _told_s(stamp: str | int) -> float:
    told_ns = from_iso(stamp) if isinstance(stamp, str) else stamp * 1_000_000
    return (told_ns - START_NS) / NS_PER_S


@pytest.fixture(scope="module")
def acts() -> dict[Kind, dict[str, Act]]:
    return {kind: play(kind) for kind in ORDER}


def test_every_injection_begins_is_evident_and_ends(acts: dict[Kind, dict[str, Act]]) -> None:
    for kind, played in acts.items():
        for name, act in played.items():
            truth = act.truth
            assert truth.from_ns is not None, (kind, name)
            assert truth.to_ns is not None, (kind, name)
            assert truth.kind is None or truth.evidence_from_ns is not None, (kind, name)


def test_a_fault_is_named_as_its_incident() -> None:
    for injection in INJECTIONS.values():
        assert injection.truth is None or str(injection.truth) == injection.name


def _any(test: Callable[[Values], bool]) -> Callable[[Act], bool]:
    return lambda act: any(test(values) for _, values in act.meanwhile())


def _all(test: Callable[[Values], bool], after_s: float = 40.0) -> Callable[[Act], bool]:
    return lambda act: all(test(values) for values in _held(act, after_s))


def _held(act: Act, after_s: float) -> list[Values]:
    """Values from a while after the onset until people begin to end it."""
    rows = act.meanwhile(after_s=after_s)
    return [values for at_s, values in rows if at_s < START_S + LASTS_S - 1.0]


def _changes(act: Act, channel: str) -> int:
    told = [values[channel] for _, values in act.meanwhile() if channel in values]
    return sum(a != b for a, b in pairwise(told))


def _out_of_zone(values: Values) -> bool:
    return not values["door_zone"] and values["car_status"] == 0


def _past_an_end(act: Act) -> bool:
    return all(_out_of_zone(values) for values in _held(act, 1.0))


LIFT: dict[str, Callable[[Act], bool]] = {
    "stopped_outside_zone": _all(lambda v: _out_of_zone(v) and not v["passenger_present"], 12.0),
    "moved_with_door_open": _any(lambda v: not v["door_closed"] and v["car_status"] == 1),
    "over_travel": _past_an_end,
    "door_held_open": _all(lambda v: not v["door_closed"] and v["door_zone"]),
    "door_cycling": lambda act: _changes(act, "door_closed") > 20,
    "out_of_service": _all(lambda v: v["service_mode"] == 0),
    "power_failure": _all(lambda v: v["mains_power"] is False and v["passenger_present"] is None),
    "held_at_level": _all(lambda v: not v["door_closed"] and v["passenger_present"]),
    "presence_misses_person": _all(lambda v: not v["passenger_present"]),
    "goods_in_car": _all(lambda v: v["passenger_present"] and v["load_kg"] > 40),
    "sensor_stuck": lambda act: _changes(act, "load_kg") == 0,
    "sensor_quantised": _all(lambda v: v["load_kg"] % 20 == 0),
}


def _set_mpa(act: Act) -> float:
    assert act.equipment.safety_valve_set_mpa is not None
    return act.equipment.safety_valve_set_mpa


def _valve_shut(act: Act) -> bool:
    over = [v for _, v in act.meanwhile() if v["steam_pressure_mpa"] > 1.03 * _set_mpa(act)]
    return bool(over) and not any(v["safety_valve_lifted"] for v in over)


def _fires_above_trip(act: Act) -> bool:
    trip_mpa = 1.01 * (act.equipment.rated_pressure_mpa or 0.0)
    return any(
        v["flame_on"] and v["steam_pressure_mpa"] > trip_mpa for _, v in act.meanwhile(after_s=5.0)
    )


def _superheated(act: Act) -> bool:
    gaps = [
        v["steam_temperature_c"]
        - float(saturation_temperature_c(np.array([v["steam_pressure_mpa"] + ATMOSPHERE_MPA]))[0])
        for _, v in act.meanwhile(after_s=10.0)
    ]
    return float(np.median(gaps)) > 10.0


def _loses_water(act: Act) -> bool:
    """More feed than steam, once what the drum has stored is counted."""
    rows = [v for _, v in act.meanwhile()]
    (size,) = [s for s in SIZES if s.evaporation_tph == act.equipment.rated_evaporation_tph]
    stored_mm = rows[-1]["water_level_mm"] - rows[0]["water_level_mm"]
    stored_t = 0.9 * size.surface_m2 * stored_mm / 1_000.0
    fed_t = sum(v["feed_water_flow_tph"] - v["steam_flow_tph"] for v in rows) / 3_600.0
    return bool(fed_t - stored_t > 0.1 * size.evaporation_tph * len(rows) / 3_600.0)


def _unpurged(act: Act) -> bool:
    stages = [v["burner_stage"] for _, v in act.track]
    return any((a, b) == (0, 2) for a, b in pairwise(stages))


BOILER: dict[str, Callable[[Act], bool]] = {
    "safety_valve_stuck": _valve_shut,
    "limiter_defeated": _fires_above_trip,
    "feed_pump_failure": _any(
        lambda v: v["feed_pump_on"] and v["feed_water_flow_tph"] == 0.0 and v["low_water"]
    ),
    "flame_sequence": _unpurged,
    "pressure_hunting": lambda act: _changes(act, "burner_stage") > 20,
    "tube_leak": _loses_water,
    "overheating": _superheated,
    "sensor_stuck": lambda act: _changes(act, "steam_pressure_mpa") == 0,
}


def _samples(act: Act, before_s: float, after_s: float) -> list[Values]:
    from_s = truth_s(act.truth.from_ns)
    return [v for t, v in act.track if from_s - before_s <= t <= from_s + after_s]


def _snatched(act: Act) -> bool:
    loads = [v["hook_load_t"] for v in _samples(act, 0.5, 0.5)]
    plateau = np.median([v["hook_load_t"] for v in _samples(act, -4.0, 7.0)])
    return bool(loads[0] < 0.5 * plateau and max(loads) > 1.3 * plateau)


def _sinks(act: Act) -> bool:
    held = [v for _, v in act.meanwhile() if v["hoist_brake_closed"] and not v["hoist_command"]]
    return bool(held[0]["hook_height_m"] - held[-1]["hook_height_m"] > 0.02)


def _falls(act: Act) -> bool:
    samples = _samples(act, 1.0, 0.3)
    rated = act.equipment.rated_load_t or 0.0
    first, last = samples[0], samples[-1]
    return bool(
        first["hook_load_t"] > 0.02 * rated > abs(last["hook_load_t"])
        and last["hook_height_m"] > 1.0
    )


def _pulled(act: Act) -> bool:
    samples = [v for _, v in act.meanwhile(after_s=1.5)]
    heights: list[float] = [v["hook_height_m"] for v in samples]
    place = "radius_m" if "radius_m" in samples[0] else "trolley_position_m"
    reach: list[float] = [v[place] for v in samples]
    sways = [abs(v["sway_deg"]) for v in samples[:-5]]
    return min(sways) > 3.0 and max(heights) - min(heights) < 0.1 and reach[-1] - reach[0] > 0.2


def _leans(act: Act) -> bool:
    grounded = [v for _, v in act.meanwhile() if v["hoist_speed_mps"] == 0.0]
    return bool(1.5 < max(abs(v["sway_deg"]) for v in grounded) < 3.0)


def _inches(act: Act) -> bool:
    held = [v for _, v in act.meanwhile() if v["hook_load_t"] > 0.02]
    commands = [v["hoist_command"] for v in held]
    moves = sum(a == 0 != b for a, b in pairwise(commands))
    return moves > 6 and {-1, 0, 1} <= set(commands)


def _loses_messages(act: Act) -> bool:
    times = [at_s for at_s, _ in act.meanwhile(after_s=60.0)]
    return any(b - a > 1.05 for a, b in pairwise(times) if b - a < 5.0)


CRANE: dict[str, Callable[[Act], bool]] = {
    "inching": _inches,
    "side_load": _leans,
    "lost_messages": _loses_messages,
    "shock_at_lift_off": lambda act: not _snatched(act),
    "shock_load": _snatched,
    "brake_slip": _sinks,
    "lost_load": _falls,
    "side_pull": _pulled,
    "wind_over_limit": lambda act: any(
        v["wind_speed_mps"] > (act.equipment.wind_limit_mps or 99.0) for _, v in act.meanwhile()
    ),
    "load_cell_drift": lambda act: (
        act.meanwhile()[-1][1]["hook_load_t"] > 0.02 * (act.equipment.rated_load_t or 0.0)
    ),
}


def _deviates(act: Act) -> bool:
    pairs = [(v["speed_mps"], v["handrail_speed_left_mps"]) for _, v in act.meanwhile(after_s=6)]
    return len(pairs) > 3 and all(rail < 0.85 * step for step, rail in pairs)


ESCALATOR: dict[str, Callable[[Act], bool]] = {
    "escalator_fault": _all(lambda v: v["operation_status"] == 0, 10.0),
    "escalator_stopped": _all(lambda v: v["service_mode"] == 0 and v["speed_mps"] == 0.0, 10.0),
    "handrail_speed": _deviates,
}

VESSEL: dict[str, Callable[[Act], bool]] = {
    "lock_not_engaged": _any(lambda v: v["internal_pressure_mpa"] > 0.2 and not v["lock_engaged"]),
    "interlock_bypassed": _any(
        lambda v: v["internal_pressure_mpa"] > 0.02 and not v["lock_engaged"]
    ),
}

SIGNATURES = {
    Kind.LIFT: LIFT,
    Kind.BOILER: BOILER,
    Kind.CRANE: CRANE,
    Kind.ESCALATOR: ESCALATOR,
    Kind.VESSEL: VESSEL,
}


def _cases() -> Iterable[tuple[Kind, str]]:
    return [(kind, name) for kind, checks in SIGNATURES.items() for name in checks]


@pytest.mark.parametrize(("kind", "name"), _cases())
def test_the_signature_shows(acts: dict[Kind, dict[str, Act]], kind: Kind, name: str) -> None:
    assert SIGNATURES[kind][name](acts[kind][name])


def test_a_vessel_in_order_never_has_pressure_without_lock() -> None:
    scenario = Scenario(name="t", duration_s=2_500, fleet=FleetSize(vessels=3))
    batches = 0
    for outgoing in World(scenario, 2, START_NS).outgoing():
        values = item(outgoing).values
        if values:
            batches += values["internal_pressure_mpa"] > 0.3
            assert values["lock_engaged"] or values["internal_pressure_mpa"] < 0.01
            assert values["door_closed"] or not values["lock_engaged"]
    assert batches > 0


def test_truth_counts_cycles_and_their_spectrum() -> None:
    scenario = Scenario(name="t", duration_s=2_400, fleet=FleetSize(cranes=1))
    world = World(scenario, 5, START_NS)
    peaks: list[float] = []
    loaded = False
    rated = world.registry()[0].rated_load_t
    assert rated is not None
    cycle: list[float] = []
    for outgoing in world.outgoing():
        load = item(outgoing).values.get("hook_load_t")
        if load is None:
            continue
        if load > 0.03 * rated:
            loaded = True
            cycle.append(load)
        elif loaded and load < 0.015 * rated:
            peaks.append(float(np.median(cycle)))
            loaded, cycle = False, []
    cycles, days, k_p = world.statistics()
    assert (cycles.statistic, k_p.statistic) == ("hoist_cycles", "load_spectrum_kp")
    assert days.value == pytest.approx(cycles.value * 365.25 / 25_000)
    assert cycles.value == len(peaks) > 5
    assert k_p.value == pytest.approx(np.mean((np.array(peaks) / rated) ** 3), rel=0.02)
