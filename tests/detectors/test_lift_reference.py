"""Lift and escalator rules over many devices find what scalar references find, times shortened."""

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
        Equipment(id="L0", kind=Kind.LIFT, report_interval_s=30.0, floors=3),
        Equipment(id="L1", kind=Kind.LIFT, express_zone_m=60.0, rated_speed_mps=2.0),
    ),
    Kind.ESCALATOR: (
        Equipment(id="E0", kind=Kind.ESCALATOR, report_interval_s=30.0),
        Equipment(id="E1", kind=Kind.ESCALATOR),
    ),
}

FLAG = st.sampled_from([0, 1, 1, None])
# Labels are texts to the kernels: no order of numbers may help either side.
LABEL = st.sampled_from([7, 3, 5, 5, None])

CHANNELS: Mapping[Kind, Mapping[str, st.SearchStrategy[float | None]]] = {
    Kind.LIFT: {
        "service_mode": st.sampled_from([1, 1, 1, 1, 0, 2, 5, 7, None]),
        "car_status": st.sampled_from([0, 0, 1, 1, None]),
        "car_direction": st.sampled_from([0, 1, 1, 2, 2, None]),
        "door_zone": FLAG,
        "car_position": LABEL,
        "door_closed": st.sampled_from([0, 0, 1, 1, None]),
        "passenger_present": FLAG,
        "mains_power": st.sampled_from([1, 1, 1, 0, None]),
        "speed_mps": st.sampled_from([0.0, 1.0, -1.0, None]),
    },
    # No deviation lies on a limit: no rounding may decide a comparison.
    Kind.ESCALATOR: {
        "service_mode": st.sampled_from([1, 1, 1, 2, None]),
        "speed_mps": st.sampled_from([0.0, 0.1, 0.5, 0.5, 0.5, None]),
        "handrail_speed_left_mps": st.sampled_from([0.0, 0.41, 0.487, 0.505, 0.505, None]),
        "handrail_speed_right_mps": st.sampled_from([0.0, 0.503, 0.503, 0.531, None]),
    },
}

UP, DOWN = {"car_status": 1, "car_direction": 1}, {"car_status": 1, "car_direction": 2}
PICTURES: Mapping[Kind, list[Mapping[str, float]]] = {
    Kind.LIFT: [
        {**UP, "car_position": 5, "door_zone": 0},
        {**UP, "car_position": 7, "door_zone": 1},
        {**UP, "car_position": 7, "door_zone": 0},
        {**DOWN, "car_position": 5, "door_zone": 0},
        {**DOWN, "car_position": 3, "door_zone": 1},
        {**DOWN, "car_position": 3, "door_zone": 0},
        {"car_status": 0},
        {"car_status": 0, "door_zone": 0, "service_mode": 1},
        {"car_status": 0, "door_closed": 0, "service_mode": 1},
        {"door_closed": 1},
        {"door_closed": 0},
    ],
    Kind.ESCALATOR: [
        {"speed_mps": 0.5, "handrail_speed_left_mps": rail, "service_mode": 1}
        for rail in (0.41, 0.41, 0.487, 0.505)
    ],
}
"""What rarely comes about by chance."""

CODES = {Kind.LIFT: ["01", "04", "05", "07", "00", "90"], Kind.ESCALATOR: ["61", "00"]}
GAPS_S = {
    Kind.LIFT: [0.0, 0.3, 1.0, 1.0, 4.0, 11.0, 25.0, 60.0],
    Kind.ESCALATOR: [0.0, 0.5, 1.0, 1.0, 1.0, 3.0, 8.0, 40.0],
}

PARAMETERS: Mapping[str, Mapping[str, float]] = {
    "lift_stopped_outside_zone": {"hold_s": 8.0, "relearn_s": 30.0},
    "lift_moved_with_door_open": {"hold_s": 2.0},
    "lift_over_travel": {"hold_s": 3.0, "confirm_hold_s": 6.0, "turns_min": 1.0},
    "lift_door_held_open": {"hold_s": 6.0, "attended_hold_s": 15.0, "parked_hold_s": 30.0},
    "lift_door_cycling": {"cycles": 2.0, "window_s": 30.0, "quiet_s": 5.0},
    "lift_out_of_service": {"hold_s": 10.0, "excused_hold_s": 40.0},
    "lift_power_failure": {"hold_s": 3.0, "over_hold_s": 4.0},
    "escalator_handrail_speed": {"start_s": 2.0, "wear_hold_s": 20.0, "samples_min": 2.0,
                                 "stop_hold_s": 4.0},
}  # fmt: skip

SETTLE_S = 120
"""Ticks after the last row, until everything has settled."""


@st.composite
def traffic(draw: st.DrawFn, kind: Kind) -> list[dict[str, Any]]:
    """Rows of the fleet in order of arrival; each device begins with everything it has."""
    ids = [equipment.id for equipment in FLEETS[kind]]
    some = st.fixed_dictionaries({}, optional=dict(CHANNELS[kind]))
    some |= st.sampled_from(PICTURES[kind]).map(dict)
    whole = st.fixed_dictionaries(dict(CHANNELS[kind]))
    rows = [row(identity, 0.0, 0.1, v=draw(whole)) for identity in ids]
    received_s = 0.0
    for _ in range(draw(st.integers(1, 40))):
        received_s += draw(st.sampled_from(GAPS_S[kind]))
        identity, what = draw(st.sampled_from(ids)), draw(st.integers(0, 14))
        if what == 0:
            online = draw(st.sampled_from([0, 1]))
            rows.append(row(identity, received_s, 0.1, online=online, stream=Stream.ALIVE))
        elif what == 1:
            code = f"gbt24476:{draw(st.sampled_from(CODES[kind]))}"
            active = draw(st.booleans())
            rows.append(row(identity, received_s, 0.1, code=code, active=active))
        else:
            arrivals = [(0.1, 0)] * 8 + [(0.4, 0), (0.1, WRONG), (130.0, LATE)]
            lag_s, quality = draw(st.sampled_from(arrivals))
            rows.append(row(identity, received_s, lag_s, quality=quality, v=draw(some)))
    return rows


@pytest.mark.parametrize("kind", list(FLEETS))
@given(data=st.data())
@settings(deadline=None, max_examples=50)
def test_kernels_find_what_the_references_find(kind: Kind, data: st.DataObject) -> None:
    rows = data.draw(traffic(kind))
    found, _ = by_kernels(FLEETS[kind], rows, PARAMETERS, settle_s=SETTLE_S)
    devices = [Device(equipment, PARAMETERS) for equipment in FLEETS[kind]]
    assert sorted(found) == sorted(by_reference(devices, rows, settle_s=SETTLE_S))
