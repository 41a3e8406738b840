"""Live values and history."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.app import create_app
from api.live import stale_after_s
from api.routes.readings import read_page
from domain.accounts import Role
from domain.equipment import Equipment, Kind
from domain.instants import NS_PER_S, seconds, to_iso
from storage.memory import MemoryStore
from tests.detectors.crane_fleet import worked
from tests.support.api_world import LIFT, NOW_NS, Site, lift_readings
from tests.support.batches import make_batch


def channel(latest: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [one for one in latest["channels"] if one["name"] == name]
    assert isinstance(found, dict)
    return found


def report(place: Site, values: dict[str, Any], at_ns: int, position: int) -> None:
    row = {"id": "L1", "t": at_ns, "v": values}
    place.telemetry.append([make_batch(Kind.LIFT, [row], position=position)], position)


def test_a_value_is_known_while_the_device_is_heard(place: Site) -> None:
    report(place, {"door_zone": 1, "service_mode": 2}, NOW_NS - seconds(600), 1)
    report(place, {"speed_mps": 0.5, "load_kg": None}, NOW_NS - seconds(10), 2)
    latest = place.client(Role.OPERATOR).get("/api/v1/equipment/L1/latest").json()
    assert not latest["silent"]
    assert latest["heard_at"] == to_iso(NOW_NS - seconds(10))
    mode = channel(latest, "service_mode")
    assert (mode["value"], mode["text_en"], mode["text_zh"]) == (2, "inspection", "检修")
    assert channel(latest, "door_zone")["age_s"] == 600
    load = channel(latest, "load_kg")
    assert (load["known"], load["value"]) == (False, None)
    assert channel(latest, "trips")["at"] is None


def test_a_stale_value_is_unknown_and_the_last_one_is_shown_with_its_age(place: Site) -> None:
    limit_s = stale_after_s(LIFT)
    report(place, {"speed_mps": 0.5}, NOW_NS - seconds(limit_s + 1), 1)
    latest = place.client(Role.OPERATOR).get("/api/v1/equipment/L1/latest").json()
    speed = channel(latest, "speed_mps")
    assert latest["silent"]
    assert (speed["known"], speed["value"]) == (False, None)
    assert (speed["last_value"], speed["age_s"]) == (0.5, limit_s + 1)


def test_an_alive_message_renews_unchanged_values(place: Site) -> None:
    report(place, {"speed_mps": 0.5}, NOW_NS - seconds(5_000), 1)
    app = create_app(
        state=place.state,
        telemetry=place.telemetry,
        settings=place.settings,
        clock=place.clock,
        readiness=dict,
        gauges=dict,
        heard=lambda _: NOW_NS - seconds(1),
    )
    client = TestClient(app, headers={"Authorization": "Bearer key-operator"})
    latest = client.get("/api/v1/equipment/L1/latest").json()
    assert channel(latest, "speed_mps")["value"] == 0.5


@pytest.mark.parametrize(("interval_s", "limit_s"), [(1.0, 60.0), (100.0, 300.0), (1e4, 900.0)])
def test_the_stale_limit_follows_the_reporting_interval(interval_s: float, limit_s: float) -> None:
    assert stale_after_s(Equipment(id="x", kind=Kind.LIFT, report_interval_s=interval_s)) == limit_s


def test_history_continues_over_pages(place: Site) -> None:
    lift_readings(place, NOW_NS)
    client = place.client(Role.FIRM)
    address = (
        f"/api/v1/equipment/L1/readings?start={to_iso(NOW_NS - seconds(300))}"
        f"&end={to_iso(NOW_NS + seconds(301))}&limit=25"
    )
    rows: list[dict[str, Any]] = []
    while address:
        page = client.get(address).json()
        rows += page["items"]
        address = page["next"]
    assert [row["at"] for row in rows] == [
        to_iso(NOW_NS + second * NS_PER_S) for second in range(-300, 301, 10)
    ]
    assert rows[0]["values"]["car_position"] == "3"
    assert rows[0]["values"]["door_zone"] is True
    assert rows[0]["stream"] == "telemetry"


@given(
    gaps_us=st.lists(st.sampled_from([0, 0, 1, 1_000]), max_size=40),
    limit=st.integers(1, 7),
)
@settings(deadline=None, max_examples=60)
def test_pages_give_every_row_once(gaps_us: list[int], limit: int) -> None:
    store = MemoryStore()
    rows: list[dict[str, Any]] = []
    at_ns = NOW_NS
    for number, gap_us in enumerate(gaps_us):
        at_ns += gap_us * 1_000
        rows.append({"id": "L1", "t": at_ns, "seq": number, "v": {"speed_mps": 1.0}})
    store.append([make_batch(Kind.LIFT, rows)], 1)
    seen: list[int | None] = []
    start_ns: int | None = NOW_NS
    while start_ns is not None:
        page, start_ns = read_page(store, LIFT, start_ns, NOW_NS + seconds(1), limit)
        seen += [sample.seq for sample in page]
    assert seen == list(range(len(gaps_us)))


@pytest.mark.parametrize(
    "query",
    [
        "start=2026-03-05T00:00:00&end=2026-03-05T01:00:00Z",
        "start=2026-03-05T01:00:00Z&end=2026-03-05T01:00:00Z",
        "start=0001-01-01T00:00:00Z&end=2026-03-05T01:00:00Z",
        "end=2026-03-05T01:00:00Z",
    ],
)
def test_times_need_an_offset_and_an_order(place: Site, query: str) -> None:
    answer = place.client(Role.OPERATOR).get(f"/api/v1/equipment/L1/readings?{query}")
    assert answer.status_code == 422


def test_the_duty_of_a_crane_and_of_nothing_else(place: Site) -> None:
    times = np.arange(60.0)
    load = np.where((times >= 10) & (times < 40), 8.0, 0.01)[None]
    height = (1 + 0.1 * np.clip(times - 10, 0, 20))[None]
    crane = Equipment(id="C1", kind=Kind.CRANE, rated_load_t=10.0, classification="Q2/U4")
    bank, _ = worked([crane], times, {"hook_load_t": load, "hook_height_m": height})
    place.duty = bank.duty
    client = place.client(Role.ENGINEER)
    duty = client.get("/api/v1/equipment/C1/duty").json()
    assert (duty["cycles"], duty["spectrum"][7], duty["load_class"]) == (1, 1, "Q4")
    assert duty["used_share"] == pytest.approx(0.799**3 / 62_500, rel=0.01)
    assert client.get("/api/v1/equipment/L1/duty").status_code == 404
    assert place.client(Role.FIRM).get("/api/v1/equipment/C1/duty").status_code == 404
