"""Candidates over HTTP."""

import pytest
from starlette.testclient import TestClient

from domain.accounts import Role
from domain.equipment import Kind
from domain.incidents import IncidentKind, Level
from domain.instants import seconds
from domain.shadow import RUNNING_MAX, Claim, Episode, EpisodeOutcome, Tally, Totals
from tests.support.api_world import NOW_NS, Site

BODY = {
    "name": "tight",
    "parameters": {"entrapment": {"off_level_hold_s": 10}},
    "reason": "thirty seconds are long",
}
DAY_NS = seconds(86_400)


@pytest.fixture
def engineer(place: Site) -> TestClient:
    return place.client(Role.ENGINEER)


def test_a_candidate_is_started_seen_and_promoted_with_reasons(
    place: Site, engineer: TestClient
) -> None:
    started = engineer.post("/api/v1/shadow", json=BODY)
    assert started.status_code == 201
    assert started.json()["state"] == "running"
    early = engineer.post("/api/v1/shadow/tight/promote", json={"reason": "in a hurry"})
    assert (early.status_code, "has not run yet" in early.json()["detail"]) == (409, True)
    place.run_candidate("tight")
    assert engineer.post("/api/v1/shadow/tight/promote", json={"reason": " "}).status_code == 422
    promoted = engineer.post("/api/v1/shadow/tight/promote", json={"reason": "no false alarm"})
    assert promoted.json()["state"] == "promoted"
    again = engineer.post("/api/v1/shadow/tight/promote", json={"reason": "again"})
    assert again.status_code == 409
    assert "is promoted cannot be promoted" in again.json()["detail"]
    engineer.post("/api/v1/shadow/tight/revert", json={"reason": "two false alarms"})
    acts = engineer.get("/api/v1/shadow-acts").json()["items"]
    assert [(act["act"], act["actor"], act["reason"]) for act in acts] == [
        ("reverted", "key:engineer", "two false alarms"),
        ("promoted", "key:engineer", "no false alarm"),
        ("started", "key:engineer", "thirty seconds are long"),
    ]
    assert acts[1]["parameters"] == BODY["parameters"]
    assert acts[1]["position"] is None
    assert engineer.get("/api/v1/shadow/tight").json()["acts"] == acts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parameters": {"entrapement": {}}}, "did you mean entrapment"),
        ({"parameters": {"entrapment": {"off_level_hold": 3}}}, "did you mean off_level_hold_s"),
        ({"parameters": {}}, "at least one detector"),
        ({"name": "no name"}, "name"),
        ({"reason": ""}, "reason"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_word(
    engineer: TestClient, change: dict[str, object], words: str
) -> None:
    answer = engineer.post("/api/v1/shadow", json=BODY | change)
    assert answer.status_code == 422
    assert words in answer.text


def test_names_are_taken_once_and_few_run_at_once(engineer: TestClient) -> None:
    for number in range(RUNNING_MAX):
        assert engineer.post("/api/v1/shadow", json=BODY | {"name": f"c{number}"}).is_success
    full = engineer.post("/api/v1/shadow", json=BODY)
    assert (full.status_code, "Stop one first" in full.json()["detail"]) == (409, True)
    engineer.post("/api/v1/shadow/c0/stop", json={})
    assert engineer.post("/api/v1/shadow", json=BODY | {"name": "c0"}).status_code == 409
    assert engineer.post("/api/v1/shadow", json=BODY).status_code == 201


def test_rates_come_with_their_interval_and_episodes_in_pages(
    place: Site, engineer: TestClient
) -> None:
    """Ten episodes in 100 device-days: 0.1 a day, Garwood 0.04795 to 0.1839."""
    engineer.post("/api/v1/shadow", json=BODY)
    kind = IncidentKind.ENTRAPMENT_OFF_LEVEL
    tally = Tally(equipment_kind=Kind.LIFT, kind=kind, both=3, added=7)
    found = [
        Episode(
            candidate="tight",
            equipment_id="L1",
            equipment_kind=Kind.LIFT,
            kind=kind,
            position=number + 1,
            onset_ns=NOW_NS,
            detected_at_ns=NOW_NS + number,
            outcome=EpisodeOutcome.ADDED if number else EpisodeOutcome.BOTH,
            shadow=Claim(detected_at_ns=NOW_NS, level=Level.SUSPECTED),
        )
        for number in range(3)
    ]
    with place.state.writing() as tx:
        tx.shadow.put_totals("tight", Totals(device_ns={Kind.LIFT: 100 * DAY_NS}, tallies=(tally,)))
        tx.shadow.put_episodes("tight", found)
    (compared,) = engineer.get("/api/v1/shadow").json()["items"][0]["comparison"]
    assert compared["device_days"] == 100
    assert compared["shadow"]["per_device_day"] == pytest.approx(0.1)
    assert compared["shadow"]["low"] == pytest.approx(0.04795, abs=1e-5)
    assert compared["shadow"]["high"] == pytest.approx(0.1839, abs=1e-4)
    assert compared["live"]["episodes"] == 3
    page = engineer.get("/api/v1/shadow/tight/episodes?limit=2").json()
    rest = engineer.get(page["next"]).json()
    assert [len(page["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
    added = engineer.get("/api/v1/shadow/tight/episodes?outcome=added").json()["items"]
    assert [one["live"] for one in added] == [None, None]
    assert engineer.get("/api/v1/shadow/loose/episodes").status_code == 404


def test_a_candidate_that_has_not_run_has_no_rate(engineer: TestClient) -> None:
    engineer.post("/api/v1/shadow", json=BODY)
    assert engineer.get("/api/v1/shadow/tight").json()["comparison"] == []
