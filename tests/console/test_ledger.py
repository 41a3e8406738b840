"""The ledger's pages as the server renders them."""

import pytest
from starlette.testclient import TestClient

from domain.accounts import Role
from domain.ledger import HOUR_NS, LedgerChanges, LedgerRow, Missing, SeqRange, hour_start
from tests.support.api_world import NOW_NS, Site

START_NS = hour_start(NOW_NS)
NASTY = "<img src=x onerror=alert(1)>"
LOST = LedgerRow(
    equipment_id="L1",
    hour_start_ns=START_NS - HOUR_NS,
    received=3_571,
    refused=4,
    last_boot=NASTY,
    last_seq=3_604,
    lag_first_ns=400_000_000,
    lag_last_ns=-5_250_000_000,
    lag_min_ns=-5_250_000_000,
    lag_max_ns=400_000_000,
    clock_wrong=True,
    missing=Missing(count=29, ranges=(SeqRange("b9", 77, 77), SeqRange("b9", 80, 106))),
)
PLAIN = LedgerRow(equipment_id="L1", hour_start_ns=START_NS - 5 * HOUR_NS, received=12)


@pytest.fixture
def kept(place: Site) -> Site:
    with place.state.writing() as tx:
        tx.ledger.put(LedgerChanges(rows=[LOST, PLAIN]))
    return place


def reader(place: Site, role: Role) -> TestClient:
    made = place.client(role)
    made.cookies.set("equipwatch_language", "en")
    made.headers["accept"] = "text/html"
    return made


def test_missing_numbers_are_written_out_and_unknown_hours_say_so(kept: Site) -> None:
    page = reader(kept, Role.ENGINEER).get("/ledger/L1").text
    assert "b9: 77, b9: 80\N{EN DASH}106" in page
    assert "+1 more" in page
    assert "3571" in page
    assert page.count("unknown: nothing was recorded for this hour") == 22
    assert page.count("clock wrong") == 1
    assert "-5.25 s" in page
    assert NASTY not in page


def test_the_refused_count_leads_to_the_quarantine_for_those_who_may_see_it(kept: Site) -> None:
    link = '<a href="/quarantine?sender=L1">4</a>'
    kept.refuse()
    engineer = reader(kept, Role.ENGINEER)
    assert link in engineer.get("/ledger/L1").text
    assert "payload is not JSON" in engineer.get("/quarantine?sender=L1").text
    assert "payload is not JSON" not in engineer.get("/quarantine?sender=L9").text
    assert link not in reader(kept, Role.FIRM).get("/ledger/L1").text


def test_the_listing_leads_to_the_device_and_the_device_to_its_ledger(kept: Site) -> None:
    engineer = reader(kept, Role.ENGINEER)
    assert '<a href="/ledger/L1">L1</a>' in engineer.get("/ledger").text
    assert '<a href="/ledger/L1">' in engineer.get("/equipment/L1").text


def test_earlier_and_later_hours_can_be_reached(kept: Site) -> None:
    engineer = reader(kept, Role.ENGINEER)
    first = engineer.get("/ledger/L1").text
    assert ">Later<" not in first
    (earlier,) = [part.split('"')[0] for part in first.split('href="')[1:] if "until=" in part]
    before = engineer.get(earlier)
    assert before.status_code == 200
    assert before.text.count("unknown: nothing was recorded") == 24
    assert ">Later<" in before.text


def test_a_site_without_a_ledger_shows_unknown_and_no_zero(place: Site) -> None:
    page = reader(place, Role.OPERATOR).get("/ledger").text
    assert "Nothing is known of these hours." in page
