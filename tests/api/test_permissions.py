"""Every route with every role, and without credentials."""

from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.console import pages
from dispatch import desk
from domain.accounts import Role
from domain.incidents import CloseReason, IncidentKind
from domain.instants import NS_PER_S
from domain.ports import IncidentQuery
from tests.support.api_world import Site

ALL = frozenset(Role)
DISPATCH = frozenset({Role.OPERATOR, Role.ADMIN})
RESCUERS = DISPATCH | {Role.FIRM}
ENGINEERS = frozenset({Role.ENGINEER, Role.ADMIN})
WINDOW = "start=2026-03-05T00:00:00Z&end=2026-03-05T01:00:00Z"
REGISTRY = b"id,kind\nL7,lift\n"


@dataclass(frozen=True)
class Case:
    """A request, who may make it, and the status when they do on an incident that is open."""

    method: str
    template: str
    roles: frozenset[Role]
    query: str = ""
    body: Any = None
    content: bytes | None = None
    status: int = 200

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def step(name: str, roles: frozenset[Role], status: int = 409, body: Any = None) -> Case:
    template = f"/api/v1/incidents/{{incident_id}}/{name}"
    return Case("POST", template, roles, body=body or {"note": ""}, status=status)


API_CASES = [
    Case("GET", "/api/v1/equipment", ALL),
    Case("GET", "/api/v1/equipment/{equipment_id}", ALL),
    Case("GET", "/api/v1/equipment/{equipment_id}/latest", ALL),
    Case("GET", "/api/v1/equipment/{equipment_id}/duty", ALL),
    Case("GET", "/api/v1/equipment/{equipment_id}/readings", ALL, query=WINDOW),
    Case("GET", "/api/v1/incidents", ALL),
    Case(
        "POST", "/api/v1/incidents", DISPATCH, body={"equipment_id": "L1", "note": ""}, status=201
    ),
    Case("GET", "/api/v1/incidents/{incident_id}", ALL),
    step("acknowledge", DISPATCH, 200),
    step("accept", RESCUERS),
    step("arrive", RESCUERS),
    step("free", RESCUERS),
    step("verify", DISPATCH),
    step("resolve", DISPATCH),
    step("comments", RESCUERS, 201, {"text": "on the way"}),
    step("close", DISPATCH, 200, {"reason": "false_alarm"}),
    Case("GET", "/api/v1/findings", ALL),
    Case("GET", "/api/v1/firms", ALL),
    Case("GET", "/api/v1/firms/{firm_id}", ALL),
    Case("PUT", "/api/v1/firms/{firm_id}", frozenset({Role.ADMIN}), body={"name_en": "New"}),
    Case("POST", "/api/v1/registry/import", ENGINEERS, content=REGISTRY),
    Case("GET", "/api/v1/registry/export", DISPATCH | ENGINEERS),
    Case("GET", "/api/v1/ledger", ALL),
    Case("GET", "/api/v1/ledger/{equipment_id}", ALL),
    Case("GET", "/api/v1/quarantine", ENGINEERS),
    Case("GET", "/api/v1/quarantine/{entry_id}", ENGINEERS),
    Case("GET", "/api/v1/quarantine/{entry_id}/replay", ENGINEERS),
    Case("DELETE", "/api/v1/quarantine/{entry_id}", frozenset({Role.ADMIN})),
    Case("GET", "/api/v1/quarantine-drops", ENGINEERS),
    Case("GET", "/api/v1/shadow", ENGINEERS),
    Case(
        "POST",
        "/api/v1/shadow",
        ENGINEERS,
        body={"name": "new", "parameters": {"entrapment": {}}, "reason": "a try"},
        status=201,
    ),
    Case("GET", "/api/v1/shadow/{name}", ENGINEERS),
    Case("GET", "/api/v1/shadow/{name}/episodes", ENGINEERS),
    Case("POST", "/api/v1/shadow/{name}/stop", ENGINEERS, body={"reason": "enough"}),
    Case("POST", "/api/v1/shadow/{name}/promote", ENGINEERS, body={"reason": "better"}),
    Case("POST", "/api/v1/shadow/{name}/revert", ENGINEERS, body={"reason": "worse"}, status=409),
    Case("GET", "/api/v1/shadow-acts", ENGINEERS),
    Case("GET", "/api/v1/session", ALL),
    Case("DELETE", "/api/v1/session", ALL, status=204),
    Case("GET", "/metrics", ENGINEERS),
]
PAGE_CASES = [
    Case("GET", "/", ALL),
    Case("GET", "/incidents/{incident_id}", ALL),
    Case("GET", "/equipment", ALL),
    Case("GET", "/equipment/{equipment_id}", ALL),
    Case("GET", "/ledger", ALL),
    Case("GET", "/ledger/{equipment_id}", ALL),
    Case("GET", "/quarantine", ENGINEERS),
    Case("GET", "/quarantine/{entry_id}", ENGINEERS),
    Case("GET", "/shadow", ENGINEERS),
    Case("GET", "/shadow/{name}", ENGINEERS),
]
OPEN_TO_ALL = {
    "GET /livez",
    "GET /readyz",
    "POST /api/v1/session",
    "GET /login",
    "POST /login",
    "POST /logout",
    "GET /language/{language}",
    "GET /static/plotly.min.js",
}
ENDLESS = {"GET /api/v1/stream"}
"""Walked in test_stream: a test client would wait for its end."""


