"""The pages of candidates, as the server renders them and in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.testclient import TestClient

from domain.accounts import Role
from domain.equipment import Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind, Level
from domain.instants import seconds
from domain.shadow import CandidateState, Claim, Episode, EpisodeOutcome, Tally, Totals
from tests.console.screenshots import log_in
from tests.console.test_pages import NASTY, Structure
from tests.support.api_world import NOW_NS, Server, Site
from tests.support.browser import needs_chromium

KIND = IncidentKind.ENTRAPMENT_OFF_LEVEL
DAY_NS = seconds(86_400)


@pytest.fixture
def compared(place: Site) -> Site:
    """A candidate with 100 device-days, 4 added, 1 missed, 5 both, and an episode of each side."""
    name = place.candidate()
    tally = Tally(equipment_kind=Kind.LIFT, kind=KIND, both=5, added=4, missed=1)
    claim = Claim(detected_at_ns=NOW_NS, level=Level.SUSPECTED)
    added = Episode(
        candidate=name,
        equipment_id="L1",
        equipment_kind=Kind.LIFT,
        kind=KIND,
        position=1,
        onset_ns=NOW_NS,
        detected_at_ns=NOW_NS,
        outcome=EpisodeOutcome.ADDED,
        shadow=claim,
        evidence=(Evidence(name="stopped_s", value=41.0, unit="s"),),
    )
    missed = Episode(
        candidate=name,
        equipment_id="L9",
        equipment_kind=Kind.LIFT,
        kind=KIND,
        position=2,
        onset_ns=NOW_NS,
        detected_at_ns=NOW_NS,
        outcome=EpisodeOutcome.MISSED,
        live=claim,
        evidence=(Evidence(name="note", value=NASTY),),
    )
    with place.state.writing() as tx:
        tx.shadow.put_totals(name, Totals(device_ns={Kind.LIFT: 100 * DAY_NS}, tallies=(tally,)))
        tx.shadow.put_episodes(name, [added, missed])
    return place


def reader(place: Site, language: str) -> TestClient:
    made = place.client(Role.ENGINEER)
    made.cookies.set("equipwatch_language", language)
    made.headers["accept"] = "text/html"
    return made


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Running", "Added", "Missed", "stopped for", "Trapped between floors"]),
        ("zh", ["试运行中", "多报", "漏报", "停止时长", "非平层困人"]),
    ],
)
def test_the_page_says_what_it_would_have_added_and_missed(
    compared: Site, language: str, words: list[str]
) -> None:
    page = reader(compared, language).get("/shadow/tight").text
    assert [word for word in words if word not in page] == []
    assert "entrapment.off_level_hold_s = 10" in page
    # 9 of the candidate and 6 of live detection in 100 device-days, with their intervals.
    assert '0.09 <span class="hint">0.041–0.17</span>' in page  # noqa: RUF001 - a range
    assert '0.06 <span class="hint">0.022–0.13</span>' in page  # noqa: RUF001
    assert NASTY not in page
    structure = Structure()
    structure.feed(page)
    assert (structure.open, structure.inline) == ([], [])
    assert structure.fields <= structure.labelled


def test_episodes_can_be_told_apart_by_outcome(compared: Site) -> None:
    client = reader(compared, "en")
    added = client.get("/shadow/tight?outcome=added").text
    assert 'href="/equipment/L1"' in added
    assert 'href="/equipment/L9"' not in added


def test_a_candidate_that_has_not_run_is_unknown_and_no_zero(place: Site) -> None:
    place.candidate(has_run=False)
    client = reader(place, "en")
    assert client.get("/shadow").text.count('<span class="unknown">unknown</span>') == 3
    assert "has not taken it over yet" in client.get("/shadow/tight").text


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(locale="en-US") as context:
        made = context.new_page()
        made.set_default_timeout(10_000)
        errors: list[str] = []
        made.on("pageerror", lambda error: errors.append(str(error)))
        yield made
    assert errors == []


@pytest.mark.browser
@needs_chromium
def test_an_engineer_starts_promotes_and_reverts_a_candidate(
    place: Site, server: Server, page: Page
) -> None:
    log_in(page, server.url, "engineer")
    page.goto(f"{server.url}/shadow")
    page.fill("#candidate-name", "tight")
    page.fill("#parameters", "entrapment.off_level_hold = 20")
    page.fill("#reason", "thirty seconds are long")
    page.get_by_role("button", name="Start a candidate").click()
    expect(page.locator("#act-error")).to_contain_text("did you mean off_level_hold_s?")
    page.fill("#parameters", "entrapment.off_level_hold_s = 20")
    page.get_by_role("button", name="Start a candidate").click()
    expect(page.locator("h1")).to_contain_text("tight")
    place.run_candidate("tight")
    page.fill("#reason", "no false alarm in a week")
    page.get_by_role("button", name="Promote: make it live").click()
    line = page.locator("#history tr[data-action=promoted]")
    expect(line).to_contain_text("engineer")
    expect(line).to_contain_text("no false alarm in a week")
    page.fill("#reason", "two false alarms since")
    page.get_by_role("button", name="Revert").click()
    expect(page.locator("#history tr[data-action=reverted]")).to_contain_text("two false alarms")
    with place.state.reading() as tx:
        candidate = tx.shadow.candidate("tight")
        assert candidate is not None
        assert candidate.state is CandidateState.REVERTED
        assert candidate.parameters == {"entrapment": {"off_level_hold_s": 20.0}}
