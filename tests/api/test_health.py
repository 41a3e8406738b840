"""Liveness, readiness and numbers."""

import pytest

from api.settings import ApiSettings
from domain.accounts import Role
from domain.errors import DependencyError
from tests.support.api_world import Site


def test_alive_and_ready(place: Site) -> None:
    client = place.client()
    assert client.get("/livez").json() == {"status": "alive"}
    parts = client.get("/readyz").json()["parts"]
    assert parts == ["state_store", "telemetry_store", "pipeline"]


@pytest.mark.parametrize(
    ("state", "reason"), [("40 s behind", "40 s behind"), (False, "not ready")]
)
def test_not_ready_says_why(place: Site, state: str | bool, reason: str) -> None:
    place.ready["pipeline"] = state
    answer = place.client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == {"pipeline": reason}


def test_a_state_store_that_is_away_is_a_reason(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise DependencyError("no database")

    monkeypatch.setattr(place.state, "reading", away)
    assert place.client().get("/readyz").json()["reasons"] == {"state_store": "no database"}
    assert place.client().get("/livez").status_code == 200


def test_metrics_count_without_naming_equipment(place: Site) -> None:
    place.raise_incident()
    client = place.client(Role.ENGINEER)
    client.get("/api/v1/equipment/L1")
    client.get("/api/v1/equipment/none")
    client.get("/some/where")
    text = client.get("/metrics").text
    route = 'method="GET",route="/api/v1/equipment/{equipment_id}"'
    assert f'equipwatch_http_requests_total{{{route},status="200"}} 1.0' in text
    assert f'equipwatch_http_requests_total{{{route},status="404"}} 1.0' in text
    assert 'equipwatch_incidents_open{kind="entrapment_off_level",level="confirmed"} 1.0' in text
    assert "equipwatch_pipeline_lag_seconds 0.5" in text
    assert "equipwatch_notifications_pending 1.0" in text
    assert "L1" not in text
    assert "/some/where" not in text


def test_metrics_may_be_public(place: Site) -> None:
    place.settings = ApiSettings(session_secret=b"s" * 32, metrics_public=True)
    assert place.client().get("/metrics").status_code == 200
