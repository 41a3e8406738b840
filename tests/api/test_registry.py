"""Registry, firms and quarantine."""

from domain.accounts import Role
from tests.support.api_world import Site

CSV = """id,kind,name_zh,identifiers,maintenance_firm
L5,lift,五号梯,rescue_code:555555,acme
B9,lorry,,,
L6,lift,,rescue_code:12,
"""


def test_import_takes_good_rows_and_explains_the_others(place: Site) -> None:
    client = place.client(Role.ENGINEER)
    answer = client.post("/api/v1/registry/import", content=CSV.encode()).json()
    assert (answer["accepted"], answer["refused_count"], answer["warning_count"]) == (2, 1, 1)
    [refused] = answer["refused"]
    assert (refused["line"], refused["id"]) == (3, "B9")
    assert "kind" in refused["reasons"][0]
    assert answer["warnings"][0]["id"] == "L6"
    assert client.get("/api/v1/equipment/L5").json()["name_zh"] == "五号梯"


def test_export_is_read_back_as_it_was(place: Site) -> None:
    client = place.client(Role.ENGINEER)
    exported = client.get("/api/v1/registry/export")
    assert exported.headers["content-type"].startswith("text/csv")
    answer = client.post("/api/v1/registry/import", content=exported.content).json()
    assert (answer["accepted"], answer["refused_count"]) == (4, 0)
    assert client.get("/api/v1/registry/export").text == exported.text


def test_an_import_that_cannot_be_right_changes_nothing(place: Site) -> None:
    client = place.client(Role.ENGINEER)
    for content, status in (
        (b"id,kind,colour\nL8,lift,red\n", 422),
        (b"id,kind\nL8,lift\xff\n", 422),
        (b"id,kind\nL8,lift\nL1,boiler\n", 409),
    ):
        answer = client.post("/api/v1/registry/import", content=content)
        assert answer.status_code == status, answer.text
    assert client.get("/api/v1/equipment/L8").status_code == 404


def test_a_firms_secret_is_written_and_never_read(place: Site) -> None:
    client = place.client(Role.ADMIN)
    firm = {"name_en": "New", "webhook_url": "https://hooks.example/x"}
    assert client.put("/api/v1/firms/new", json=firm).status_code == 422
    stored = client.put("/api/v1/firms/new", json=firm | {"webhook_secret": "hush"})
    assert stored.json()["webhook_secret_set"]
    assert "hush" not in stored.text + client.get("/api/v1/firms/new").text
    assert client.put("/api/v1/firms/new", json=firm | {"phone": "1"}).json()["webhook_secret_set"]
    with place.state.reading() as tx:
        kept = tx.registry.firm("new")
    assert kept is not None
    assert (kept.webhook_secret, kept.phone) == ("hush", "1")
    assert client.get("/api/v1/firms/new").json()["webhook_url"] == firm["webhook_url"]
    shown = place.client(Role.OPERATOR).get("/api/v1/firms/new").json()["webhook_url"]
    assert shown == "https://hooks.example/..."
    assert client.put("/api/v1/firms/no spaces", json=firm).status_code == 422


def test_quarantine_gives_the_original_bytes(place: Site) -> None:
    entry_id = place.refuse()
    client = place.client(Role.ENGINEER)
    [entry] = client.get("/api/v1/quarantine?reason=not_json").json()["items"]
    assert (entry["id"], entry["sender"], entry["count"]) == (entry_id, "L1", 1)
    [original] = client.get(f"/api/v1/quarantine/{entry_id}").json()["originals"]
    assert original["payload_bytes"] == 27
    assert original["preview"].startswith("<script>")
    assert "\x00" not in original["preview"]
    assert client.get("/api/v1/quarantine?sender=L2").json()["items"] == []
    assert client.get("/api/v1/quarantine/99").status_code == 404


def test_equipment_is_found_by_kind_and_continues(place: Site) -> None:
    client = place.client(Role.OPERATOR)
    rows = client.get("/api/v1/equipment?kind=lift").json()["items"]
    assert [row["id"] for row in rows] == ["L1", "L9"]
    first = client.get("/api/v1/equipment?limit=2").json()
    rest = client.get(first["next"]).json()
    assert [row["id"] for row in first["items"] + rest["items"]] == ["B1", "C1", "L1", "L9"]
