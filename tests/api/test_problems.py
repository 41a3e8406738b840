"""Errors are problem details, and say nothing of the inside."""

from typing import Any, NoReturn

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from domain.accounts import Role
from domain.errors import DependencyError
from tests.support.api_world import Site


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:equipwatch:problem:")
    assert {"title", "detail", "instance"} <= set(body)
    return body


def test_validation_lists_what_is_wrong(place: Site) -> None:
    answer = place.client(Role.ADMIN).post(
        "/api/v1/incidents", json={"equipment_id": "no spaces", "colour": "red"}
    )
    errors = problem(answer, 422)["errors"]
    assert {error["at"] for error in errors} == {"body.equipment_id", "body.colour"}
    assert "no spaces" not in answer.text


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/incidents/none", "/nothing"])
def test_what_does_not_exist_is_404(place: Site, path: str) -> None:
    problem(place.client(Role.ADMIN).get(path), 404)


def test_a_wrong_method_is_405_and_names_the_right_ones(place: Site) -> None:
    answer = place.client(Role.ADMIN).delete("/api/v1/incidents")
    problem(answer, 405)
    assert answer.headers["allow"]


def test_a_transition_that_the_table_forbids_is_409_and_says_what_is_allowed(place: Site) -> None:
    incident = place.raise_incident()
    answer = place.client(Role.ADMIN).post(f"/api/v1/incidents/{incident.id}/free")
    assert "acknowledged" in problem(answer, 409)["detail"]


def test_a_large_body_is_413(place: Site) -> None:
    client = place.client(Role.ADMIN)
    body = b"x" * (place.settings.body_limit_bytes + 1)
    problem(client.post("/api/v1/incidents", content=body), 413)
    problem(client.post("/api/v1/incidents", content=iter([body])), 413)


def test_an_import_may_be_larger_than_other_bodies(place: Site) -> None:
    rows = b"id,kind\n" + b"".join(b"L%d,lift\n" % number for number in range(10_000, 18_000))
    assert len(rows) > place.settings.body_limit_bytes
    answer = place.client(Role.ADMIN).post("/api/v1/registry/import", content=rows)
    assert answer.json()["accepted"] == 8_000


def test_a_store_that_is_away_is_503(place: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> NoReturn:
        raise DependencyError("the telemetry store is away")

    def absent() -> NoReturn:
        refuse()

    monkeypatch.setattr(place.telemetry, "latest", lambda *_: absent())
    monkeypatch.setattr(place.telemetry, "position", absent)
    client = place.client(Role.ADMIN)
    assert "away" in problem(client.get("/api/v1/equipment/L1/latest"), 503)["detail"]
    assert "telemetry_store" in problem(client.get("/readyz"), 503)["reasons"]


def test_a_failure_tells_nothing_of_the_inside(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(place.telemetry, "latest", fail)
    with capture_logs() as logged:
        answer = place.client(Role.ADMIN).get("/api/v1/equipment/L1/latest")
    problem(answer, 500)
    assert "secret" not in answer.text
    assert [line["event"] for line in logged] == ["request failed"]


def test_the_listing_limit_is_a_thousand(place: Site) -> None:
    client = place.client(Role.ADMIN)
    assert client.get("/api/v1/incidents?limit=1000").status_code == 200
    problem(client.get("/api/v1/incidents?limit=1001"), 422)
    problem(client.get("/api/v1/incidents?limit=0"), 422)


def test_every_answer_carries_the_security_headers(place: Site) -> None:
    with TestClient(place.app()) as client:
        for path in ("/livez", "/login", "/api/v1/incidents", "/static/console.js"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"


def test_no_page_of_documentation_is_served_but_the_description_is(place: Site) -> None:
    client = place.client(Role.ADMIN)
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404
    assert client.get("/openapi.json").json()["info"]["title"] == "equipwatch"
