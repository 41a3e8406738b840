"""The kernels over many devices find what a scalar reference finds in each device alone."""

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

LATE, WRONG = int(Quality.LATE), int(Quality.CLOCK_WRONG)


@st.composite
def traffic(draw: st.DrawFn, kind: Kind) -> list[dict[str, Any]]:
    """Rows of the fleet in order of arrival; each device begins with everything it has."""
    ids = [equipment.id for equipment in FLEETS[kind]]
    whole = st.fixed_dictionaries(dict(CHANNELS[kind]))
    some = st.fixed_dictionaries({}, optional=dict(CHANNELS[kind]))
    rows = [_row(identity, 0.0, 0.1, v=draw(whole)) for identity in ids]
    received_s = 0.0
    for _ in range(draw(st.integers(1, 30))):
        received_s += draw(st.sampled_from(GAPS_S[kind]))
        identity, what = draw(st.sampled_from(ids)), draw(st.integers(0, 9))
        if what == 0:
            rows.append(_row(identity, received_s, 0.1, online=draw(FLAG), stream=Stream.ALIVE))
        elif what <= 2 and kind in CODES:
            lag_s, quality = draw(st.sampled_from([(0.1, 0), (0.1, 0), (130.0, LATE)]))
            code = f"gbt24476:{draw(st.sampled_from(CODES[kind]))}"
            said = {"code": code, "active": draw(MAYBE) == 1, "stream": Stream.FAULT}
            rows.append(_row(identity, received_s, lag_s, quality=quality, **said))
        else:
            arrival = st.sampled_from([(0.1, 0)] * 6 + [(0.4, 0), (0.1, WRONG), (130.0, LATE)])
            lag_s, quality = draw(arrival)
            rows.append(_row(identity, received_s, lag_s, quality=quality, v=draw(some)))
    return rows


def _row(identity: str, received_s: float, lag_s: float, **said: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "t": T0 + seconds(received_s) - seconds(lag_s),
        "received_at_ns": T0 + seconds(received_s),
        "quality": 0,
        **said,
    }


def by_kernels(
    kind: Kind, rows: list[dict[str, Any]], parameters: Mapping[str, Mapping[str, float]]
) -> list[Found]:
    """Findings of the bank; a batch holds the rows of one second."""
    bank = Bank(build_fleet(1, FLEETS[kind]), parameters)
    ids = [equipment.id for equipment in FLEETS[kind]]
    findings, texts = [], dict[str, int]()
    for now, due in _seconds(rows):
        if due:
            findings += bank.step(make_batch(kind, due, ids=ids, texts=texts))
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
            devices[row["id"]].take(_plain(row))
        for device in devices.values():
            device.tick(now)
    return [found for device in devices.values() for found in device.found]


def _plain(row: Mapping[str, Any]) -> Row:
    return Row(
        event=row["t"],
        received=row["received_at_ns"],
        late=bool(row["quality"] & LATE),
        wrong=bool(row["quality"] & WRONG),
        online=row.get("online", -1),
        values=row.get("v", {}),
        code=row.get("code"),
        active=row.get("active", False),
    )


def _seconds(rows: list[dict[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
    """Each second with the rows received up to it, until everything has settled."""
    last_s = (rows[-1]["received_at_ns"] - T0) // seconds(1) + 250
    due: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        due.setdefault(-(-(row["received_at_ns"] - T0) // seconds(1)), []).append(row)
    return [(T0 + seconds(s), due.get(s, [])) for s in range(last_s)]


@pytest.mark.parametrize("parameters", [{}, PARAMETERS], ids=["defaults", "overrides"])
@pytest.mark.parametrize("kind", list(FLEETS))
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_kernels_find_what_the_references_find(
    kind: Kind, parameters: Mapping[str, Mapping[str, float]], data: st.DataObject
) -> None:
    rows = data.draw(traffic(kind))
    assert sorted(by_kernels(kind, rows, parameters)) == sorted(
        by_reference(kind, rows, parameters)
    )
