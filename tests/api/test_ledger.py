"""The ledger over HTTP."""

from datetime import timedelta

import pytest

from domain.accounts import Role
from domain.instants import from_iso, seconds, to_datetime, to_iso
from domain.ledger import HOUR_NS, LedgerChanges, LedgerRow, Missing, SeqRange, hour_start
from tests.support.api_world import NOW_NS, Site

THIS_HOUR_NS = hour_start(NOW_NS)


def keep(place: Site, *rows: LedgerRow) -> None:
    with place.state.writing() as tx:
        tx.ledger.put(LedgerChanges(rows=rows))


def row(equipment_id: str, hours_ago: int, missing: int = 0, lag_ms: int = 0) -> LedgerRow:
    ranges = (SeqRange("b1", 7, 6 + missing),) if missing else ()
    lag_ns = lag_ms * 1_000_000
    return LedgerRow(
        equipment_id=equipment_id,
        hour_start_ns=THIS_HOUR_NS - hours_ago * HOUR_NS,
        received=3_600,
        refused=1,
        last_boot="b1",
        last_seq=3_700,
        last_received_at_ns=NOW_NS,
        lag_first_ns=lag_ns,
        lag_last_ns=lag_ns,
        lag_min_ns=lag_ns,
        lag_max_ns=lag_ns,
        missing=Missing(count=missing, ranges=ranges),
    )


def test_a_device_hour_by_hour_with_every_lost_number(place: Site) -> None:
    keep(place, row("L1", 2, missing=3, lag_ms=100), row("L1", 0, lag_ms=150))
    found = place.client(Role.OPERATOR).get("/api/v1/ledger/L1").json()
    assert len(found["hours"]) == 24
    assert [one["known"] for one in found["hours"][-3:]] == [True, False, True]
    assert [one["over"] for one in found["hours"][-3:]] == [True, True, False]
    known = found["hours"][-3]
    assert known["hour"] == to_iso(THIS_HOUR_NS - 2 * HOUR_NS)
    assert known["figures"]["missing"] == {
        "count": 3,
        "unlisted": 0,
        "ranges": [{"boot": "b1", "first": 7, "last": 9}],
    }
    assert known["figures"]["lag"]["last_s"] == 0.1
    assert found["lag_trend_ms_per_h"] == pytest.approx(25)


def test_an_hour_without_a_row_is_unknown_and_no_figure_of_it_is_zero(place: Site) -> None:
    found = place.client(Role.OPERATOR).get("/api/v1/ledger/L1").json()
    assert {(one["known"], one["figures"]) for one in found["hours"]} == {(False, None)}
    assert found["lag_trend_ms_per_h"] is None


def test_any_hour_can_be_asked_for(place: Site) -> None:
    keep(place, row("L1", 100), row("L1", 99))
    inside = to_datetime(THIS_HOUR_NS - 100 * HOUR_NS) + timedelta(minutes=20)
    asked = {"from": inside.isoformat(), "to": (inside + timedelta(minutes=5)).isoformat()}
    found = place.client(Role.OPERATOR).get("/api/v1/ledger/L1", params=asked).json()
    (hour,) = found["hours"]
    assert hour["hour"] == to_iso(THIS_HOUR_NS - 100 * HOUR_NS)
    assert hour["figures"]["received"] == 3_600


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-05T02:00:00Z", "2026-03-05T01:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-03-05T01:00:00Z"),
        ("2026-03-05T02:00:00", "2026-03-05T03:00:00Z"),
    ],
)
def test_a_window_that_makes_no_sense_or_has_no_end_is_refused(
    place: Site, start: str, end: str
) -> None:
    reader = place.client(Role.OPERATOR)
    for address in ("/api/v1/ledger/L1", "/api/v1/ledger"):
        assert reader.get(address, params={"from": start, "to": end}).status_code in {400, 422}


def test_devices_come_worst_first_page_by_page(place: Site) -> None:
    keep(place, row("L1", 1), row("B1", 1, missing=2), row("C1", 1, missing=9), row("L9", 30, 50))
    reader = place.client(Role.ENGINEER)
    first = reader.get("/api/v1/ledger", params={"limit": 2}).json()
    assert [one["equipment_id"] for one in first["items"]] == ["C1", "B1"]
    assert first["items"][0]["missing"] == 9
    place.now_ns += seconds(3 * 3_600)
    second = reader.get(first["next"]).json()
    assert [one["equipment_id"] for one in second["items"]] == ["L1"]
    assert second["next"] is None


def test_a_firm_sees_its_own_devices_only(place: Site) -> None:
    keep(place, row("L1", 0), row("L9", 0, missing=5))
    reader = place.client(Role.FIRM)
    listed = reader.get("/api/v1/ledger").json()["items"]
    assert [one["equipment_id"] for one in listed] == ["L1"]
    assert reader.get("/api/v1/ledger/L1").status_code == 200
    assert reader.get("/api/v1/ledger/L9").status_code == 404
    assert reader.get("/api/v1/ledger/nobody").status_code == 404


def test_the_day_of_a_window_may_be_written_with_any_offset(place: Site) -> None:
    keep(place, row("L1", 1))
    asked = {"from": "2026-03-05T07:00:00+08:00", "to": "2026-03-05T08:00:00+08:00"}
    (hour,) = place.client(Role.OPERATOR).get("/api/v1/ledger/L1", params=asked).json()["hours"]
    assert from_iso(hour["hour"]) == THIS_HOUR_NS - HOUR_NS
    assert hour["known"]
