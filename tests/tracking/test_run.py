"""A training run in MLflow has what the README promises, and the right status."""

import re
import signal
from pathlib import Path

import keras
import mlflow.pyfunc
import numpy as np
import pytest

from tests.support.project import Project
from tests.support.stores import client_of, runs


def test_run_of_the_pipeline_has_params_metrics_tags_and_files(digits: Project) -> None:
    """The contracts: resolved config as flat params, metrics by epoch from 1, test figures from evaluate."""
    (run,) = runs(digits.folder)
    client = client_of(digits.folder)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "lr=0.1 batch=64"
    assert run.data.params["train.learning_rate"] == "0.1"
    assert run.data.params["data.split.validation"] == "300"
    assert run.data.params["tracking.experiment"] == "digits"
    assert run.data.tags["data.md5"].endswith(".dir")
    assert run.data.tags["git.commit"] == digits.git("rev-parse", "HEAD~1")
    assert run.data.tags["git.dirty"] == "true"  # conf/config.yaml had been edited and not committed
    assert len(run.data.tags["config.hash"]) == 64
    for name in ("train/loss", "train/error", "valid/loss", "valid/error"):
        history = client.get_metric_history(run.info.run_id, name)
        assert [point.step for point in history] == list(range(1, len(history) + 1))
    errors = [point.value for point in client.get_metric_history(run.info.run_id, "valid/error")]
    assert run.data.metrics["best/valid_error"] == min(errors)
    assert run.data.metrics["best/epoch"] == 1 + int(np.argmin(errors))
    assert 0 < run.data.metrics["test/error"] < 0.2
    assert 0 < run.data.metrics["test/recall/7"] <= 1
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"weights.png", "history.csv", "predictions.csv", "images", "figures"} <= names


def test_weight_images_are_a_series_over_epochs(digits: Project) -> None:
    """The initial ones, where the UI's slider starts, and each tenth epoch's, as conf/tracking/sqlite.yaml says."""
    (run,) = runs(digits.folder)
    paths = [file.path for file in client_of(digits.folder).list_artifacts(run.info.run_id, "images")]
    steps = sorted({int(re.findall(r"weights\+step\+(\d+)\+", path)[0]) for path in paths})
    assert steps[:3] == [0, 10, 20]


def test_logged_model_answers_as_the_model_file_does(digits: Project) -> None:
    """With its signature and pinned requirements."""
    (run,) = runs(digits.folder)
    mlflow.set_tracking_uri(f"sqlite:///{digits.folder / 'mlflow.db'}")
    (logged,) = mlflow.search_logged_models([run.info.experiment_id], output_format="list")
    assert logged.source_run_id == run.info.run_id
    model = mlflow.pyfunc.load_model(logged.model_uri)
    assert model.metadata.signature.inputs.input_types() == [np.dtype("uint8")]
    requirements = (Path(logged.artifact_location.removeprefix("file://")) / "requirements.txt").read_text()
    assert all("==" in line for line in requirements.splitlines())
    pixels = np.load(digits.folder / "prepared/test_images.npy").reshape(-1, 64)
    saved = keras.models.load_model(digits.folder / "models/model.keras")
    np.testing.assert_array_equal(np.asarray(model.predict(pixels)), saved.predict(pixels, verbose=0))


def test_diverged_run_is_failed_with_its_reason(changeable: Project) -> None:
    """It leaves no model file."""
    done = changeable.stage("train", "train.learning_rate=1e38", f"hydra.run.dir={changeable.folder / 'out'}")
    assert done.returncode == 2
    assert "choose a train.learning_rate below 1e+38" in done.stderr
    assert done.stderr.count("\n") == 1
    (run,) = runs(changeable.folder)
    assert run.info.status == "FAILED"
    assert run.data.tags["failure"] == "diverged"
    assert not (changeable.folder / "out" / "model.keras").exists()
    assert "Traceback" in (changeable.folder / "out" / "train.log").read_text()


@pytest.mark.killed
@pytest.mark.parametrize(
    ("number", "message"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")],
)
def test_interrupted_run_is_killed_and_keeps_its_metrics(
    number: signal.Signals, message: str, changeable: Project
) -> None:
    """It must not stay RUNNING."""
    with changeable.start_stage("train", "train.epochs=1000000", "train.patience=1000000") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 5:"):
                process.send_signal(number)
                break
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert errors == f"error: {message}\n"
    (run,) = runs(changeable.folder)
    assert run.info.status == "KILLED"
    assert len(client_of(changeable.folder).get_metric_history(run.info.run_id, "valid/error")) >= 5


@pytest.fixture(scope="module")
def elsewhere(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the store of a training of committed code; the shell had more MLflow variables set."""
    project = digits.copy(tmp_path_factory.mktemp("shell") / "project")
    folder = tmp_path_factory.mktemp("elsewhere")
    variables = {"RUN_ID": "0" * 32, "ACTIVE_MODEL_ID": "m-0", "EXPERIMENT_NAME": "other", "EXPERIMENT_ID": "77"}
    environment = {f"MLFLOW_{name}": value for name, value in variables.items()}
    words = ("train.epochs=2", "tracking.system_metrics_every=0.001")
    done = project.stage("train", *words, MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db", **environment)
    assert done.returncode == 0, done.stderr
    assert not (project.folder / "mlflow.db").exists()
    return folder


def test_mlflow_variables_of_the_shell_do_not_choose_the_run(elsewhere: Path) -> None:
    """MLFLOW_RUN_ID would put all jobs of a sweep into one run. The experiment is that of conf/."""
    (run,) = runs(elsewhere)
    assert run.info.run_id != "0" * 32
    assert run.info.status == "FINISHED"


def test_longer_run_has_system_metrics_and_a_clean_tree_no_diff(elsewhere: Path) -> None:
    """MLflow's UI shows processor and memory as system metrics."""
    (run,) = runs(elsewhere)
    assert run.data.tags["git.dirty"] == "false"
    paths = {file.path for file in client_of(elsewhere).list_artifacts(run.info.run_id, "provenance")}
    assert paths == {"provenance/config.yaml", "provenance/requirements.lock"}
    assert run.data.metrics["system/system_memory_usage_megabytes"] > 100
    assert 0 <= run.data.metrics["system/cpu_utilization_percentage"] <= 100
