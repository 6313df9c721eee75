"""Runs on an MLflow server: a real one on loopback, with its own sqlite store and artifact proxy; and its faults."""

import itertools
import math
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from pipeline import command
from pipeline.config import Data
from pipeline.data.labelled import LabelledImages
from pipeline.errors import StoreError, Unwritten, UserError
from pipeline.tracking import datasets, lane, patience, processes, refusal, store
from pipeline.tracking.account import Account
from pipeline.tracking.lookup import Lookup
from pipeline.tracking.run import Ending, Run
from pipeline.tracking.upload import upload
from tests.support.project import Project
from tests.support.proxy import Proxy, proxy
from tests.support.servers import mlflow_server
from tests.support.stores import client_of, runs, runs_of
from tests.tracking.test_store import tracking

BEGUN, EPOCHS = 1_700_000_000_000, 40  # when the run began, in milliseconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's."""
    return tmp_path_factory.mktemp("server") / "server"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """Its address."""
    with mlflow_server(folder) as url:
        yield url


@pytest.fixture
def between(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What stands before the server; nobody waits long for it."""
    monkeypatch.setattr(patience, "PAUSES", (0.01,))
    monkeypatch.setattr(patience, "SECONDS", 0.3)
    with proxy(server) as state:
        yield state
        lane.drain()


def test_run_and_its_files_go_to_the_server(changeable: Project, server: str, folder: Path) -> None:
    """By `tracking=server`; nothing is written into the server's folders behind its back, and nothing at home."""
    done = changeable.stage("train", "tracking=server", f"tracking.uri={server}", "train.epochs=2")
    assert done.returncode == 0, done.stderr
    (run,) = runs(folder)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert len(client_of(folder).get_metric_history(run.info.run_id, "valid/error")) == 2
    assert list(folder.glob("mlartifacts/*/*/artifacts/weights.png"))
    assert list(folder.glob("mlartifacts/*/models/*/artifacts/data/model.keras"))
    assert not (changeable.folder / "mlflow.db").exists()


def test_training_ends_with_the_command_that_uploads_it_later(changeable: Project, server: str) -> None:
    """Where the server is gone for good: one line, exit code 1, and nothing that was learned is lost."""
    where = ["tracking=server", "tracking.experiment=gone", "hydra.run.dir=out", "train.epochs=15"]
    where.append("tracking.weight_images_every=1")  # several writes an epoch
    impatient = (
        "import runpy, sys; from pipeline.tracking import patience; patience.SECONDS = 1\n"
        f"sys.argv = ['train', *{where}, 'tracking.uri=' + sys.argv[1]]\n"
        "runpy.run_module('pipeline.train', run_name='__main__', alter_sys=True)"
    )
    with proxy(server) as between:
        between.most = 30  # of more than fifty
        done = changeable.run(sys.executable, "-c", impatient, between.url)
        assert done.returncode == 1
        (warning, error) = done.stderr.splitlines() if "\n" in done.stderr.strip() else ("", done.stderr.strip())
        assert "does not answer" in warning + done.stdout
        assert error == (
            f"error: the run could not be written to {between.url} (no answer): when the store is mended, "
            "`python -m pipeline.upload out` writes it"
        )
        assert not (changeable.folder / "out/run_id").exists()
        between.most = 10_000
        found = changeable.stage("upload", "out")
    assert found.returncode == 0, found.stderr
    (run,) = runs_of(MlflowClient(server), "gone")
    assert found.stdout == f"run {run.info.run_id} is written to {between.url}, FINISHED: out\n"
    assert (changeable.folder / "out/run_id").read_text() == f"{run.info.run_id}\n"
    assert not (changeable.folder / "out/unwritten").exists()
    lines = (changeable.folder / "out/history.csv").read_text().splitlines()
    assert len(MlflowClient(server).get_metric_history(run.info.run_id, "valid/error")) == len(lines) - 1


def told(opened: store.Store, experiment: str, output: Path) -> Run:
    """A run to which all has been told that can be told to a run."""
    first = {"write": "create", "name": "whole", "start": BEGUN, "tags": {"a": "b"}, "params": {"seed": "1"}}
    run = Run(opened, experiment, output, first)
    data = LabelledImages(np.zeros((3, 8, 8), np.uint8), np.zeros(3, np.uint8))
    run.inputs(datasets.inputs(Data(name="zeros", sources=[]), "0" * 32, {datasets.TRAINING: data}))
    for epoch in range(1, EPOCHS + 1):
        run.metrics({"valid/error": 1 / epoch, "train/loss": float("nan") if epoch > 30 else epoch}, epoch)
    for step in (0, 10):
        run.image("weights", np.full((300, 300, 3), step, np.uint8), step)
    run.text("hello", "provenance/config.yaml")
    output.mkdir(exist_ok=True)
    (output / "note.txt").write_text("note")
    run.artifact(output / "note.txt", "figures")
    run.tags({"model.sha256": "none"})
    run.model(SimpleNamespace(save=save), {"best/epoch": 3})  # type: ignore[arg-type]  # without TensorFlow
    run.end(Ending())
    return run


def save(folder: Path) -> None:
    folder.mkdir()
    Model().save(str(folder / "MLmodel"))


def check(client: MlflowClient, experiment: str) -> MlflowRun:
    """There is one run, with all of it, once."""
    (run,) = runs_of(client, experiment)
    run_id = run.info.run_id
    assert (run.info.status, run.info.run_name, run.info.start_time) == ("FINISHED", "whole", BEGUN)
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


def test_run_is_whole_though_each_answer_was_lost_once(
    between: Proxy, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has done what it answers 503 to: made again, a write leaves no second run, model, image or point."""
    monkeypatch.setattr(patience, "SECONDS", 60)  # one write has a dozen requests, and each is to be made twice
    opened = store.connect(tracking(between.url, "forgotten"))
    between.forgetful = True
    told(opened, "forgotten", tmp_path).wait()
    check(MlflowClient(server), "forgotten")
    assert not (tmp_path / "unwritten").exists()


@pytest.mark.parametrize("status", [0, 429, 500])
def test_training_does_not_wait_for_a_server_that_is_away(
    status: int, between: Proxy, server: str, tmp_path: Path
) -> None:
    """All is told to the run before the server answers again, which then gets all of it. 0: it is silent."""
    opened = store.connect(tracking(between.url, f"away {status}"))
    between.status, between.silent = status, not status
    run = told(opened, f"away {status}", tmp_path)
    assert not run.written()
    between.status, between.silent = 0, False
    run.wait()
    check(MlflowClient(server), f"away {status}")


@pytest.mark.parametrize("begun", [0, 12])
def test_upload_writes_what_a_server_that_is_gone_has_not_got(
    begun: int, between: Proxy, server: str, tmp_path: Path
) -> None:
    """It continues the run that was begun, with its own times, and once; in another store it makes a new one."""
    output, copy = tmp_path / "output", tmp_path / "copy"
    experiment = f"left after {begun}"
    opened = store.connect(tracking(between.url, experiment))
    between.most = between.requests + begun
    run = told(opened, experiment, output)
    with pytest.raises(Unwritten, match=r"\(no answer\): when .*, `python -m pipeline.upload \S+` writes it"):
        run.wait()
    ended = time.time_ns() // 1_000_000
    with pytest.raises(UserError, match="a process is at work on the run"):
        list(upload(output, tracking(), chosen=False))
    _bury(output)
    shutil.copytree(output / "unwritten", copy / "unwritten")
    between.most = math.inf
    (done,) = upload(output, tracking(), chosen=False)
    found = check(MlflowClient(server), experiment)
    assert (done.run_id, done.status) == (found.info.run_id, "FINISHED")
    assert BEGUN < found.info.end_time <= ended
    assert not list(upload(output, tracking(), chosen=False))
    shutil.copytree(copy / "unwritten", output / "unwritten")
    (again,) = upload(output, tracking(), chosen=False)
    assert again.run_id == check(MlflowClient(server), experiment).info.run_id
    elsewhere = tracking(f"sqlite:///{tmp_path}/other.db")
    (other,) = upload(copy, elsewhere, chosen=True)
    assert check(MlflowClient(elsewhere.uri), experiment).info.run_id == other.run_id


def _bury(output: Path) -> None:
    """Let the journal be one of another machine's process, of which nobody knows whether it is there."""
    (lines,) = output.glob("unwritten/*/journal.jsonl")
    lines.write_text(lines.read_text().replace(processes.own(), "elsewhere boot pid:[1] 1 1"))


def test_run_of_a_killed_process_is_uploaded_as_killed(between: Proxy, server: str, tmp_path: Path) -> None:
    """Up to the line that the kill has cut off."""
    opened = store.connect(tracking(between.url, "killed"))
    between.silent = True
    with pytest.raises(Unwritten):
        told(opened, "killed", tmp_path).wait()
    between.silent = False
    _bury(tmp_path)
    (lines,) = tmp_path.glob("unwritten/*/journal.jsonl")
    lines.write_text(lines.read_text()[:-9])
    (done,) = upload(tmp_path, tracking(), chosen=False)
    assert done.status == "KILLED"
    run = MlflowClient(server).get_run(done.run_id)
    assert run.data.tags["failure"].startswith("killed")
    assert run.data.metrics["best/epoch"] == 3


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (403, "it answers 403 Forbidden"),
        (500, "it answers 500 Internal Server Error"),
        (0, "no answer"),
    ],
)
def test_server_that_refuses_is_told_in_one_line(status: int, reason: str, between: Proxy) -> None:
    """With what to do, at once, and without the password of its address."""
    between.status, between.silent = status, not status
    with pytest.raises(StoreError) as told:
        store.connect(tracking(between.url.replace("//", "//me:secret@")))
    assert reason in str(told.value)
    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value)


