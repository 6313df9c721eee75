"""Runs on an MLflow server: a real one on loopback, with its own sqlite store and artifact proxy; and its refusals."""

import itertools
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.core.errors import StoreError, UserError
from pipeline.runs import command_line
from pipeline.runs.lookup import Lookup
from pipeline.runs.stored_run import StoredRun
from pipeline.tracking import store, store_errors
from pipeline.tracking.run import Run, resume_run
from tests.support.project import Project
from tests.support.proxy import Proxy
from tests.support.stores import client_of, runs
from tests.support.whole_run import create, log_whole_run
from tests.tracking.test_store import tracking


def test_run_and_its_files_go_to_the_server(changeable: Project, server: str, server_folder: Path) -> None:
    """By `tracking=server`; nothing is written into the server's folders behind its back, and nothing at home."""
    done = changeable.stage("train", "tracking=server", f"tracking.uri={server}", "train.epochs=2")
    assert done.returncode == 0, done.stderr
    (run,) = runs(server_folder)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert len(client_of(server_folder).get_metric_history(run.info.run_id, "valid/error")) == 2
    assert list(server_folder.glob("mlartifacts/*/*/artifacts/weights.png"))
    assert list(server_folder.glob("mlartifacts/*/models/*/artifacts/data/model.keras"))
    assert not (changeable.folder / "mlflow.db").exists()


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
    assert "`mlflow server --allowed-hosts NAME`" in store_errors.short_reason(error)


def test_run_that_the_server_does_not_let_begin_ends_at_once(between: Proxy, tmp_path: Path) -> None:
    """As by a user who may read and not write: not after hours of training."""
    opened = store.connect(tracking(between.url, "forbidden"))
    between.status = 403
    run = Run(opened, tmp_path, create(opened, "forbidden"))

    def train() -> None:
        for epoch in itertools.count():
            run.log_metrics({"train/loss": 0.0}, epoch)

    with pytest.raises(StoreError, match=r"creates no run \(it answers 403 Forbidden\)"):
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
    monkeypatch.setattr(store, "ENVIRONMENT_URI", between.url)
    run = log_whole_run(store.connect(tracking(between.url, "account")), "account", tmp_path)
    run.wait()
    lookup = Lookup(command_line.settings(["tracking=server"]))
    stored = StoredRun(lookup, lookup.run(run.id))
    assert len(stored.artifact_paths("images")) == 4
    assert stored.artifact_paths("nothing") == []
    between.silent = True
    with pytest.raises(StoreError, match="no answer"):
        stored.artifact_paths("images")


def test_command_ends_with_one_line_where_the_server_dies_under_it(changeable: Project, between: Proxy) -> None:
    """Wherever MLflow was asked: here for the runs of which `ui` shows links."""
    between.most = 2
    done = changeable.stage("ui", "-S", "tracking=server", "-S", f"tracking.uri={between.url}")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: the MLflow store {between.url} cannot be used (no answer): start it, or choose another one with "
        "tracking=sqlite, tracking.uri or MLFLOW_TRACKING_URI\n"
    )


def test_error_beside_a_server_that_is_gone_ends_the_command(between: Proxy, tmp_path: Path) -> None:
    """The error that it is: what is written into a run once more waits a minute for the store, and not for ever."""
    opened = store.connect(tracking(between.url, "gone"))
    run_id = opened.client.create_run(opened.experiment_id).info.run_id
    between.silent = True
    with pytest.raises(ZeroDivisionError), resume_run(opened, "gone", tmp_path, run_id) as run:
        run.log_metrics({"test/error": 1 / 0})
    assert run.is_uploaded()
