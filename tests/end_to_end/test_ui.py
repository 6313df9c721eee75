"""MLflow's UI in a browser: a sweep's link shows its runs, their curves and their weight images."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, expect

from tests.support import browser
from tests.support.project import Project
from tests.support.servers import free_port, wait_for
from tests.support.stores import parents

pytestmark = pytest.mark.browser

NAMES = [f"lr={rate} batch={size} train.epochs=4" for rate in (0.05, 0.2) for size in (50, 100)]
OVERRIDES = [
    "train.learning_rate=0.05,0.2",
    "train.batch_size=50,100",
    "train.epochs=4",
    "tracking.weight_images_every=2",
]

MAX_LOADS = 4  # of a page without images
MAX_KEYS = 12  # for a slider that does not move

expect.set_options(timeout=browser.TIMEOUT_MS)


@dataclass(frozen=True)
class Served:
    """A project with a sweep, and the UI that shows it."""

    project: Project
    port: int
    last_line: str  # of the sweep's stdout
    link: str  # printed by `python -m pipeline.ui`


@pytest.fixture(scope="module")
def served(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A sweep of four jobs and one other run. Ctrl-C ends the UI with exit code 0."""
    project = digits.copy(tmp_path_factory.mktemp("ui") / "project")
    assert project.stage("train", "train.learning_rate=0.7", "train.epochs=1").returncode == 0
    sweep = project.stage("train", "-m", *OVERRIDES)
    assert sweep.returncode == 0, sweep.stderr
    port = free_port()
    with project.start_stage("ui", "--port", str(port)) as process:
        assert process.stdout is not None
        name, _, link = process.stdout.readline().strip().partition(": ")
        assert name == "digits"
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield Served(project, port, sweep.stdout.splitlines()[-1], link)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A browser page that is large enough for all charts of a sweep."""
    with browser.page(1440, 2000) as opened:
        yield opened


def test_sweep_ends_with_the_link_that_the_ui_prints(served: Served) -> None:
    """The sweep's link and the UI's link differ only in the port. `make ui` uses the default port."""
    assert served.last_line.startswith("its charts, while `make ui` runs: http://127.0.0.1:5001/#/experiments/")
    assert served.last_line.partition("/#")[2] == served.link.partition("/#")[2]
    assert served.link.startswith(f"http://127.0.0.1:{served.port}/#")


def test_children_are_listed_under_their_parent(served: Served, page: Page) -> None:
    """The parent run can be expanded. The names of its child runs contain the swept settings."""
    page.goto(served.link.partition("&compareRunsMode")[0], wait_until="commit")
    parent = page.get_by_role("row").filter(has_text="sweep of 4: learning_rate x batch_size")
    for name in NAMES:
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    parent.get_by_role("button").click()
    for name in NAMES:
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()


def test_link_shows_the_curves_and_the_weights_of_the_sweep(served: Served, page: Page) -> None:
    """The link shows only the sweep's jobs: parallel coordinates, an error curve each, and the last weight images."""
    requested: list[str] = []
    page.on("request", lambda request: requested.append(unquote(request.url)))
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
    _slide(weights.get_by_role("slider"), "4")  # the last epoch, which is in the link
    images = weights.locator("img")
    expect(images).to_have_count(len(NAMES))
    for image in images.all():
        expect(image).to_have_js_property("naturalWidth", 256)
    # MLflow 3.17 has the addresses in the page, and 3.18 loads them into blobs.
    assert len({url for url in requested if "/weights+step+4+" in url}) == len(NAMES)


def _await_images(page: Page, card: Locator) -> None:
    """Wait until the card has images; reload the page if there are none.

    On a busy machine MLflow's page sometimes requests no images until it is reloaded.
    """
    for _ in range(MAX_LOADS - 1):
        card.scroll_into_view_if_needed()  # a card outside of the viewport loads no images
        with suppress(PlaywrightError):
            return card.locator("img").first.wait_for(timeout=browser.TIMEOUT_MS / MAX_LOADS)
        page.reload(wait_until="commit")
    return expect(card.locator("img").first).to_be_visible()


def _slide(slider: Locator, epoch: str) -> None:
    """Move the slider to the right until it is at the epoch.

    On a busy machine MLflow's slider sometimes starts at 0 or misses keys.
    """
    for _ in range(MAX_KEYS):
        with suppress(AssertionError):
            return expect(slider).to_have_attribute("aria-valuenow", epoch, timeout=browser.TIMEOUT_MS / MAX_KEYS)
        slider.press("ArrowRight")
    return None


def test_parent_run_page_links_to_the_charts(served: Served, page: Page) -> None:
    """The link in the parent run's description works on any host and port."""
    (parent,) = parents(served.project.folder)
    base_url = served.link.partition("#")[0]
    page.goto(f"{base_url}#/experiments/{parent.info.experiment_id}/runs/{parent.info.run_id}", wait_until="commit")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="The sweep's charts").click()
    expect(opened.value.get_by_text("4 matching runs")).to_be_visible()


def test_used_port_and_missing_store_are_reported(served: Served, fresh: Project) -> None:
    """Either error has one line, and the command exits with 2."""
    for project, message in ((served.project, "cannot be used"), (fresh, "run `dvc repro`")):
        done = project.stage("ui", "--port", str(served.port))
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