def test_server_that_is_not_to_be_reached_by_this_name_is_told_with_the_remedy() -> None:
    """In MLflow's own words."""
    error = MlflowException("API request failed with error code 403 != 200. Response body: 'Invalid Host header - ...'")
    assert "`mlflow server --allowed-hosts NAME`" in refusal.reason(error)


def test_run_that_the_server_does_not_let_begin_ends_at_once(between: Proxy, tmp_path: Path) -> None:
    """As by a user who may read and not write: not after hours of training."""
    opened = store.connect(tracking(between.url, "forbidden"))
    between.status = 403
    run = Run(opened, "forbidden", tmp_path, {"write": "create", "name": "", "start": 0, "tags": {}, "params": {}})

    def train() -> None:
        for epoch in itertools.count():
            run.metrics({"train/loss": 0.0}, epoch)

    with pytest.raises(StoreError, match=r"begins no run \(it answers 403 Forbidden\)"):
        train()


def test_artifacts_are_not_written_to_the_servers_own_folders(server: str) -> None:
    """A server without artifact proxy names a path of its own machine, which here would be another one."""
    MlflowClient(server).create_experiment("local", artifact_location="file:///srv/nowhere/local")
    with pytest.raises(UserError, match="in /srv/nowhere/local, a folder that is not on this machine: start it with"):
        store.connect(tracking(server, "local"))


def test_account_is_not_told_without_files_that_a_server_does_not_list(
    between: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report would be incomplete, and nobody would know."""
    monkeypatch.setattr(store, "GIVEN_URI", between.url)
    run = told(store.connect(tracking(between.url, "account")), "account", tmp_path)
    run.wait()
    lookup = Lookup(command.settings(["tracking=server"]))
    account = Account(lookup, lookup.run(run.id))
    assert len(account.files("images")) == 4
    assert account.files("nothing") == []
    between.silent = True
    with pytest.raises(StoreError, match="no answer"):
        account.files("images")


def test_command_ends_with_one_line_where_the_server_dies_under_it(changeable: Project, between: Proxy) -> None:
    """Wherever MLflow was asked: here for the runs of which `ui` shows links."""
    between.most = 2
    done = changeable.stage("ui", "-S", "tracking=server", "-S", f"tracking.uri={between.url}")
    assert done.returncode == 2
    assert done.stderr == "error: the MLflow store does not answer any more (no answer)\n"
