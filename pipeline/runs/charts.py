"""The charts of a sweep in MLflow's UI: a saved view of the experiment, and links that open it.

A view is a tag of the experiment: the state of the UI as JSON. MLflow does not document its layout; this is the layout
of versions 3.17 and 3.18. The view has no name. The UI lists named views, and lets users save no more than forty.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from mlflow.entities import Experiment
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from pipeline.runs.parent_run import KEY, Parent
from pipeline.tracking.store import Client, Store

TAG = "mlflow.sharedViewState."
MAX_AXES = 6  # of settings: a sweep over presets varies many
MAX_RUN_IDS = 450  # that a view lists: with more it would be too long for a tag of MLflow
SHOWN_IMAGES = 10  # runs whose weight images MLflow shows side by side
IMAGE_EPOCH = re.compile(r"/weights\+step\+(\d+)\+")  # in the path of an image of MLflow's log_image
CURVES = {"lineSmoothness": 0, "displayPoints": False}  # as measured
LOOPBACK, PORT = "127.0.0.1", 5001  # where `make ui` serves a sqlite store


def save_view(parent: Parent, params: Sequence[str], image_epoch: int, run_ids: Sequence[str] = ()) -> None:
    """Save the view of a sweep: the children of its run, or the runs with these ids.

    `params` are plotted against the best validation error; `image_epoch` is the epoch of the weight images, 0 for none.
    """
    store = parent.store
    state = json.dumps({**_selection(parent, run_ids), **_charts(params, image_epoch)})
    known = store.client.get_experiment(store.experiment_id).tags
    store.client.set_experiment_tag(store.experiment_id, TAG + parent.id, state)
    if TAG + parent.id not in known:  # later it may be the user's own description of the run
        parent.log({}, {MLFLOW_RUN_NOTE: f"[The sweep's charts]({_link('', store.experiment_id, parent.id)})"})


def last_image_epoch(client: Client, run_ids: Sequence[str]) -> int:
    """The last epoch at which all of these runs have a weight image; 0 where there is none."""
    epochs = []
    for run_id in run_ids:
        matches = (IMAGE_EPOCH.search(file.path) for file in client.list_artifacts(run_id, "images"))
        epochs.append({int(match[1]) for match in matches if match})
    return max(set.intersection(*epochs), default=0) if epochs else 0


def link_line(store: Store, parent: str) -> str:
    """A line with a link to the charts of the sweep with this run."""
    condition = "" if is_server(store.uri) else ", while `make ui` runs"
    return f"its charts{condition}: {_link(address(store.uri), store.experiment_id, parent)}"


def links(client: Client, ui: str) -> Iterator[tuple[str, str]]:
    """The experiments that have runs, by name, and a link to their charts: of the latest sweep, if there is one."""
    for experiment in client.search_experiments():
        if client.search_runs([experiment.experiment_id], max_results=1):
            yield experiment.name, _link(ui, experiment.experiment_id, _latest(client, experiment))


def address(uri: str, port: int = PORT) -> str:
    """The address of a store's UI: a server's own, without credentials, or that of `make ui`."""
    if not is_server(uri):
        return f"http://{LOOPBACK}:{port}/"
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/"


def is_server(uri: str) -> bool:
    """Whether the store has a UI of its own."""
    return uri.startswith(("http://", "https://"))


def _link(ui: str, experiment_id: str, view: str | None) -> str:
    shared = f"&viewStateShareKey={view}" if view else ""
    # Without a workflow type MLflow shows an empty page about language models.
    return f"{ui}#/experiments/{experiment_id}/runs?workflowType=machine_learning&compareRunsMode=CHART{shared}"


def _latest(client: Client, experiment: Experiment) -> str | None:
    """The run of the latest sweep, if it has a view."""
    sweeps = client.search_runs(
        [experiment.experiment_id], f"tags.`{KEY}` LIKE '%'", order_by=["attributes.start_time DESC"], max_results=1
    )
    return next((run.info.run_id for run in sweeps if TAG + run.info.run_id in experiment.tags), None)


def _selection(parent: Parent, run_ids: Sequence[str]) -> dict[str, Any]:
    """The runs of the view, the best first; the twenty best ones are drawn."""
    query = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent.id}'"
    if 0 < len(run_ids) <= MAX_RUN_IDS:
        query = "attributes.run_id IN ({})".format(",".join(f"'{run_id}'" for run_id in run_ids))
    return {
        "searchFilter": query,
        "orderByKey": "metrics.`best/valid_error`",
        "orderByAsc": True,
        "runsHiddenMode": "FIRST_20_RUNS",
    }


def _charts(params: Sequence[str], image_epoch: int) -> dict[str, Any]:
    """Parallel coordinates of the settings, validation curves, and weight images side by side."""
    axes = list(params[:MAX_AXES])
    charts = [
        _chart("PARALLEL", "sweep", selectedParams=axes, selectedMetrics=["best/valid_error"], showAllRuns=True),
        _chart("LINE", "sweep", metricKey="valid/error", selectedMetricKeys=["valid/error"], **CURVES),
    ]
    if image_epoch:
        charts.append(_chart("IMAGE", "weights", imageKeys=["weights"], step=image_epoch, showRunParams=False))
    return {
        "compareRunSections": [_section("sweep", 2, 400), _section("weights", 1, 640)],
        "compareRunCharts": charts,
        "isAccordionReordered": True,  # else MLflow puts its own sections between these
    }


def _chart(kind: str, section: str, **more: object) -> dict[str, Any]:
    return {
        "uuid": f"{section}-{kind}",
        "type": kind,
        "metricSectionId": section,
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": 20,
        **more,
    }


def _section(name: str, columns: int, height: int) -> dict[str, Any]:
    """`height` is in pixels."""
    return {
        "uuid": name,
        "name": name,
        "display": True,
        "deleted": False,
        "isGenerated": False,
        "isReordered": False,
        "columns": columns,
        "cardHeight": height,
    }
