"""A logged model equals one that MLflow's own log_model logs."""

from pathlib import Path
from typing import Any

import mlflow
import mlflow.keras
import numpy as np
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.models import infer_signature

from pipeline.model import keras_file, softmax
from pipeline.tracking import processes, store
from pipeline.tracking.logged_model import REQUIREMENTS, SavedModel
from pipeline.tracking.operations import CreateRun
from pipeline.tracking.run import Run
from tests.tracking.test_store import tracking

PARAMS = {"train.learning_rate": "0.1", "seed": "1"}
FIGURES = {"best/epoch": 3, "best/valid_error": 0.25}


@pytest.fixture
def opened(tmp_path: Path) -> store.Store:
    return store.connect(tracking(f"sqlite:///{tmp_path / 'mlflow.db'}"))


def test_logged_model_is_as_mlflow_itself_would_log_it(opened: store.Store, tmp_path: Path) -> None:
    """In the store's records, in the run, and file for file: the UI, `models:/` and `runs:/` know only these."""
    model = softmax.build(64, 10, 16.0, "he_normal", 1)
    pixels = np.arange(128, dtype=np.uint8).reshape(2, 64)
    probabilities = model(pixels).numpy()
    ours = Run(opened, tmp_path, CreateRun(opened.uri, "digits", processes.this_process(), "ours", 0, {}, PARAMS))
    keras_file.save(model, tmp_path / "model.keras")
    ours.log_model(SavedModel(tmp_path / "model.keras", model, pixels, probabilities), FIGURES)
    ours.close()
    ours.wait()
    created = [ours.id, opened.client.create_run(opened.experiment_id).info.run_id]
    with mlflow.start_run(run_id=created[1]):
        mlflow.log_params(PARAMS)
        mlflow.log_metrics(FIGURES, step=0)
        signature = infer_signature(pixels, probabilities)
        mlflow.keras.log_model(model, name="model", signature=signature, pip_requirements=REQUIREMENTS)
    own, theirs = (described(opened.client, run_id) for run_id in created)
    assert own["MLmodel"]["flavors"]["keras"].pop("data") == "served"
    assert theirs["MLmodel"]["flavors"]["keras"].pop("data") == "data"
    assert own["MLmodel"].pop("model_size_bytes") > theirs["MLmodel"].pop("model_size_bytes")
    theirs["files"].add("served/model.keras")
    assert own == theirs
    assert own["files"] == {
        "MLmodel",
        "conda.yaml",
        "data/keras_module.txt",
        "data/model.keras",
        "python_env.yaml",
        "requirements.txt",
        "served/model.keras",
    }, "a pickle would run code where it is read"
    loaded = mlflow.keras.load_model(f"runs:/{created[0]}/model")
    np.testing.assert_array_equal(loaded.predict(pixels, verbose=0), model.predict(pixels, verbose=0))


def described(client: MlflowClient, run_id: str) -> dict[str, Any]:
    run = client.get_run(run_id)
    (output,) = run.outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    folder = Path(logged.artifact_location.removeprefix("file://"))
    about = yaml.safe_load((folder / "MLmodel").read_text())
    assert about.pop("model_id") == about.pop("model_uuid") == logged.model_id
    assert about.pop("artifact_path") == logged.artifact_location
    assert about.pop("run_id") == logged.source_run_id == run_id
    del about["utc_time_created"]
    # The zip of the weights has the time of day in it.
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    texts = {name: (folder / name).read_text() for name in names if name.endswith((".txt", ".yaml"))}
    return {
        "run": (run.data.params, run.data.metrics, output.step),
        "model": (logged.name, logged.status, logged.model_type, logged.params, logged.tags),
        "metrics": sorted((metric.key, metric.value, metric.step) for metric in logged.metrics),
        "MLmodel": about,
        "files": names,
        "texts": texts,
    }
