"""A run that has used every method of Run."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from mlflow.models import Model

from pipeline.core.config import Data
from pipeline.data.images import LabelledImages
from pipeline.tracking import datasets, processes, store
from pipeline.tracking.operations import CreateRun
from pipeline.tracking.run import Run
from tests.support.stores import runs_of

START = 1_700_000_000_000  # milliseconds since 1970
EPOCHS = 40


def create(opened: store.Store, experiment: str, name: str = "", start: int = 0, **tags: str) -> CreateRun:
    """The first operation of a run with param seed=1."""
    process = processes.this_process()
    return CreateRun(opened.display_uri, experiment, process, name, start, tags, {"seed": "1"})


def log_whole_run(opened: store.Store, experiment: str, output: Path) -> Run:
    """Log everything to a new run, and end it."""
    run = Run(opened, output, create(opened, experiment, "whole", START, a="b"))
    data = LabelledImages(np.zeros((3, 8, 8), np.uint8), np.zeros(3, np.uint8))
    run.log_inputs(datasets.inputs(Data(name="zeros", sources=[]), "0" * 32, {datasets.TRAINING: data}))
    for epoch in range(1, EPOCHS + 1):
        run.log_metrics({"valid/error": 1 / epoch, "train/loss": float("nan") if epoch > 30 else epoch}, epoch)
    for step in (0, 10):
        run.log_image("weights", np.full((300, 300, 3), step, np.uint8), step)
    run.log_text("hello", "provenance/config.yaml")
    output.mkdir(exist_ok=True)
    (output / "note.txt").write_text("note")
    run.log_files([output / "note.txt"], "figures")
    run.set_tags({"model.sha256": "none"})
    run.log_model(SimpleNamespace(save=_save), {"best/epoch": 3})  # type: ignore[arg-type]  # without TensorFlow
    run.end()
    return run


def _save(folder: Path) -> None:
    folder.mkdir()
    Model().save(str(folder / "MLmodel"))


def check(client: MlflowClient, experiment: str) -> MlflowRun:
    """Check that the experiment has one run, with everything once, and return it."""
    (run,) = runs_of(client, experiment)
    run_id = run.info.run_id
    assert (run.info.status, run.info.run_name, run.info.start_time) == ("FINISHED", "whole", START)
    assert run.data.params == {"seed": "1"}
    assert "failure" not in run.data.tags
    assert (run.data.tags["a"], run.data.tags["model.sha256"]) == ("b", "none")
    for name in ("valid/error", "train/loss"):
        steps = [point.step for point in client.get_metric_history(run_id, name)]
        assert sorted(steps) == list(range(1, EPOCHS + 1))
    assert [used.dataset.name for used in run.inputs.dataset_inputs] == ["zeros training"]
    images = [file.path for file in client.list_artifacts(run_id, "images")]
    assert [sum(f"+step+{step}+" in path for path in images) for step in (0, 10)] == [2, 2]
    paths = [client.list_artifacts(run_id, name)[0].path for name in ("figures", "provenance")]
    assert paths == ["figures/note.txt", "provenance/config.yaml"]
    (model,) = client.search_logged_models([run.info.experiment_id])
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert model.status == "READY"
    assert [(metric.key, metric.value) for metric in model.metrics] == [("best/epoch", 3)]
    assert [point.value for point in client.get_metric_history(run_id, "best/epoch")] == [3]
    return run
