"""The console in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    expect,
)

from dispatch import desk
from domain.equipment import Kind
from domain.incidents import IncidentKind
from domain.instants import seconds
from tests.console.screenshots import log_in
from tests.support.api_world import Server, Site, lift_readings
from tests.support.batches import make_batch
from tests.support.browser import needs_chromium

pytestmark = [
    pytest.mark.browser,
    needs_chromium,
]

LOST_WAIT_MS = 20_000
WORDS = {
    "en-US": {
        "kind": "Trapped between floors",
        "acknowledge": "Acknowledge",
        "acknowledged": "Acknowledged",
        "lost": "Connection lost",
    },
    "zh-CN": {
        "kind": "非平层困人",
        "acknowledge": "接警",
        "acknowledged": "已接警",
        "lost": "连接已中断",
    },
}


@pytest.fixture
def context(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    locale = getattr(request, "param", "en-US")
    with chromium.new_context(locale=locale) as made:
        made.set_default_timeout(10_000)
        yield made


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Page that fails the test when its scripts do."""
    made = context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.on(
        "console",
        lambda line: errors.append(line.text) if "Content Security" in line.text else None,
    )
    yield made
    assert errors == []


@pytest.mark.parametrize(
    ("context", "locale"), [(name, name) for name in WORDS], indirect=["context"]
)
def test_a_new_incident_is_seen_acknowledged_and_recorded(
    place: Site, server: Server, page: Page, locale: str
) -> None:
    words = WORDS[locale]
    log_in(page, server.url, "operator")
    page.evaluate("window.isFirstLoad = true")
    place.raise_incident(at_ns=place.clock())
    card = page.locator(".rescue a")
    expect(card).to_have_text(words["kind"])
    expect(page.locator("#announce")).to_contain_text(words["kind"])
    assert page.evaluate("window.isFirstLoad")
    assert page.title().startswith("(1)")
    card.click()
    page.get_by_role("button", name=words["acknowledge"], exact=True).click()
    line = page.locator("#history tr[data-action=acknowledged]")
    expect(line).to_contain_text("operator")
    expect(page.locator("#head .state")).to_have_text(words["acknowledged"])
    assert page.get_attribute("html", "lang") == locale[:2]


def test_the_evidence_plot_shows_the_readings_around_the_event(
    place: Site, server: Server, page: Page
) -> None:
    now_ns = place.clock()
    lift_readings(place, now_ns)
    incident = place.raise_incident(at_ns=now_ns)
    log_in(page, server.url)
    page.goto(f"{server.url}/incidents/{incident.id}")
    expect(page.locator("#plot .main-svg").first).to_be_visible()
    expect(page.locator("#plot")).to_contain_text("car speed [m/s]")
    expect(page.locator("#plot")).to_contain_text("detected")


def test_a_case_is_opened_by_hand_commented_and_closed(server: Server, page: Page) -> None:
    log_in(page, server.url, "operator")
    page.goto(f"{server.url}/equipment")
    page.fill("#text", "123456")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Open a rescue case").click()
    page.fill("#note", "an old lady calls")
    page.get_by_role("button", name="Open rescue case").click()
    expect(page.locator("#history")).to_contain_text("an old lady calls")
    page.fill("#note", "she is calm")
    page.get_by_role("button", name="Add comment").click()
    expect(page.locator("#history")).to_contain_text("she is calm")
    expect(page.locator("#note")).to_have_value("")
    page.select_option("#close-reason", "self_released")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#history tr[data-action=closed]")).to_contain_text("Released themselves")
    expect(page.locator("#steps")).to_contain_text("Nothing left to do")


def test_what_another_did_first_is_explained(place: Site, server: Server, page: Page) -> None:
    incident = place.raise_incident(kind=IncidentKind.OVERPRESSURE, equipment_id="B1")
    log_in(page, server.url, "operator")
    page.route("**/stream*", lambda route: route.abort())
    page.goto(f"{server.url}/incidents/{incident.id}")
    button = page.get_by_role("button", name="Acknowledge", exact=True)
    expect(button).to_be_enabled()
    with place.state.writing() as tx:
        desk.acknowledge(tx, incident.id, "user:li", place.clock())
    button.click()
    expect(page.locator("#act-error")).to_contain_text("a person may record now: resolved")
    expect(page.locator("#history tr[data-action=acknowledged]")).to_contain_text("li")


@pytest.mark.parametrize(
    ("context", "locale"), [(name, name) for name in WORDS], indirect=["context"]
)
def test_a_lost_connection_is_shown_until_it_is_back(
    place: Site, server: Server, page: Page, locale: str
) -> None:
    page.clock.install()
    log_in(page, server.url, "operator")
    banner = page.locator("#lost")
    expect(banner).to_be_hidden()
    server.stop_streams()
    page.wait_for_selector("#line:not(.on)")
    page.clock.fast_forward(LOST_WAIT_MS)
    expect(banner).to_contain_text(WORDS[locale]["lost"])
    place.raise_incident(at_ns=place.clock())
    expect(page.locator(".rescue")).to_have_count(0)
    server.start_streams()
    page.clock.run_for(3_000)
    expect(banner).to_be_hidden()
    expect(page.locator(".rescue")).to_have_count(1)


def test_sound_is_off_until_it_is_enabled_and_calls_for_a_new_rescue(
    place: Site, server: Server, page: Page
) -> None:
    log_in(page, server.url, "operator")
    sound = page.locator("#sound")
    expect(sound).to_have_attribute("data-state", "off")
    sound.click()
    expect(sound).to_have_attribute("data-state", "on")
    expect(sound).to_have_attribute("aria-pressed", "true")
    place.raise_incident(kind=IncidentKind.OVERPRESSURE, equipment_id="B1", at_ns=place.clock())
    expect(page.locator("#board")).to_contain_text("Over-pressure")
    assert sound.get_attribute("data-called") is None
    rescue = place.raise_incident(at_ns=place.clock())
    expect(sound).to_have_attribute("data-called", rescue.id)


def test_live_values_are_refreshed(place: Site, server: Server, page: Page) -> None:
    lift_readings(place, place.clock() - seconds(400))
    log_in(page, server.url, "operator")
    page.goto(f"{server.url}/equipment/L1")
    position = page.locator("[data-channel=car_position] td").nth(1)
    expect(position).to_have_text("5")
    expect(page.locator("#plot .main-svg").first).to_be_visible()
    row = {"id": "L1", "t": place.clock(), "v": {"car_position": "B2"}}
    place.telemetry.append([make_batch(Kind.LIFT, [row], position=2)], 2)
    expect(position).to_have_text("B2")
