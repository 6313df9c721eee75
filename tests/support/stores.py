"""Look into an MLflow store as its UI would."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run


def runs(folder: Path, experiment: str = "digits") -> list[Run]:
    """The experiment's training runs in the folder's mlflow.db, the latest first."""
    return [run for run in _all(folder, experiment) if "sweep.key" not in run.data.tags]


def parents(folder: Path, experiment: str = "digits") -> list[Run]:
    """The runs of the experiment's sweeps, the latest first."""
    return [run for run in _all(folder, experiment) if "sweep.key" in run.data.tags]


def _all(folder: Path, experiment: str) -> list[Run]:
    client = client_of(folder)
    found = client.get_experiment_by_name(experiment)
    assert found is not None, f"no experiment {experiment} in {folder}"
    return list(client.search_runs([found.experiment_id], order_by=["attributes.start_time DESC"]))


def client_of(folder: Path) -> MlflowClient:
    """A client of the folder's mlflow.db."""
    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
