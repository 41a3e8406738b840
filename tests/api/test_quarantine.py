"""Refusals over HTTP: judged anew, and dropped with a line that says by whom."""

from domain.accounts import Role
from tests.support.api_world import Site


def test_originals_are_judged_by_the_present_decoder(place: Site) -> None:
    entry_id = place.refuse()
    answer = place.client(Role.ENGINEER).get(f"/api/v1/quarantine/{entry_id}/replay").json()
    assert answer["outcomes"] == {"decoded": 0, "duplicated": 0, "refused": 1}
    assert answer["refused_because"] == {"not_utf8": 1}
    assert answer["messages"][0]["then"] == "not_json"
    page = place.client(Role.ENGINEER).get(f"/quarantine/{entry_id}").text
    assert "What would become of them now" in page
    assert "Not UTF-8" in page


def test_a_drop_says_who_and_why(place: Site) -> None:
    entry_id = place.refuse()
    client = place.client(Role.ADMIN)
    path = f"/api/v1/quarantine/{entry_id}"
    dropped = client.delete(f"{path}?note=a+test").json()
    assert (dropped["dropped_by"], dropped["note"], dropped["count"]) == ("key:admin", "a test", 1)
    assert client.get("/api/v1/quarantine-drops").json()["items"] == [dropped]
    for answer in (client.get(path), client.get(f"{path}/replay"), client.delete(path)):
        assert answer.status_code == 404
    assert client.delete(f"{path}?note={'x' * 3_000}").status_code == 422
