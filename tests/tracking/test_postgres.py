"""Sweeps on an MLflow server whose store is PostgreSQL, both real ones on loopback."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from pipeline.core.config import Data
from pipeline.data.images import LabelledImages
from pipeline.tracking import datasets, processes
from pipeline.tracking.operations import FindRun
from pipeline.tracking.run import Run
from pipeline.tracking.store import Client, Store
from pipeline.tracking.upload_queue import THREADS
from tests.support.postgres import postgresql
from tests.support.project import Project
from tests.support.servers import mlflow_server
from tests.support.stores import client_of, runs_of
from tests.support.waiting import until

pytestmark = pytest.mark.postgres

# Tags that differ from sweep to sweep.
OWN = ("output_dir", "sweep.id", "process", "mlflow.parentRunId", "journal", "training.seconds")
# Twelve jobs in two banks.
GRID = ("train.learning_rate=0.1,0.2,0.3", "train.l2=0,0.001", "train.batch_size=48,64", "train.epochs=12")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address."""
    with (
        postgresql() as database,
        mlflow_server(tmp_path_factory.mktemp("postgres") / "server", "--backend-store-uri", database) as url,
    ):
        yield url


def test_sweep_leaves_on_the_server_what_it_leaves_in_sqlite(changeable: Project, server: str) -> None:
    """Parallel uploads lose and mix nothing, and MLflow prints no links."""
    sqlite, remote = (
        changeable.stage("train", "-m", *GRID, f"hydra.sweep.dir={changeable.folder}/{name}", MLFLOW_TRACKING_URI=uri)
        for name, uri in (("sqlite", "sqlite:///mlflow.db"), ("server", server))
    )
    assert sqlite.returncode == remote.returncode == 0, sqlite.stderr + remote.stderr
    assert remote.stderr == sqlite.stderr
    assert comparable(remote.stdout) == comparable(sqlite.stdout)
    uploaded, expected = described(MlflowClient(server)), described(client_of(changeable.folder))
    assert len(uploaded) == 12
    for name, run in expected.items():
        assert uploaded[name] == run
    for folder in (changeable.folder / "server").glob("*_lr*"):
        assert (folder / "run_id").read_text().strip() in (folder / "train.log").read_text()


def test_interrupted_sweep_leaves_no_run_running_on_the_server(changeable: Project, server: str) -> None:
    """Each run is KILLED and keeps its metrics up to the interrupt."""
    rates = ",".join(str(rate / 100) for rate in range(1, 21))
    words = [f"train.learning_rate={rates}", "train.epochs=1000000", "train.patience=1000000"]
    where = [f"tracking.uri={server}", "tracking.experiment=interrupted", "tracking.weight_images_every=1000"]
    client = MlflowClient(server)
    with changeable.start_stage("train", "-m", *words, *where) as process:
        until(lambda: states(client) == ["RUNNING"] * 20, process)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "0 of 20 jobs finished" in printed
    assert states(client) == ["KILLED"] * 20


def comparable(printed: str) -> list[str]:
    """The printed lines without times, ids, folders, the fastest job, progress and the link to the charts."""
    different = r"^\[.*?\]|\b[0-9a-f]{8}(?:[0-9a-f]{24})?\b|\S*/\S+|^sweep \S+"
    lines = [re.sub(different, "", line) for line in printed.splitlines()]
    return sorted(
        line for line in lines if not line.startswith(("epoch ", "the one of them that trained fastest", "its charts"))
    )


def described(client: MlflowClient) -> dict[str, Any]:
    """All runs by name, without ids, times and addresses."""
    return {str(run.info.run_name): _run(client, run) for run in runs_of(client)}


def _run(client: MlflowClient, run: Any) -> Any:
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    series = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return [
        run.info.status,
        run.data.params,
        {key: value for key, value in run.data.tags.items() if key not in OWN},
        {name: [(point.step, point.value) for point in points] for name, points in series.items()},
        files(client, run.info.run_id),
        [model.name, model.status, model.params, model.tags],
        sorted((metric.key, metric.value) for metric in model.metrics),
        sorted(file.path for file in client.list_logged_model_artifacts(model.model_id, "data")),
    ]


def files(client: MlflowClient, run_id: str) -> list[tuple[str, int]]:
    """Name and size of each file; names of images without times and ids."""
    listed = [*client.list_artifacts(run_id), *client.list_artifacts(run_id, "images")]
    return sorted((re.sub(r"timestamp\+\d+\+[0-9a-f-]+", "", file.path), file.file_size or 0) for file in listed)


def states(client: MlflowClient) -> list[str]:
    """The states of the interrupted sweep's runs that have metrics."""
    if client.get_experiment_by_name("interrupted") is None:
        return []
    return sorted(run.info.status for run in runs_of(client, "interrupted") if "valid/error" in run.data.metrics)


def test_runs_that_log_the_same_new_data_set_at_once_all_have_it(server: str, tmp_path: Path) -> None:
    """MLflow searches a data set and then inserts it: PostgreSQL accepts only one of several inserts."""
    client = MlflowClient(server)
    data = LabelledImages(np.zeros((3, 8, 8), np.uint8), np.zeros(3, np.uint8))
    for number in range(5):
        store = Store(Client(server), server, client.create_experiment(f"together {number}"))
        ids = [client.create_run(store.experiment_id).info.run_id for _ in range(THREADS)]
        together = [
            Run(store, tmp_path, FindRun(server, "together", processes.this_process(), run_id)) for run_id in ids
        ]
        for run in together:
            run.log_inputs(datasets.inputs(Data(name="zeros", sources=[]), "0" * 32, {datasets.TRAINING: data}))
        for run in together:
            run.close()
            run.wait()
        assert all(len(client.get_run(run_id).inputs.dataset_inputs) == 1 for run_id in ids)
