"""Pages as the server renders them."""

from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from api.console import show
from api.console.texts import OBSERVATIONS, TEXTS, Language
from api.live import stale_after_s
from domain.accounts import Role
from domain.equipment import Firm
from domain.findings import Evidence
from domain.incidents import (
    CloseReason,
    IncidentAction,
    IncidentEvent,
    IncidentKind,
    IncidentState,
    Level,
)
from domain.instants import seconds
from domain.refusals import RefusalReason
from tests.support.api_world import LIFT, NOW_NS, Site, finding, lift_readings

VOID = {"meta", "link", "input", "br"}
NASTY = "<img src=x onerror=alert(1)>"


class Structure(HTMLParser):
    """Checks nesting, and collects ids, labels and fields."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.fields: set[str] = set()
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "label":
            self.labelled.add(str(values.get("for")))
        if tag in {"input", "select", "textarea"} and values.get("type") != "hidden":
            self.fields.add(str(values.get("id")))
        if tag == "script" and "src" not in values and values.get("type") != "application/json":
            self.inline.append(tag)
        self.inline += [name for name in values if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            raise AssertionError(f"</{tag}> closes nothing")


def client(place: Site, role: Role = Role.ADMIN, language: str = "en") -> TestClient:
    made = place.client(role)
    made.cookies.set("equipwatch_language", language)
    made.headers["accept"] = "text/html"
    return made


def addresses(place: Site) -> list[str]:
    incident = place.raise_incident()
    lift_readings(place, NOW_NS - seconds(300))
    return [
        "/",
        f"/incidents/{incident.id}",
        "/equipment",
        "/equipment?text=Canal&kind=lift",
        "/equipment/L1",
        "/equipment/C1",
        "/ledger",
        "/ledger/L1",
        "/quarantine",
        f"/quarantine/{place.refuse()}",
        f"/shadow/{place.candidate()}",
        "/shadow",
        "/login",
        "/nowhere",
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_is_sound_in_both_languages(place: Site, language: str) -> None:
    reader = client(place, language=language)
    for address in addresses(place):
        answer = reader.get(address)
        assert answer.headers["content-type"].startswith("text/html"), address
        page = Structure()
        page.feed(answer.text)
        assert page.open == [], address
        assert len(page.ids) == len(set(page.ids)), address
        assert page.fields <= page.labelled, address
        assert page.inline == [], address
        assert f'<html lang="{language}">' in answer.text


def test_the_incident_page_says_what_where_and_whom_to_call(place: Site) -> None:
    incident = place.raise_incident()
    page = client(place).get(f"/incidents/{incident.id}").text
    for words in (
        "Trapped between floors",
        "非平层困人",
        "1 Canal Street",
        "Ms Chen 021-5550199",
        "021-5550100",
        "123456",
        "轿厢在开锁区域外停止",
        "Car stopped outside the unlocking zone",
        "2026-03-05 08:30:00",
        'value="acknowledge"',
    ):
        assert words in page, words
    assert 'value="accept"' not in page


def test_buttons_are_those_of_the_role(place: Site) -> None:
    incident = place.raise_incident()
    address = f"/incidents/{incident.id}"
    assert 'name="act"' not in client(place, Role.ENGINEER).get(address).text
    page = client(place, Role.FIRM).get(address).text
    assert 'value="comment"' in page
    assert 'value="acknowledge"' not in page
    assert "/quarantine" not in client(place, Role.OPERATOR).get("/").text


def test_what_devices_and_people_write_is_never_markup(place: Site) -> None:
    evidence = (
        Evidence(name=NASTY, value=NASTY),
        Evidence(name="note", value="</script>" + NASTY),
    )
    incident = place.raise_incident(finding(evidence=evidence))
    reader = client(place)
    reader.post(f"/api/v1/incidents/{incident.id}/comments", json={"text": NASTY})
    for address in (f"/incidents/{incident.id}", f"/quarantine/{place.refuse()}"):
        page = reader.get(address).text
        assert NASTY not in page
        assert "<script>alert" not in page


def test_rescue_cases_stand_on_top_and_the_urgent_one_first(place: Site) -> None:
    place.raise_incident(kind=IncidentKind.OVERPRESSURE, equipment_id="B1", at_ns=NOW_NS + 9)
    place.raise_incident(
        kind=IncidentKind.ALARM_BUTTON, level=Level.SUSPECTED, equipment_id="L9", at_ns=NOW_NS + 5
    )
    place.raise_incident(equipment_id="L1")
    page = client(place).get("/").text
    order = [page.index(text) for text in ("Trapped between", "Alarm button", "Over-pressure")]
    assert order == sorted(order)
    assert 'data-waiting="2"' in page


def test_a_stale_value_is_shown_as_unknown_with_the_last_one(place: Site) -> None:
    lift_readings(place, NOW_NS - seconds(stale_after_s(LIFT) + 400))
    page = client(place).get("/equipment/L1").text
    assert "Silent for longer than its limit" in page
    row = page[page.index('data-channel="service_mode"') :]
    assert "unknown" in row[: row.index("</tr>")]
    assert "last normal" in row[: row.index("</tr>")]


def test_the_language_is_kept_and_leads_back(place: Site) -> None:
    reader = client(place)
    answer = reader.get("/language/zh?back=/equipment%3Ftext%3Dx", follow_redirects=False)
    assert answer.headers["location"] == "/equipment?text=x"
    assert '<html lang="zh">' in reader.get("/").text
    away = reader.get("/language/en?back=//evil.example", follow_redirects=False)
    assert away.headers["location"] == "/"


def test_a_browser_that_wants_chinese_gets_it(place: Site) -> None:
    reader = place.client()
    page = reader.get("/login", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).text
    assert "用户名" in page
    assert "Name" in reader.get("/login", headers={"Accept-Language": "fr"}).text


def test_without_a_login_pages_lead_to_it_and_back(place: Site) -> None:
    reader = place.client()
    answer = reader.get(
        "/equipment?text=a", headers={"Accept": "text/html"}, follow_redirects=False
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/equipment%3Ftext%3Da"


def test_a_wrong_login_says_so(place: Site) -> None:
    answer = place.client().post(
        "/login",
        data={"name": "operator", "password": "wrong"},
        headers={"Origin": "http://testserver"},
    )
    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text


def test_plotly_comes_out_of_the_package_and_may_be_kept(place: Site) -> None:
    answer = place.client().get("/static/plotly.min.js")
    assert len(answer.content) > 1_000_000
    assert "max-age" in answer.headers["cache-control"]


def test_every_word_stands_in_both_languages() -> None:
    assert all(en and zh for en, zh in (*TEXTS.values(), *OBSERVATIONS.values()))


def test_every_word_of_the_domain_has_a_text() -> None:
    prefixes = {
        "level": Level,
        "state": IncidentState,
        "action": IncidentAction,
        "reason": CloseReason,
        "refusal": RefusalReason,
        "role": Role,
    }
    missing = [
        f"{prefix}_{word}"
        for prefix, words in prefixes.items()
        for word in words
        if f"{prefix}_{word}" not in TEXTS
    ]
    assert not missing


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0, "0 s"), (119, "119 s"), (600, "10 min"), (9_000, "2 h"), (1e6, "12 d")],
)
def test_durations_in_their_largest_sensible_unit(duration_s: float, text: str) -> None:
    assert show.duration(duration_s, Language.EN) == text


def test_history_notes_are_written_in_the_readers_language(place: Site) -> None:
    incident = place.raise_incident()
    with place.state.reading() as tx:
        [opened] = tx.incidents.events(incident.id)
    assert show.note_text(opened, Language.ZH) == "非平层困人 提出，来源 lift_entrapment"  # noqa: RUF001 - Chinese punctuation
    closed = IncidentEvent(
        incident_id="x",
        at_ns=0,
        actor="user:wang",
        action=IncidentAction.CLOSED,
        state=IncidentState.CLOSED,
        note="false_alarm: a child [0123]",
    )
    assert show.note_text(closed, Language.ZH) == "误报: a child [0123]"


def test_a_note_that_nobody_was_notified_is_chinese_too(place: Site) -> None:
    with place.state.writing() as tx:
        tx.registry.put_firm(Firm(id="acme"))
    incident = place.raise_incident()
    address = f"/incidents/{incident.id}"
    assert "未通知任何人" in client(place, language="zh").get(address).text
    assert "nobody was notified" in client(place).get(address).text
