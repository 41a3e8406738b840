"""Debian's Chromium under Playwright."""

import shutil

import pytest
from playwright.sync_api import Browser, Playwright

CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="CHROMIUM IS MISSING: the console is not tested in a browser"
)

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def launch(playwright: Playwright) -> Browser:
    """Headless browser.

    Raises
    ------
    RuntimeError
        If Chromium is not installed.
    """
    if CHROMIUM is None:
        raise RuntimeError("Chromium is missing: install Debian's package chromium")
    return playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
