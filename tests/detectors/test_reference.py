"""The kernels over many devices find what a scalar reference finds in each device alone."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.equipment import Equipment, Kind
from domain.readings import Stream
from tests.detectors.comparison import LATE, WRONG, by_kernels, by_reference, row
from tests.detectors.reference import Device

FLEETS: Mapping[Kind, tuple[Equipment, ...]] = {
    Kind.LIFT: (
        Equipment(id="L0", kind=Kind.LIFT, report_interval_s=30.0),
        Equipment(id="L1", kind=Kind.LIFT, express_zone_m=60.0, rated_speed_mps=2.0),
        Equipment(id="L2", kind=Kind.LIFT, report_interval_s=10.0),
    ),
    Kind.ESCALATOR: (
        Equipment(id="E0", kind=Kind.ESCALATOR, report_interval_s=30.0),
        Equipment(id="E1", kind=Kind.ESCALATOR),
    ),
    # The set pressure keeps forecasts off the limits: no rounding may decide a comparison.
    Kind.BOILER: (
        Equipment(id="B0", kind=Kind.BOILER, rated_pressure_mpa=0.8, safety_valve_set_mpa=0.8317),
        Equipment(id="B1", kind=Kind.BOILER, rated_pressure_mpa=0.7713, report_interval_s=10.0),
        Equipment(id="B2", kind=Kind.BOILER, safety_valve_set_mpa=0.8217),
        Equipment(id="B3", kind=Kind.BOILER),
    ),
    Kind.CRANE: (
        Equipment(id="C0", kind=Kind.CRANE, rated_load_t=10.03),
        Equipment(
            id="C1",
            kind=Kind.CRANE,
            rated_load_t=20.07,
            load_chart=((5.0, 20.07), (10.0, 10.03), (20.0, 5.01)),
        ),
        Equipment(id="C2", kind=Kind.CRANE, load_chart=((5.0, 12.07), (15.0, 7.03))),
    ),
}

FLAG = st.sampled_from([0, 1])
MAYBE = st.sampled_from([0, 1, 1, None])

CHANNELS: Mapping[Kind, Mapping[str, st.SearchStrategy[float | None]]] = {
    Kind.LIFT: {
        "service_mode": st.sampled_from([1, 1, 1, 0, 2, 7, None]),
        "car_status": st.sampled_from([0, 0, 1, None]),
        "door_zone": MAYBE,
        "door_closed": st.sampled_from([0, 1, 1, None]),
        "passenger_present": MAYBE,
        "mains_power": st.sampled_from([1, 1, 0]),
        "speed_mps": st.sampled_from([0.0, 1.0, None]),
        "load_kg": st.sampled_from([0.0, 150.0, None]),
    },
    Kind.ESCALATOR: {"service_mode": st.sampled_from([1, 2, None])},
    Kind.BOILER: {
        "steam_pressure_mpa": st.sampled_from([0.75, 0.79, 0.806, 0.809, 0.812, 0.824, None]),
        "water_level_mm": st.sampled_from([0.0, -45.0, -60.0, -80.0, None]),
        "flame_on": st.sampled_from([1, 1, 0, None]),
        "burner_stage": st.sampled_from([0, 2, 4, None]),
        "low_water": st.sampled_from([0, 0, 1, None]),
    },
    Kind.CRANE: {
        "hook_load_t": st.sampled_from([1.0, 8.5, 9.5, 11.0, 12.0, 25.0, None]),
        "radius_m": st.sampled_from([2.0, 7.3, 15.0, 30.0, None]),
    },
}

CODES = {
    Kind.LIFT: ["02", "04", "00", "90", "90", "77", "43"],
    Kind.ESCALATOR: ["61", "63", "00", "90", "77"],
}

GAPS_S = {
    Kind.LIFT: [0.0, 0.3, 1.0, 12.0, 25.0, 60.0],
    Kind.ESCALATOR: [0.0, 1.0, 40.0, 100.0],
    Kind.BOILER: [0.0, 0.2, 0.7, 0.7, 1.0, 15.0, 60.0],
    Kind.CRANE: [0.0, 0.1, 0.3, 0.3, 1.0, 3.0, 70.0],
}

PARAMETERS: Mapping[str, Mapping[str, float]] = {
    "boiler_low_water": {"switch_hold_s": 1.0, "low_low_hold_s": 6.0, "low_hold_s": 9.0},
    "entrapment": {"suspected_log_odds": 0.0, "stuck_sensor": 1.5, "off_level_hold_s": 5.0},
    "codes": {"alarm_repeat_s": 20.0},
}

SETTLE_S = 250
"""Ticks after the last row, until everything has settled."""


@st.composite
def traffic(draw: st.DrawFn, kind: Kind) -> list[dict[str, Any]]:
    """Rows of the fleet in order of arrival; each device begins with everything it has."""
    ids = [equipment.id for equipment in FLEETS[kind]]
    whole = st.fixed_dictionaries(dict(CHANNELS[kind]))
    some = st.fixed_dictionaries({}, optional=dict(CHANNELS[kind]))
    rows = [row(identity, 0.0, 0.1, v=draw(whole)) for identity in ids]
    received_s = 0.0
    for _ in range(draw(st.integers(1, 30))):
        received_s += draw(st.sampled_from(GAPS_S[kind]))
        identity, what = draw(st.sampled_from(ids)), draw(st.integers(0, 9))
        if what == 0:
            rows.append(row(identity, received_s, 0.1, online=draw(FLAG), stream=Stream.ALIVE))
        elif what <= 2 and kind in CODES:
            lag_s, quality = draw(st.sampled_from([(0.1, 0), (0.1, 0), (130.0, LATE)]))
            code = f"gbt24476:{draw(st.sampled_from(CODES[kind]))}"
            said = {"code": code, "active": draw(MAYBE) == 1, "stream": Stream.FAULT}
            rows.append(row(identity, received_s, lag_s, quality=quality, **said))
        else:
            arrival = st.sampled_from([(0.1, 0)] * 6 + [(0.4, 0), (0.1, WRONG), (130.0, LATE)])
            lag_s, quality = draw(arrival)
            rows.append(row(identity, received_s, lag_s, quality=quality, v=draw(some)))
    return rows


@pytest.mark.parametrize("parameters", [{}, PARAMETERS], ids=["defaults", "overrides"])
@pytest.mark.parametrize("kind", list(FLEETS))
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_kernels_find_what_the_references_find(
    kind: Kind, parameters: Mapping[str, Mapping[str, float]], data: st.DataObject
) -> None:
    rows = data.draw(traffic(kind))
    found, _ = by_kernels(FLEETS[kind], rows, parameters, settle_s=SETTLE_S)
    devices = [Device(equipment, parameters) for equipment in FLEETS[kind]]
    assert sorted(found) == sorted(by_reference(devices, rows, settle_s=SETTLE_S))
