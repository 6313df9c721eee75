"""A headless browser for tests: Debian's package `chromium`."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

TIMEOUT_MS = 120_000  # the first page can take 15 s on a busy machine
# Chromium's sandbox does not start as root or in containers. Without background networking it looks for no updates.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def page(width: int, height: int) -> Iterator[Page]:
    """Open an empty page of width x height pixels.

    Without Chromium the test is skipped. In CI it fails instead, because a skipped test is easily overlooked there.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=OPTIONS)
        opened = browser.new_page(viewport={"width": width, "height": height})
        opened.set_default_timeout(TIMEOUT_MS)
        yield opened
        browser.close()


def _chromium() -> str:
    path = shutil.which("chromium")
    if path is not None:
        return path
    missing = "chromium is missing: install the Debian package chromium"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
