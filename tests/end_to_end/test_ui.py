"""What a user sees in MLflow's UI, in a browser: a sweep's link leads to its runs, their curves and their weights."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, expect

from tests.support import browser
from tests.support.project import Project
from tests.support.servers import free_port, wait_for
from tests.support.stores import parents

pytestmark = pytest.mark.browser

NAMES = [f"lr={rate} batch={size} train.epochs=4" for rate in (0.05, 0.2) for size in (50, 100)]
WORDS = ["train.learning_rate=0.05,0.2", "train.batch_size=50,100", "train.epochs=4", "tracking.weight_images_every=2"]

LOADS = 4  # of a page whose images do not come
KEYS = 12  # for a slider that does not move

expect.set_options(timeout=browser.PATIENCE)


@dataclass(frozen=True)
class Served:
    """A project with a sweep, and the UI that shows it."""

    project: Project
    port: int
    told: str  # the sweep's last line
    link: str  # that the UI's command printed


@pytest.fixture(scope="module")
def served(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Four jobs of a sweep and one run beside it; at the end Ctrl-C, which is no failure."""
    project = digits.copy(tmp_path_factory.mktemp("ui") / "project")
    assert project.stage("train", "train.learning_rate=0.7", "train.epochs=1").returncode == 0
    swept = project.stage("train", "-m", *WORDS)
    assert swept.returncode == 0, swept.stderr
    port = free_port()
    process = project.start("ui", "--port", str(port))
    try:
        assert process.stdout is not None
        name, _, link = process.stdout.readline().strip().partition(": ")
        assert name == "digits"
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield Served(project, port, swept.stdout.splitlines()[-1], link)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A browser's page that has room for all of a sweep's charts."""
    with browser.page(1440, 2000) as shown:
        yield shown


def test_sweep_ends_with_the_link_that_the_ui_prints(served: Served) -> None:
    """But for the port, which `make ui` leaves as it is."""
    assert served.told.startswith("its charts, while `make ui` runs: http://127.0.0.1:5001/#/experiments/")
    assert served.told.partition("/#")[2] == served.link.partition("/#")[2]
    assert served.link.startswith(f"http://127.0.0.1:{served.port}/#")


def test_children_are_listed_under_their_parent(served: Served, page: Page) -> None:
    """With names that tell what was tried, as soon as the sweep is opened up."""
    page.goto(served.link.partition("&compareRunsMode")[0], wait_until="commit")
    sweep = page.get_by_role("row").filter(has_text="sweep of 4: learning_rate x batch_size")
    for name in NAMES:
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    sweep.get_by_role("button").click()
    for name in NAMES:
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()


def test_link_shows_the_curves_and_the_weights_of_the_sweep(served: Served, page: Page) -> None:
    """Of its jobs and of no other run: settings against the best error, an error curve each, images that slide."""
    page.goto(served.link, wait_until="commit")
    for name in NAMES:
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    expect(page.get_by_text("4 matching runs")).to_be_visible()
    settings, curves, weights = (
        page.get_by_test_id("experiment-view-compare-runs-card").filter(has_text=title)
        for title in ("Parallel Coordinates", "valid/error", "weights")
    )
    for axis in ("rate", "size", "error"):
        expect(settings).to_contain_text(axis)
    for name in NAMES:
        expect(curves).to_contain_text(f"{name} (valid/error)")
    _await_images(page, weights)
    for step in (2, 4):  # the link's own, and the last, where the slider stays
        images = weights.locator(f"img[src*='weights%2Bstep%2B{step}%2B']")
        _slide(weights.get_by_role("slider"), images)
        expect(images).to_have_count(len(NAMES))
        for image in images.all():
            expect(image).to_have_js_property("naturalWidth", 256)


def _await_images(page: Page, card: Locator) -> None:
    """Until the card has images. On a busy machine MLflow's page has been seen to ask for none until loaded again."""
    for _ in range(LOADS - 1):
        card.scroll_into_view_if_needed()  # what is out of sight loads no images
        with suppress(PlaywrightError):
            return card.locator("img").first.wait_for(timeout=browser.PATIENCE / LOADS)
        page.reload(wait_until="commit")
    return expect(card.locator("img").first).to_be_visible()


def _slide(slider: Locator, images: Locator) -> None:
    """On, until the images are there. On a busy machine MLflow's page was seen to begin at 0, and to miss keys."""
    for _ in range(KEYS):
        with suppress(PlaywrightError):
            return images.first.wait_for(state="attached", timeout=browser.PATIENCE / KEYS)
        slider.press("ArrowRight")
    return None


def test_page_of_the_sweep_leads_to_its_charts(served: Served, page: Page) -> None:
    """For who comes to it in the UI, whatever its address."""
    (parent,) = parents(served.project.folder)
    at = served.link.partition("#")[0]
    page.goto(f"{at}#/experiments/{parent.info.experiment_id}/runs/{parent.info.run_id}", wait_until="commit")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="The sweep's charts").click()
    expect(opened.value.get_by_text("4 matching runs")).to_be_visible()


def test_port_that_is_taken_and_a_store_that_is_missing_are_told(served: Served, fresh: Project) -> None:
    """In one line, and at once."""
    for project, told in ((served.project, "cannot be used"), (fresh, "run `dvc repro`")):
        done = project.stage("ui", "--port", str(served.port))
        assert done.returncode == 2
        assert told in done.stderr
        assert done.stderr.count("\n") == 1