def ask(client: TestClient, case: Case, path: str, role: Role | None = None) -> int:
    headers = {"Authorization": f"Bearer key-{role}"} if role else {}
    address = f"{path}?{case.query}" if case.query else path
    return client.request(
        case.method,
        address,
        headers=headers,
        json=case.body,
        content=case.content,
        follow_redirects=False,
    ).status_code


def paths(place: Site, case: Case, equipment_id: str, firm_id: str) -> str:
    """Address of the case, with an incident that nobody has touched."""
    place.now_ns += NS_PER_S
    with place.state.writing() as tx:
        for earlier in tx.incidents.find(IncidentQuery(open_only=True)):
            desk.close(tx, earlier.id, CloseReason.TEST, "user:test", place.now_ns)
    incident = place.raise_incident(
        kind=IncidentKind.OVERPRESSURE, equipment_id=equipment_id, at_ns=place.now_ns
    )
    return case.template.format(
        incident_id=incident.id,
        equipment_id=equipment_id,
        firm_id=firm_id,
        entry_id=place.refuse(),
        name=place.candidate(),
    )


@pytest.mark.parametrize("case", [*API_CASES, *PAGE_CASES], ids=str)
def test_only_the_roles_of_the_table_pass(place: Site, case: Case) -> None:
    client = place.client()
    path = paths(place, case, "L1", "acme")
    assert ask(client, case, path) == 401
    for role in sorted(ALL - case.roles):
        assert ask(client, case, path, role) == (404 if role is Role.FIRM else 403), role
    for role in sorted(case.roles):
        path = paths(place, case, "L1", "acme")
        assert ask(client, case, path, role) == case.status, role


@pytest.mark.parametrize(
    "case", [c for c in (*API_CASES, *PAGE_CASES) if "{" in c.template], ids=str
)
def test_what_belongs_to_another_firm_does_not_exist(place: Site, case: Case) -> None:
    path = paths(place, case, "L9", "boden")
    assert ask(place.client(Role.FIRM), case, path) == 404
    with place.state.reading() as tx:
        assert {event.actor for event in tx.incidents.events_after(0)} <= {"system", "user:test"}


def test_listings_of_a_firm_hold_its_own_equipment_only(place: Site) -> None:
    place.raise_incident(equipment_id="L1")
    foreign = place.raise_incident(equipment_id="L9")
    client = place.client(Role.FIRM)
    equipment = client.get("/api/v1/equipment").json()["items"]
    assert [row["id"] for row in equipment] == ["B1", "L1"]
    incidents = client.get("/api/v1/incidents").json()["items"]
    assert [row["equipment_id"] for row in incidents] == ["L1"]
    findings = client.get("/api/v1/findings").json()["items"]
    assert [row["equipment_id"] for row in findings] == ["L1"]
    assert [row["id"] for row in client.get("/api/v1/firms").json()["items"]] == ["acme"]
    assert client.get("/api/v1/findings?equipment_id=L9").status_code == 404
    assert client.get(f"/api/v1/incidents?before={foreign.id}").status_code == 404
    board = client.get("/").text
    assert "L9" not in board
    assert '<span class="id">L1</span>' in board


def test_every_route_stands_in_the_table(place: Site) -> None:
    api = {
        f"{method.upper()} {path}"
        for path, methods in place.app().openapi()["paths"].items()
        for method in methods
    }
    console = {
        f"{method} {route.path}"  # type: ignore[attr-defined]  # every route here is an APIRoute
        for route in pages.router.routes
        for method in route.methods  # type: ignore[attr-defined]
    }
    walked = {str(case) for case in (*API_CASES, *PAGE_CASES)}
    assert api | console == walked | OPEN_TO_ALL | ENDLESS


@pytest.mark.parametrize(
    "credentials", ["Bearer nonsense", "Bearer ", "Bearer key-admin x", "Basic a2V5OmE="]
)
def test_wrong_credentials_are_401(place: Site, credentials: str) -> None:
    answer = place.client().get("/api/v1/incidents", headers={"Authorization": credentials})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
