"""The view of a sweep is saved in the store, and links open it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from pipeline.core.config import Tracking
from pipeline.runs import charts
from pipeline.runs.parent_run import Parent, open_parent
from pipeline.tracking import store

LINK = "#/experiments/{}/runs?workflowType=machine_learning&compareRunsMode=CHART"


@pytest.fixture
def parent(tmp_path: Path) -> Parent:
    """The run of a new sweep, in an experiment with spaces in the name."""
    tracking = Tracking(f"sqlite:///{tmp_path}/mlflow.db", "my digits", 10, 1.0)
    return open_parent(store.connect(tracking), "key", "sweep of 2: l2", {}, {}, fresh=False)


def view(parent: Parent) -> dict[str, Any]:
    """The sweep's view as it was saved."""
    tags = parent.store.client.get_experiment(parent.store.experiment_id).tags
    saved: dict[str, Any] = json.loads(tags[f"mlflow.sharedViewState.{parent.id}"])
    return saved


def runs_of_view(parent: Parent) -> set[str]:
    """The runs that match the filter of the view."""
    runs = parent.store.client.search_runs([parent.store.experiment_id], view(parent)["searchFilter"])
    return {run.info.run_id for run in runs}


def run_of(client: MlflowClient, parent: Parent, tags: dict[str, str] | None = None) -> str:
    return str(client.create_run(parent.store.experiment_id, tags=tags).info.run_id)


def test_view_shows_the_jobs_of_the_sweep_and_reused_runs(parent: Parent) -> None:
    """Not other runs of the experiment. With more runs than a view can list it shows the children of the sweep."""
    client = parent.store.client
    child = run_of(client, parent, {"mlflow.parentRunId": parent.id})
    reused, _ = run_of(client, parent), run_of(client, parent)
    charts.save_view(parent, ["train.l2"], 10)
    assert runs_of_view(parent) == {child}
    charts.save_view(parent, ["train.l2"], 10, [child, reused])
    assert runs_of_view(parent) == {child, reused}
    for number, expected in ((charts.MAX_RUN_IDS, {reused}), (charts.MAX_RUN_IDS + 1, {child})):
        charts.save_view(parent, ["a.setting.with.a.long.name"] * 99, 10, [reused, *[reused[::-1]] * (number - 1)])
        assert runs_of_view(parent) == expected


def test_page_of_the_sweep_leads_to_its_charts(parent: Parent) -> None:
    """The link is not written over a description by the user."""
    client = parent.store.client
    charts.save_view(parent, ["train.l2"], 10)
    described = client.get_run(parent.id).data.tags["mlflow.note.content"]
    assert f"({LINK.format(parent.store.experiment_id)}&viewStateShareKey={parent.id})" in described
    client.set_tag(parent.id, "mlflow.note.content", "my best sweep")
    charts.save_view(parent, ["train.l2"], 10)
    assert client.get_run(parent.id).data.tags["mlflow.note.content"] == "my best sweep"


def test_last_image_epoch_is_one_that_all_runs_have(parent: Parent) -> None:
    """A chart shows one epoch of all runs: one that ended early would have no image at a later epoch."""
    client = parent.store.client
    long, short = run_of(client, parent), run_of(client, parent)
    for run_id, epochs in ((long, (0, 10, 20)), (short, (0, 10))):
        for epoch in epochs:
            client.log_image(run_id, np.zeros((2, 2, 3), np.uint8), key="weights", step=epoch)
    assert charts.last_image_epoch(client, [long]) == 20
    assert charts.last_image_epoch(client, [long, short]) == 10
    assert charts.last_image_epoch(client, [long, run_of(client, parent)]) == 0
    assert charts.last_image_epoch(client, []) == 0


def test_charts_without_weight_images_where_none_are_kept(parent: Parent) -> None:
    """There is no empty chart."""
    charts.save_view(parent, ["train.l2"], 0)
    assert [chart["type"] for chart in view(parent)["compareRunCharts"]] == ["PARALLEL", "LINE"]


def test_links_lead_to_the_latest_sweep_or_to_all_runs(parent: Parent) -> None:
    """A link to a view that does not exist would open an error page."""
    client = parent.store.client
    empty, everything = client.create_experiment("empty"), LINK.format(parent.store.experiment_id)
    assert list(charts.links(client, "http://x/")) == [("my digits", f"http://x/{everything}")]
    charts.save_view(parent, ["train.l2"], 10)
    assert list(charts.links(client, "http://x/")) == [
        ("my digits", f"http://x/{everything}&viewStateShareKey={parent.id}")
    ]
    client.create_run(empty)
    assert ("empty", f"http://x/{LINK.format(empty)}") in charts.links(client, "http://x/")


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sqlite:////x/mlflow.db", "http://127.0.0.1:5001/"),
        ("postgresql+psycopg2://me:secret@db/x", "http://127.0.0.1:5001/"),
        ("http://127.0.0.1:5002/", "http://127.0.0.1:5002/"),
        ("https://me:sec@ret@mlflow.example:8443/some/prefix/", "https://mlflow.example:8443/some/prefix/"),
    ],
)
def test_address_of_the_ui(uri: str, address: str) -> None:
    """The address of a server without the password, or that of `make ui` for other stores."""
    assert charts.address(uri) == address
