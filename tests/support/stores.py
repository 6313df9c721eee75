"""Read an MLflow store with MLflow's own client."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run


def runs(folder: Path, experiment: str = "digits") -> list[Run]:
    """The experiment's training runs in the folder's mlflow.db, the latest first."""
    return runs_of(client_of(folder), experiment)


def parents(folder: Path, experiment: str = "digits") -> list[Run]:
    """The runs of the experiment's sweeps in the folder's mlflow.db, the latest first."""
    return parents_of(client_of(folder), experiment)


def runs_of(client: MlflowClient, experiment: str = "digits") -> list[Run]:
    """The experiment's training runs in the client's store, the latest first."""
    return [run for run in _all(client, experiment) if "sweep.key" not in run.data.tags]


def parents_of(client: MlflowClient, experiment: str = "digits") -> list[Run]:
    """The runs of the experiment's sweeps in the client's store, the latest first."""
    return [run for run in _all(client, experiment) if "sweep.key" in run.data.tags]


def client_of(folder: Path) -> MlflowClient:
    """A client of the folder's mlflow.db."""
    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def _all(client: MlflowClient, experiment: str) -> list[Run]:
    stored = client.get_experiment_by_name(experiment)
    assert stored is not None, f"no experiment {experiment} in {client.tracking_uri}"
    return list(client.search_runs([stored.experiment_id], order_by=["attributes.start_time DESC"]))
