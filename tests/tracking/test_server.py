"""Runs on a real MLflow server on loopback, with a sqlite store and an artifact proxy, and its error responses."""

import itertools
import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline import ui
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
    """With `tracking=server` files go through the artifact proxy, and the project gets no store."""
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
def test_error_response_of_a_server_is_one_line(status: int, reason: str, between: Proxy) -> None:
    """The line has the next step and no password. There is no retry."""
    between.status, between.silent = status, not status
    with pytest.raises(StoreError) as raised:
        store.connect(tracking(between.url.replace("//", "//me:secret@")))
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_error_of_a_refused_host_name_has_the_option_that_allows_it() -> None:
    """The text is that of MLflow's server."""
    error = MlflowException("API request failed with error code 403 != 200. Response body: 'Invalid Host header - ...'")
    assert "`mlflow server --allowed-hosts NAME`" in store_errors.short_reason(error)


def test_training_ends_at_once_where_the_server_refuses_to_create_the_run(between: Proxy, tmp_path: Path) -> None:
    """A user without write access learns it before hours of training."""
    opened = store.connect(tracking(between.url, "forbidden"))
    between.status = 403
    run = Run(opened, tmp_path, create(opened, "forbidden"))

    def train() -> None:
        for epoch in itertools.count():
            run.log_metrics({"train/loss": 0.0}, epoch)

    with pytest.raises(StoreError, match=r"creates no run \(it answers 403 Forbidden\)"):
        train()


def test_artifacts_are_not_written_to_a_folder_of_the_server(server: str) -> None:
    """A server without artifact proxy returns a path on the server's machine."""
    MlflowClient(server).create_experiment("local", artifact_location="file:///srv/nowhere/local")
    with pytest.raises(UserError, match="in /srv/nowhere/local, a folder that is not on this machine: start it with"):
        store.connect(tracking(server, "local"))


def test_artifact_paths_raise_where_the_server_does_not_answer(
    between: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty list would make an incomplete report."""
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


def test_command_ends_with_one_line_where_the_server_stops_answering(changeable: Project, between: Proxy) -> None:
    """Here at the request of `ui` for runs to link to."""
    between.most = 2
    done = changeable.stage("ui", "-S", "tracking=server", "-S", f"tracking.uri={between.url}")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: the MLflow store {between.url} cannot be used (no answer): start it, or choose another one with "
        "tracking=sqlite, tracking.uri or MLFLOW_TRACKING_URI\n"
    )


def test_json_of_ui_has_the_address_of_the_server(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A store that is a server has its own UI, so that the command ends."""
    MlflowClient(server).create_run("0")
    config = command_line.settings(["tracking=server", f"tracking.uri={server}"])
    assert ui.main(ui.arguments().parse_args(["--json"]), config) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["address"] == f"{server}/"
    links = {item["experiment"]: item["link"] for item in document["charts"]}
    assert links["Default"].startswith(f"{server}/#/experiments/0/")


def test_error_ends_the_command_though_the_server_is_away(between: Proxy, tmp_path: Path) -> None:
    """The error itself is raised; the uploads of a resumed run wait a minute at most."""
    opened = store.connect(tracking(between.url, "gone"))
    run_id = opened.client.create_run(opened.experiment_id).info.run_id
    between.silent = True
    with pytest.raises(ZeroDivisionError), resume_run(opened, "gone", tmp_path, run_id) as run:
        run.log_metrics({"test/error": 1 / 0})
    assert run.is_uploaded()
