"""Take the pictures of docs/images: board and incident page of a small made-up site.

Run as ``python -m tests.console.screenshots [DIRECTORY]``.
"""

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from dispatch import desk
from domain.findings import Evidence
from domain.incidents import CloseReason, IncidentKind, Level
from domain.instants import NS_PER_S, seconds
from tests.support.api_world import PASSWORD, Site, finding, lift_readings, serving, site
from tests.support.browser import launch

WIDTH_PX = 1280
HEIGHT_PX = 800
IMAGES = Path(__file__).parents[2] / "docs" / "images"

_EVIDENCE = (
    Evidence(name="stopped_s", value=93.5, unit="s"),
    Evidence(name="door_zone", value=False, log_odds=1.8),
    Evidence(name="door_closed", value=True),
    Evidence(name="passenger_present", value=True, log_odds=2.2),
    Evidence(name="service_mode", value=1.0),
    Evidence(name="load_kg", value=160.0, unit="kg"),
    Evidence(name="gbt24476:04", value=True, log_odds=2.0),
)


def furnish(place: Site) -> str:
    """Fill a site with incidents around now; return the id of the confirmed rescue case."""
    place.is_live = True
    now_ns = time.time_ns() // NS_PER_S * NS_PER_S
    test = place.raise_incident(kind=IncidentKind.ALARM_BUTTON, at_ns=now_ns - seconds(7_200))
    with place.state.writing() as tx:
        desk.acknowledge(tx, test.id, "user:wang", now_ns - seconds(7_100))
        desk.close(tx, test.id, CloseReason.TEST, "user:wang", now_ns - seconds(7_000))
    for kind, level, equipment_id, age_s in (
        (IncidentKind.OVERPRESSURE, Level.CONFIRMED, "B1", 420),
        (IncidentKind.OVERLOAD, Level.CONFIRMED, "C1", 1_260),
        (IncidentKind.LIFT_FAULT, Level.ADVISORY, "L1", 130),
        (IncidentKind.DEVICE_OFFLINE, Level.ADVISORY, "C1", 5_400),
        (IncidentKind.ALARM_BUTTON, Level.SUSPECTED, "L9", 300),
    ):
        place.raise_incident(
            kind=kind, level=level, equipment_id=equipment_id, at_ns=now_ns - seconds(age_s)
        )
    place.raise_incident(
        finding(level=Level.SUSPECTED, at_ns=now_ns - seconds(80), evidence=_EVIDENCE[:5])
    )
    trapped = place.raise_incident(finding(at_ns=now_ns - seconds(20), evidence=_EVIDENCE))
    lift_readings(place, now_ns - seconds(80), until_s=80)
    return trapped.id


def log_in(page: Page, url: str, name: str = "admin") -> None:
    """Log in on the console."""
    page.goto(url)
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("form button.main")
    page.wait_for_selector("#line.on")


def take(browser: Browser, url: str, incident_id: str, directory: Path, locale: str) -> None:
    """Save the pictures of one language."""
    suffix = "" if locale == "en-US" else f"-{locale[:2]}"
    viewport = {"width": WIDTH_PX, "height": HEIGHT_PX}
    with browser.new_context(locale=locale, viewport=viewport) as context:  # type: ignore[arg-type]  # a TypedDict of the stubs
        page = context.new_page()
        log_in(page, url)
        page.screenshot(path=directory / f"board{suffix}.png", full_page=True)
        page.goto(f"{url}/incidents/{incident_id}")
        page.wait_for_selector("#line.on")
        page.wait_for_selector("#plot .main-svg")
        page.screenshot(path=directory / f"incident{suffix}.png", full_page=True)


def main(directory: Path) -> None:
    """Serve a furnished site and take its pictures in English and Chinese."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as place:
        incident_id = furnish(place)
        with serving(place.app()) as server, sync_playwright() as playwright:
            browser = launch(playwright)
            for locale in ("en-US", "zh-CN"):
                take(browser, server.url, incident_id, directory, locale)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
