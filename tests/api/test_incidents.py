"""What people do with incidents through the API."""

from typing import Any

from starlette.testclient import TestClient

from domain.accounts import Role
from domain.incidents import IncidentKind, Level
from domain.instants import seconds
from tests.support.api_world import NOW_NS, Site


def act(client: TestClient, incident_id: str, name: str, **body: object) -> Any:
    answer = client.post(f"/api/v1/incidents/{incident_id}/{name}", json=body)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def test_a_rescue_goes_from_acknowledged_to_closed(place: Site) -> None:
    incident = place.raise_incident()
    desk, firm = place.client(Role.OPERATOR), place.client(Role.FIRM)
    assert act(desk, incident.id, "acknowledge")["acknowledged_by"] == "key:operator"
    assert act(firm, incident.id, "accept")["state"] == "accepted"
    assert act(firm, incident.id, "arrive", note="at the door")["state"] == "on_site"
    assert act(firm, incident.id, "free")["state"] == "freed"
    assert act(desk, incident.id, "verify")["state"] == "verified"
    assert act(desk, incident.id, "close", reason="rescued")["close_reason"] == "rescued"
    detail = desk.get(f"/api/v1/incidents/{incident.id}").json()
    assert [(line["action"], line["actor"]) for line in detail["history"]] == [
        ("opened", "system"),
        ("acknowledged", "key:operator"),
        ("accepted", "key:firm"),
        ("arrived", "key:firm"),
        ("freed", "key:firm"),
        ("verified", "key:operator"),
        ("closed", "key:operator"),
    ]
    assert detail["history"][3]["note"] == "at the door"
    assert detail["actions"] == ["comment"]
    assert detail["close_reasons"] == []


def test_another_incident_is_resolved(place: Site) -> None:
    incident = place.raise_incident(kind=IncidentKind.OVERPRESSURE, equipment_id="B1")
    desk = place.client(Role.OPERATOR)
    act(desk, incident.id, "acknowledge", note="calling the boiler house")
    assert act(desk, incident.id, "resolve")["state"] == "resolved"
    history = desk.get(f"/api/v1/incidents/{incident.id}").json()["history"]
    assert "calling the boiler house" in [line["note"] for line in history]


def test_the_detail_says_everything(place: Site) -> None:
    incident = place.raise_incident()
    detail = place.client(Role.OPERATOR).get(f"/api/v1/incidents/{incident.id}").json()
    assert (detail["kind_en"], detail["kind_zh"]) == ("Trapped between floors", "非平层困人")
    assert detail["detected_at"] == "2026-03-05T00:30:00.000Z"
    assert detail["equipment"]["identifiers"][0] == {"scheme": "rescue_code", "value": "123456"}
    assert detail["firm"]["phone"] == "021-5550100"
    assert detail["levels"][0]["level"] == "confirmed"
    [finding] = detail["findings"]
    assert finding["evidence"][0]["name"] == "gbt24476:04"
    assert detail["codes"] == [
        {
            "code": "gbt24476:04",
            "en": "Car stopped outside the unlocking zone",
            "zh": "轿厢在开锁区域外停止",
        }
    ]
    assert detail["notifications"][0]["receiver"] == "acme"
    assert detail["notifications"][0]["deliveries"] == []
    assert detail["actions"] == ["acknowledge", "close", "comment"]
    assert "a shared secret" not in str(detail)


def test_actions_are_those_of_the_reader(place: Site) -> None:
    incident = place.raise_incident()
    address = f"/api/v1/incidents/{incident.id}"
    assert place.client(Role.ENGINEER).get(address).json()["actions"] == []
    assert place.client(Role.FIRM).get(address).json()["actions"] == ["comment"]
    act(place.client(Role.OPERATOR), incident.id, "acknowledge")
    assert place.client(Role.FIRM).get(address).json()["actions"] == ["accept", "comment"]


def test_a_comment_is_a_line_with_its_author(place: Site) -> None:
    incident = place.raise_incident()
    line = act(place.client(Role.FIRM), incident.id, "comments", text=" two people inside ")
    assert (line["actor"], line["note"], line["action"]) == (
        "key:firm",
        "two people inside",
        "commented",
    )


def test_a_case_is_opened_by_hand_once(place: Site) -> None:
    client = place.client(Role.OPERATOR)
    found = client.get("/api/v1/equipment?text=123456").json()["items"]
    assert [row["id"] for row in found] == ["L1"]
    body = {"equipment_id": "L1", "note": "an old lady calls"}
    first = client.post("/api/v1/incidents", json=body).json()
    place.now_ns += seconds(5)
    second = client.post("/api/v1/incidents", json=body).json()
    assert first["id"] == second["id"]
    assert (first["kind"], first["case"]) == ("caller", "rescue")


def test_only_lifts_are_opened_by_hand(place: Site) -> None:
    client = place.client(Role.OPERATOR)
    assert client.post("/api/v1/incidents", json={"equipment_id": "B1"}).status_code == 422
    assert client.post("/api/v1/incidents", json={"equipment_id": "L77"}).status_code == 404


def test_listings_filter_and_continue(place: Site) -> None:
    made = [
        place.raise_incident(
            kind=kind, equipment_id=equipment_id, level=Level.ADVISORY, at_ns=NOW_NS + number
        ).id
        for number, (kind, equipment_id) in enumerate(
            [
                (IncidentKind.LIFT_FAULT, "L1"),
                (IncidentKind.OVERPRESSURE, "B1"),
                (IncidentKind.OVERLOAD, "C1"),
                (IncidentKind.LIFT_FAULT, "L9"),
            ]
        )
    ]
    client = place.client(Role.OPERATOR)
    act(client, made[0], "close", reason="test")

    def ids(query: str) -> list[str]:
        return [row["id"] for row in client.get(f"/api/v1/incidents?{query}").json()["items"]]

    assert ids("") == made[::-1]
    assert ids("open=true") == made[:0:-1]
    assert ids("equipment_id=B1") == [made[1]]
    assert ids("case=lift_fault") == [made[3], made[0]]
    first = client.get("/api/v1/incidents?limit=3").json()
    rest = client.get(first["next"]).json()
    assert [row["id"] for row in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None


def test_findings_are_listed_newest_first(place: Site) -> None:
    place.raise_incident()
    place.raise_incident(kind=IncidentKind.OVERPRESSURE, equipment_id="B1", at_ns=NOW_NS + 1)
    client = place.client(Role.ENGINEER)
    rows = client.get("/api/v1/findings").json()["items"]
    assert [row["equipment_id"] for row in rows] == ["B1", "L1"]
    rows = client.get("/api/v1/findings?equipment_id=L1").json()["items"]
    assert [row["kind"] for row in rows] == ["entrapment_off_level"]
