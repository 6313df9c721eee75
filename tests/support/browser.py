"""A browser of a test's own: Debian's package `chromium`, headless."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

PATIENCE = 120_000  # ms: the first page takes a busy machine a quarter of a minute
# As root, and in containers, its sandbox does not start; it is to ask nobody for updates.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def page(width: int, height: int) -> Iterator[Page]:
    """An empty page of so many pixels.

    Without Chromium the test is skipped, or fails in CI, where nobody would notice that it never runs.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_program(), args=OPTIONS)
        shown = browser.new_page(viewport={"width": width, "height": height})
        shown.set_default_timeout(PATIENCE)
        yield shown
        browser.close()


def _program() -> str:
    found = shutil.which("chromium")
    if found is not None:
        return found
    missing = "chromium is missing: install the Debian package chromium"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
