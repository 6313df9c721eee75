"""The store is where it should be, is made once, and says what is wrong with it."""

import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig

from pipeline.core import paths
from pipeline.core.config import Tracking
from pipeline.core.errors import UserError
from pipeline.runs import command_line
from pipeline.sweep.finished_runs import FinishedRuns
from pipeline.sweep.sweep_job import SweepJob
from pipeline.tracking import store
from tests.support import whole_run
from tests.support.stores import client_of, runs
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[2]


def tracking(uri: str = "sqlite:///mlflow.db", experiment: str = "digits") -> Tracking:
    return Tracking(uri, experiment, weight_images_every=10, weight_image_limit=1.0)


def test_relative_sqlite_path_is_under_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever folder a command is started from, all runs land in one store."""
    monkeypatch.chdir(tmp_path)
    assert store.uri(tracking()) == f"sqlite:///{ROOT}/mlflow.db"
    assert store.uri(tracking("sqlite:////elsewhere/x.db")) == "sqlite:////elsewhere/x.db"


def test_relative_sqlite_path_of_the_environment_is_under_the_project_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would depend on the folder, and be lost in DVC's temporary workspaces."""
    monkeypatch.setattr(store, "ENVIRONMENT_URI", "sqlite:///other.db")
    assert store.uri(tracking()) == f"sqlite:///{ROOT}/other.db"


@pytest.mark.parametrize("uri", ["sqlite:////proc/nowhere/x.db", "mysql+nodriver://127.0.0.1/x", "nonsense://x"])
def test_unusable_address_is_told_in_one_line(uri: str) -> None:
    """A folder that cannot be made, a database without its driver, a scheme that nobody knows."""
    with pytest.raises(UserError, match="cannot be used") as told:
        store.connect(tracking(uri))
    assert "\n" not in str(told.value)


def test_environment_goes_before_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere in MLflow."""
    monkeypatch.setattr(store, "ENVIRONMENT_URI", "http://127.0.0.1:9")
    assert store.uri(tracking()) == "http://127.0.0.1:9"


@pytest.mark.parametrize("temporary", ["standalone/tmp1", "tmp2"])
def test_dvc_temporary_workspace_uses_the_users_own_store(
    temporary: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """DVC deletes its workspaces, and runs kept in them would go with them."""
    monkeypatch.setattr(paths, "ROOT", tmp_path / "project/.dvc/tmp/exps" / temporary)
    assert paths.home() == tmp_path / "project"


def test_processes_that_start_together_on_a_new_store_lose_nothing(tmp_path: Path) -> None:
    """MLflow's tables, made by several processes at once, are left half made for ever.

    Then all of them write whole runs at once: everything is there, and nothing was refused because the file was locked.
    """
    code = (
        "import sys\n"
        "from tests.support import whole_run\n"
        "from tests.tracking.test_store import *\n"
        f"where = 'sqlite:///{tmp_path}/mlflow.db'\n"
        "store.connect(tracking(where))\n"
        f"folder = Path({str(tmp_path)!r}, sys.argv[1])\n"
        "whole_run.log_whole_run(store.connect(tracking(where, sys.argv[1])), sys.argv[1], folder).wait()\n"
    )
    names = [f"digits {number}" for number in range(5)]
    processes = [
        subprocess.Popen([sys.executable, "-c", code, name], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for name in names
    ]
    for process in processes:
        _, told = process.communicate()
        assert process.returncode == 0, told
        assert "locked" not in told
    for name in names:
        whole_run.check(client_of(tmp_path), name)
    assert {each.name for each in client_of(tmp_path).search_experiments()} == {"Default", "digits", *names}


def test_store_whose_making_is_killed_is_made_anew(tmp_path: Path) -> None:
    """Tables are made under another name: under its own there is a whole store or none."""
    making = f"from tests.tracking.test_store import *; store.connect(tracking('sqlite:///{tmp_path}/mlflow.db'))"
    process = subprocess.Popen([sys.executable, "-c", making], cwd=ROOT)
    until(lambda: list(tmp_path.glob(".mlflow.*.db")), process)
    process.kill()
    process.wait()
    assert not (tmp_path / "mlflow.db").exists()
    store.connect(tracking(f"sqlite:///{tmp_path / 'mlflow.db'}"))
    assert runs(tmp_path) == []


def test_artifacts_are_beside_the_sqlite_file(tmp_path: Path) -> None:
    """Not in whatever folder the first run was started from; odd letters of the name make no odd folder."""
    opened = store.connect(tracking(f"sqlite:///{tmp_path / 'mlflow.db'}", experiment="my digits/ä: 1"))
    experiment = opened.client.get_experiment(opened.experiment_id)
    assert Path(experiment.artifact_location.removeprefix("file://")).parent == tmp_path / "mlartifacts"


def test_deleted_experiment_is_told_with_the_way_back(tmp_path: Path) -> None:
    """MLflow says only that it cannot be set."""
    where = tracking(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client = client_of(tmp_path)
    client.delete_experiment(client.create_experiment(where.experiment))
    with pytest.raises(UserError, match=r"was deleted: restore it with `mlflow experiments restore -x \d+`"):
        store.connect(where)


@pytest.mark.parametrize("folder", ["why?", "100%25"])
def test_path_that_mlflow_misreads_is_refused_at_once(folder: str) -> None:
    """Its own tries take two minutes, and may end in another file."""
    with pytest.raises(UserError, match=re.escape(f"/{folder}/mlflow.db, because of the ") + ".*: rename that folder"):
        store.connect(tracking(f"sqlite:////tmp/{folder}/mlflow.db"))


def test_store_of_another_mlflow_is_told_with_the_command_that_upgrades_it(tmp_path: Path) -> None:
    """Its tables are left as they are."""
    store.connect(tracking(f"sqlite:///{tmp_path / 'mlflow.db'}"))
    other = shutil.copy(tmp_path / "mlflow.db", tmp_path / "other.db")  # MLflow has looked into the first one
    with sqlite3.connect(other) as tables:
        tables.execute("UPDATE alembic_version SET version_num = '0a8213491aaa'")
    with pytest.raises(UserError, match=r"'mlflow db upgrade <database_uri>'.*choose another one"):
        store.connect(tracking(f"sqlite:///{other}"))


def test_asking_for_an_experiment_does_not_create_it(tmp_path: Path) -> None:
    """A dry run of a sweep asks."""
    where = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert not store.has_experiment(tracking(where))
    assert not (tmp_path / "mlflow.db").exists()
    store.connect(tracking(where))
    assert store.has_experiment(tracking(where))
    asked = command_line.settings([f"tracking.uri={where}", "tracking.experiment=other"])
    assert FinishedRuns("").claim(SweepJob([], asked, DictConfig({})), parent="") is None
    assert {each.name for each in client_of(tmp_path).search_experiments()} == {"Default", "digits"}


def test_silent_server_is_told_in_one_line() -> None:
    """After a few seconds, not the minutes of MLflow's own retries."""
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9 cannot be used \(\[Errno \d+\] .*\): start it") as told:
        store.connect(tracking("http://127.0.0.1:9"))
    assert "\n" not in str(told.value)


def test_foreign_file_is_no_store(tmp_path: Path) -> None:
    """A text file under the store's name is left as it is."""
    (tmp_path / "mlflow.db").write_text("my notes, and more of them than a page of a database has " * 99)
    with pytest.raises(UserError, match="cannot be used"):
        store.connect(tracking(f"sqlite:///{tmp_path / 'mlflow.db'}"))
    assert (tmp_path / "mlflow.db").read_text().startswith("my notes")
