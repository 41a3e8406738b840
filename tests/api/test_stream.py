"""The event stream over a real connection."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from api.events import newest_number
from api.settings import ApiSettings
from domain.accounts import Role
from domain.incidents import IncidentKind
from tests.support.api_world import Server, Site, serving

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    data: dict[str, Any]


@contextmanager
def listening(
    server: Server, role: Role = Role.OPERATOR, headers: dict[str, str] | None = None
) -> Iterator[Iterator[Event]]:
    credentials = {"Authorization": f"Bearer key-{role}"}
    with httpx2.stream(
        "GET",
        f"{server.url}/api/v1/stream",
        headers=credentials | (headers or {}),
        timeout=TIMEOUT_S,
    ) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        if not line and "data" in fields:
            yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
        if not line:
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def next_incident(stream: Iterator[Event]) -> Event:
    return next(event for event in stream if event.name == "incident")


@pytest.fixture
def server(place: Site) -> Iterator[Server]:
    with serving(place.app()) as running:
        yield running


def test_history_lines_arrive_as_they_are_written(place: Site, server: Server) -> None:
    with listening(server) as stream:
        assert next(stream).name == "heartbeat"
        incident = place.raise_incident()
        event = next_incident(stream)
    assert event.data["action"] == "opened"
    assert event.data["incident"]["id"] == incident.id
    assert event.data["incident"]["kind_zh"] == "非平层困人"
    assert event.id == str(event.data["number"])


def test_a_stream_resumes_after_the_last_line_it_gave(place: Site, server: Server) -> None:
    with listening(server) as stream:
        next(stream)
        place.raise_incident()
        last = next_incident(stream).id
    missed = place.raise_incident(kind=IncidentKind.OVERPRESSURE, equipment_id="B1")
    with listening(server, headers={"Last-Event-ID": last}) as stream:
        assert next_incident(stream).data["incident"]["id"] == missed.id
    with listening(server, headers={"Last-Event-ID": "0"}) as stream:
        assert next_incident(stream).data["number"] == 1


def test_a_first_connection_tells_nothing_old(place: Site, server: Server) -> None:
    place.raise_incident()
    with listening(server) as stream:
        first, second = next(stream), next(stream)
    assert (first.name, second.name) == ("heartbeat", "heartbeat")
    assert first.data["number"] == 1


def test_a_firm_hears_of_its_own_incidents_only(place: Site, server: Server) -> None:
    with listening(server, Role.FIRM) as stream:
        next(stream)
        place.raise_incident(equipment_id="L9")
        own = place.raise_incident(equipment_id="L1")
        assert next_incident(stream).data["incident"]["id"] == own.id


def test_the_stream_needs_credentials(server: Server) -> None:
    assert httpx2.get(f"{server.url}/api/v1/stream", timeout=TIMEOUT_S).status_code == 401


def test_streams_are_bounded_and_given_back(place: Site) -> None:
    place.settings = ApiSettings(
        session_secret=b"s" * 32, stream_clients=1, stream_poll_s=0.05, heartbeat_s=0.1
    )
    headers = {"Authorization": "Bearer key-operator"}
    with serving(place.app()) as server:
        with listening(server) as stream:
            next(stream)
            refused = httpx2.get(f"{server.url}/api/v1/stream", headers=headers, timeout=TIMEOUT_S)
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
        deadline = time.monotonic() + TIMEOUT_S
        while server.context.slots.open:
            assert time.monotonic() < deadline, "the slot was not given back"
            time.sleep(0.02)
        with listening(server) as stream:
            assert next(stream).name == "heartbeat"


def test_the_newest_line_is_found(place: Site) -> None:
    assert newest_number(place.state) == 0
    for kind in (IncidentKind.ALARM_BUTTON, IncidentKind.LIFT_FAULT, IncidentKind.DEVICE_OFFLINE):
        place.raise_incident(kind=kind)
        with place.state.reading() as tx:
            newest = tx.incidents.events_after(0)[-1].number
        assert newest_number(place.state) == newest
