"""Logging in: cookies, origins, limits."""

import pytest
from starlette.testclient import TestClient

from api.access import SESSION_COOKIE
from api.settings import ApiSettings
from domain.accounts import Role, User
from domain.errors import UsageError
from domain.instants import seconds
from tests.support.api_world import PASSWORD, Site

ORIGIN = {"Origin": "http://testserver"}


def log_in(client: TestClient, name: str = "operator", password: str = PASSWORD) -> int:
    body = {"name": name, "password": password}
    return client.post("/api/v1/session", json=body, headers=ORIGIN).status_code


def test_a_login_gives_a_cookie_that_works(place: Site) -> None:
    client = place.client()
    assert log_in(client) == 200
    answer = client.get("/api/v1/session").json()
    assert (answer["name"], answer["role"]) == ("user:operator", "operator")
    assert "acknowledge" in answer["actions"]


def test_the_cookie_is_for_this_site_and_no_script(place: Site) -> None:
    form = {"name": "operator", "password": PASSWORD}
    answer = place.client().post("/login", data=form, headers=ORIGIN, follow_redirects=False)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_a_change_from_another_site_is_refused(place: Site, origin: str) -> None:
    incident = place.raise_incident()
    client = place.client()
    log_in(client)
    headers = {"Origin": origin} if origin else {}
    address = f"/api/v1/incidents/{incident.id}/acknowledge"
    assert client.post(address, headers=headers).status_code == 403
    form = {"name": "operator", "password": PASSWORD}
    assert client.post("/login", data=form, headers=headers).status_code == 403
    assert client.post(address, headers=ORIGIN).status_code == 200


def test_an_api_key_needs_no_origin(place: Site) -> None:
    incident = place.raise_incident()
    client = place.client(Role.OPERATOR)
    assert client.post(f"/api/v1/incidents/{incident.id}/acknowledge").status_code == 200


def test_a_session_ends(place: Site) -> None:
    client = place.client()
    log_in(client)
    place.now_ns += seconds(place.settings.session_s + 1)
    assert client.get("/api/v1/session").status_code == 401


def test_a_new_password_ends_sessions(place: Site) -> None:
    client = place.client()
    log_in(client)
    with place.state.writing() as tx:
        user = tx.accounts.user("operator")
        assert user is not None
        tx.accounts.put_user(
            User(
                name=user.name,
                password_hash=user.password_hash + "x",
                role=user.role,
                firm_id=None,
                created_at_ns=0,
            )
        )
    assert client.get("/api/v1/session").status_code == 401


def test_logging_out_forgets_the_cookie(place: Site) -> None:
    client = place.client()
    log_in(client)
    assert client.post("/logout", headers=ORIGIN, follow_redirects=False).status_code == 303
    assert client.get("/api/v1/session").status_code == 401


@pytest.mark.parametrize("token", ["", "a.b.c", "b3BlcmF0b3I=.99999999999.00", "é", "." * 600])
def test_a_forged_token_is_401(place: Site, token: str) -> None:
    headers = {"Cookie": f"{SESSION_COOKIE}={token}".encode("latin-1")}
    answer = place.client().get("/api/v1/session", headers=headers)  # type: ignore[arg-type]  # bytes keep what no browser would send
    assert answer.status_code == 401


def test_too_many_failures_wait(place: Site) -> None:
    place.settings = ApiSettings(session_secret=b"s" * 32, login_failures=3, login_window_s=60)
    client = place.client()
    assert [log_in(client, password="wrong") for _ in range(4)] == [401, 401, 401, 429]
    assert log_in(client) == 429
    assert log_in(client, name="engineer") == 200
    place.now_ns += seconds(61)
    assert log_in(client) == 200


@pytest.mark.parametrize("name", ["nobody", "operator\x00", ""])
def test_an_unknown_name_is_a_wrong_login(place: Site, name: str) -> None:
    assert log_in(place.client(), name=name) == 401


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil", "x"])
def test_a_login_leads_to_this_site_only(place: Site, target: str) -> None:
    form = {"name": "operator", "password": PASSWORD, "target": target}
    answer = place.client().post("/login", data=form, headers=ORIGIN, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_settings_refuse_what_would_weaken_the_service() -> None:
    for values in (
        {"session_secret": b"short"},
        {"session_secret": b"s" * 32, "heartbeat_s": 6.0},
        {"session_secret": b"s" * 32, "stream_poll_s": 1.0},
    ):
        with pytest.raises(UsageError):
            ApiSettings(**values)
