"""Boiler and vessel kernels find what scalar references find, with shortened times."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.equipment import Equipment, Kind
from domain.readings import Stream
from tests.detectors.comparison import LATE, by_kernels, by_reference, row
from tests.detectors.reference import Device

FLEETS: Mapping[Kind, tuple[Equipment, ...]] = {
    Kind.BOILER: (
        Equipment(
            id="B0",
            kind=Kind.BOILER,
            rated_pressure_mpa=0.8,
            safety_valve_set_mpa=0.8317,
            rated_evaporation_tph=2.03,
            report_interval_s=30.0,
        ),
        Equipment(id="B1", kind=Kind.BOILER, rated_pressure_mpa=0.7713, rated_evaporation_tph=4.1),
        Equipment(id="B2", kind=Kind.BOILER, safety_valve_set_mpa=0.8217),
    ),
    Kind.VESSEL: (
        Equipment(id="V0", kind=Kind.VESSEL, report_interval_s=10.0),
        Equipment(id="V1", kind=Kind.VESSEL),
    ),
}

FLAG = st.sampled_from([0, 1, 1, None])

# No value lies on a limit: no rounding may decide a comparison.
CHANNELS: Mapping[Kind, Mapping[str, st.SearchStrategy[float | None]]] = {
    Kind.BOILER: {
        "steam_pressure_mpa": st.sampled_from([0.571, 0.653, 0.79, 0.809, 0.823, 0.867, 0.871]),
        "water_level_mm": st.sampled_from([0.0, -43.1, -46.0, -47.0, -52.0, -61.0, -80.0, None]),
        "low_water": st.sampled_from([0, 0, 1, None]),
        "steam_temperature_c": st.sampled_from([165.3, 170.1, 175.2, 182.4, 190.7, None]),
        "flue_gas_temperature_c": st.sampled_from([141.3, 163.7, 205.1, 290.3, None]),
        "feed_pump_on": FLAG,
        "feed_water_flow_tph": st.sampled_from([0.0, 1.57, 3.11, None]),
        "steam_flow_tph": st.sampled_from([0.0, 0.013, 1.03, 1.97, None]),
        "flame_on": FLAG,
        "burner_stage": st.sampled_from([0, 1, 2, 3, 4, 4, 5, None]),
        "safety_valve_lifted": st.sampled_from([0, 0, 1, None]),
    },
    Kind.VESSEL: {
        "internal_pressure_mpa": st.sampled_from([0.0, 0.007, 0.013, 0.029, 0.053, 0.311, None]),
        "door_closed": FLAG,
        "lock_engaged": FLAG,
        "vent_open": st.sampled_from([0, 1, None]),
    },
}

SHORT: Mapping[str, Mapping[str, float]] = {
    "boiler_pressure": {"warm_up_s": 2.0},
    "boiler_limiter": {"warm_up_s": 2.0},
    "boiler_sensor": {"warm_up_s": 2.0, "cold_hold_s": 9.0, "hold_s": 3.0, "over_hold_s": 7.0},
    "boiler_valve_stuck": {"idle_s": 30.0, "leak_hold_s": 10.0, "warm_up_s": 2.0},
    "boiler_superheat": {"warm_up_s": 5.0, "usual_s": 60.0, "lag_s": 7.0, "hold_s": 9.0},
    "boiler_feed": {"effect_hold_s": 20.0, "start_hold_s": 10.0, "flow_hold_s": 5.0},
    "boiler_flame": {"settle_s": 4.0, "remember_s": 60.0, "tries_max": 2.0},
    "boiler_hunting": {"period_min_s": 1.0, "period_ratio": 90.0, "response_s": 200.0},
    "boiler_balance": {"block_s": 5.0, "warm_up_blocks": 2.0, "usual_h": 0.1, "limit_h": 0.001},
    "boiler_fouling": {
        "settle_s": 1.0,
        "periods_min": 1.0,
        "period_s": 30.0,
        "period_min_s": 1.0,
        "step_k": 500.0,
    },
    "vessel_lock": {
        "zero_after_s": 3.0,
        "vent_s": 3.0,
        "bridged_hold_s": 9.0,
        "over_hold_s": 7.0,
        "settled_s": 1.0,
        "wait_s": 20.0,
        "collapse_s": 2.0,
    },
}

SETTLE_S = 100
"""Ticks after the last row, until everything has settled."""


@st.composite
def traffic(draw: st.DrawFn, kind: Kind) -> list[dict[str, Any]]:
    """Rows of the fleet in order of arrival, dense enough for slopes, with days in between."""
    ids = [equipment.id for equipment in FLEETS[kind]]
    whole = st.fixed_dictionaries(dict(CHANNELS[kind]))
    some = st.fixed_dictionaries({}, optional=dict(CHANNELS[kind]))
    rows = [row(identity, 0.0, 0.1, v=draw(whole)) for identity in ids]
    received_s = 0.0
    for _ in range(draw(st.integers(5, 60))):
        received_s += draw(st.sampled_from([0.0, 0.3, 1.0, 1.0, 3.0, 25.0, 70.0]))
        identity, what = draw(st.sampled_from(ids)), draw(st.integers(0, 19))
        if what == 0:
            online = draw(st.sampled_from([0, 1]))
            rows.append(row(identity, received_s, 0.1, online=online, stream=Stream.ALIVE))
            continue
        lag_s, quality = draw(st.sampled_from([(0.1, 0)] * 8 + [(0.4, 0), (4.1, 0), (130.0, LATE)]))
        rows.append(row(identity, received_s, lag_s, quality=quality, v=draw(some)))
    return rows


@pytest.mark.parametrize("parameters", [{}, SHORT], ids=["defaults", "short"])
@pytest.mark.parametrize("kind", list(FLEETS))
@given(data=st.data())
@settings(deadline=None, max_examples=5)
def test_kernels_find_what_the_references_find(
    kind: Kind, parameters: Mapping[str, Mapping[str, float]], data: st.DataObject
) -> None:
    rows = data.draw(traffic(kind))
    found, _ = by_kernels(FLEETS[kind], rows, parameters, settle_s=SETTLE_S)
    devices = [Device(equipment, parameters) for equipment in FLEETS[kind]]
    assert sorted(found) == sorted(by_reference(devices, rows, settle_s=SETTLE_S))
