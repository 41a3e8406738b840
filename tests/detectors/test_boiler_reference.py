"""Boiler and vessel kernels find what scalar references find, with shortened times."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bank import Bank
from domain.equipment import Equipment, Kind, build_fleet
from domain.instants import seconds
from domain.readings import Quality, Stream
from tests.detectors.reference import Device, Found, Row
from tests.support.batches import make_batch
from tests.support.story import T0

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
        "internal_pressure_mpa": st.sampled_from([0.0, 0.004, 0.013, 0.027, 0.31, None]),
        "door_closed": FLAG,
        "lock_engaged": FLAG,
        "vent_open": st.sampled_from([0, 1, None]),
    },
}

SHORT: Mapping[str, Mapping[str, float]] = {
    "boiler_limiter": {"warm_up_s": 2.0},
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
    "vessel_lock": {"zero_after_s": 3.0, "vent_s": 3.0, "bridged_hold_s": 9.0, "over_hold_s": 7.0},
}

LATE = int(Quality.LATE)


@st.composite
def traffic(draw: st.DrawFn, kind: Kind) -> list[dict[str, Any]]:
    """Rows of the fleet in order of arrival, dense enough for slopes, with days in between."""
    ids = [equipment.id for equipment in FLEETS[kind]]
    whole = st.fixed_dictionaries(dict(CHANNELS[kind]))
    some = st.fixed_dictionaries({}, optional=dict(CHANNELS[kind]))
    rows = [_row(identity, 0.0, 0.1, v=draw(whole)) for identity in ids]
    received_s = 0.0
    for _ in range(draw(st.integers(5, 60))):
        received_s += draw(st.sampled_from([0.0, 0.3, 1.0, 1.0, 3.0, 25.0, 70.0]))
        identity, what = draw(st.sampled_from(ids)), draw(st.integers(0, 19))
        if what == 0:
            online = draw(st.sampled_from([0, 1]))
            rows.append(_row(identity, received_s, 0.1, online=online, stream=Stream.ALIVE))
            continue
        lag_s, quality = draw(st.sampled_from([(0.1, 0)] * 8 + [(0.4, 0), (4.1, 0), (130.0, LATE)]))
        rows.append(_row(identity, received_s, lag_s, quality=quality, v=draw(some)))
    return rows


def _row(identity: str, received_s: float, lag_s: float, **said: Any) -> dict[str, Any]:
    event = T0 + seconds(received_s) - seconds(lag_s)
    received = T0 + seconds(received_s)
    return {"id": identity, "t": event, "received_at_ns": received, "quality": 0, **said}


def _seconds(rows: list[dict[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
    """Each second with the rows received up to it, until everything has settled."""
    last_s = (rows[-1]["received_at_ns"] - T0) // seconds(1) + 100
    due: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        due.setdefault(-(-(row["received_at_ns"] - T0) // seconds(1)), []).append(row)
    return [(T0 + seconds(s), due.get(s, [])) for s in range(last_s)]


def by_kernels(
    kind: Kind, rows: list[dict[str, Any]], parameters: Mapping[str, Mapping[str, float]]
) -> list[Found]:
    """Findings of the bank; a batch holds the rows of one second."""
    bank = Bank(build_fleet(1, FLEETS[kind]), parameters)
    ids = [equipment.id for equipment in FLEETS[kind]]
    findings = []
    for now, due in _seconds(rows):
        if due:
            findings += bank.step(make_batch(kind, due, ids=ids))
        findings += bank.tick(now, 1)
    return [
        (f.equipment_id, f.kind, f.level, f.phase, f.onset_ns, f.detected_at_ns, f.late)
        for f in findings
    ]


def by_reference(
    kind: Kind, rows: list[dict[str, Any]], parameters: Mapping[str, Mapping[str, float]]
) -> list[Found]:
    """Findings of one reference a device."""
    devices = {e.id: Device(e, parameters) for e in FLEETS[kind]}
    for now, due in _seconds(rows):
        for row in due:
            late = bool(row["quality"] & LATE)
            plain = Row(event=row["t"], received=row["received_at_ns"], late=late)
            plain.online, plain.values = row.get("online", -1), row.get("v", {})
            devices[row["id"]].take(plain)
        for device in devices.values():
            device.tick(now)
    return [found for device in devices.values() for found in device.found]


@pytest.mark.parametrize("parameters", [{}, SHORT], ids=["defaults", "short"])
@pytest.mark.parametrize("kind", list(FLEETS))
@given(data=st.data())
@settings(deadline=None, max_examples=5)
def test_kernels_find_what_the_references_find(
    kind: Kind, parameters: Mapping[str, Mapping[str, float]], data: st.DataObject
) -> None:
    rows = data.draw(traffic(kind))
    assert sorted(by_kernels(kind, rows, parameters)) == sorted(
        by_reference(kind, rows, parameters)
    )
