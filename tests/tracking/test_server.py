"""Runs on an MLflow server: a real one on loopback, with its own sqlite store and artifact proxy."""

from pathlib import Path

from tests.support.project import Project
from tests.support.servers import mlflow_server
from tests.support.stores import client_of, runs


def test_run_and_its_files_go_to_the_server(changeable: Project, tmp_path: Path) -> None:
    """By `tracking=server`; nothing is written into the server's folders behind its back, and nothing at home."""
    folder = tmp_path / "server"
    with mlflow_server(folder) as url:
        done = changeable.stage("train", "tracking=server", f"tracking.uri={url}", "train.epochs=2")
    assert done.returncode == 0, done.stderr
    (run,) = runs(folder)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert len(client_of(folder).get_metric_history(run.info.run_id, "valid/error")) == 2
    assert list(folder.glob("mlartifacts/*/*/artifacts/weights.png"))
    assert list(folder.glob("mlartifacts/*/models/*/artifacts/data/model.keras"))
    assert not (changeable.folder / "mlflow.db").exists()
