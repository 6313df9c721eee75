"""The address of the store, its creation by several processes, and its errors."""

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
from tests.support.permissions import obeying_permissions
from tests.support.project import Project
from tests.support.stores import client_of, runs
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[2]


def tracking(uri: str = "sqlite:///mlflow.db", experiment: str = "digits") -> Tracking:
    return Tracking(uri, experiment, weight_images_every=10, weight_image_limit=1.0)


def test_relative_sqlite_path_is_under_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All runs go to one store, whatever the working folder of a command is."""
    monkeypatch.chdir(tmp_path)
    assert store.uri(tracking()) == f"sqlite:///{ROOT}/mlflow.db"
    assert store.uri(tracking("sqlite:////elsewhere/x.db")) == "sqlite:////elsewhere/x.db"


def test_relative_sqlite_path_of_the_environment_is_under_the_project_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would depend on the working folder, and be lost in DVC's temporary workspaces."""
    monkeypatch.setattr(store, "ENVIRONMENT_URI", "sqlite:///other.db")
    assert store.uri(tracking()) == f"sqlite:///{ROOT}/other.db"


@pytest.mark.parametrize("uri", ["sqlite:////proc/nowhere/x.db", "mysql+nodriver://127.0.0.1/x", "nonsense://x"])
def test_unusable_address_is_an_error_of_one_line(uri: str) -> None:
    """A folder that cannot be created, a database without a driver, and an unknown scheme."""
    with pytest.raises(UserError, match="cannot be used") as raised:
        store.connect(tracking(uri))
    assert "\n" not in str(raised.value)


def test_environment_overrides_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.launchers
def test_processes_that_start_together_create_one_complete_store(tmp_path: Path) -> None:
    """MLflow leaves incomplete tables where several processes create them at once.

    Then all processes upload whole runs at once: nothing is missing, and no error says that the file is locked.
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
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "locked" not in errors
    for name in names:
        whole_run.check(client_of(tmp_path), name)
    assert {each.name for each in client_of(tmp_path).search_experiments()} == {"Default", "digits", *names}


def test_store_is_created_again_after_a_kill_during_its_creation(tmp_path: Path) -> None:
    """Tables are created under a temporary name, so that the file has all tables or does not exist."""
    code = f"from tests.tracking.test_store import *; store.connect(tracking('sqlite:///{tmp_path}/mlflow.db'))"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    until(lambda: list(tmp_path.glob(".mlflow.*.db")), process)
    process.kill()
    process.wait()
    assert not (tmp_path / "mlflow.db").exists()
    store.connect(tracking(f"sqlite:///{tmp_path / 'mlflow.db'}"))
    assert runs(tmp_path) == []


def test_artifacts_are_beside_the_sqlite_file(tmp_path: Path) -> None:
    """Not in the working folder of the first run. Special characters of the name are replaced in the path."""
    opened = store.connect(tracking(f"sqlite:///{tmp_path / 'mlflow.db'}", experiment="my digits/ä: 1"))
    experiment = opened.client.get_experiment(opened.experiment_id)
    assert Path(experiment.artifact_location.removeprefix("file://")).parent == tmp_path / "mlartifacts"


def test_error_of_a_deleted_experiment_has_the_command_that_restores_it(tmp_path: Path) -> None:
    """MLflow's own error has no next step."""
    where = tracking(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client = client_of(tmp_path)
    client.delete_experiment(client.create_experiment(where.experiment))
    with pytest.raises(UserError, match=r"was deleted: restore it with `mlflow experiments restore -x \d+`"):
        store.connect(where)


@pytest.mark.parametrize("folder", ["why?", "100%25"])
def test_path_that_mlflow_misreads_is_refused_at_once(folder: str) -> None:
    """MLflow itself retries for two minutes, and may create another file."""
    with pytest.raises(UserError, match=re.escape(f"/{folder}/mlflow.db, because of the ") + ".*: rename that folder"):
        store.connect(tracking(f"sqlite:////tmp/{folder}/mlflow.db"))


def test_error_of_an_older_store_has_the_command_that_upgrades_it(tmp_path: Path) -> None:
    """The tables are not changed."""
    store.connect(tracking(f"sqlite:///{tmp_path / 'mlflow.db'}"))
    other = shutil.copy(tmp_path / "mlflow.db", tmp_path / "other.db")  # MLflow has looked into the first one
    with sqlite3.connect(other) as tables:
        tables.execute("UPDATE alembic_version SET version_num = '0a8213491aaa'")
    with pytest.raises(UserError, match=r"'mlflow db upgrade <database_uri>'.*choose another one"):
        store.connect(tracking(f"sqlite:///{other}"))


def test_find_creates_nothing(tmp_path: Path) -> None:
    """A dry run of a sweep calls it."""
    where = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert store.find(tracking(where)) is None
    assert not (tmp_path / "mlflow.db").exists()
    opened = store.connect(tracking(where))
    assert store.find(tracking(where)) == opened
    config = command_line.settings([f"tracking.uri={where}", "tracking.experiment=other"])
    assert not FinishedRuns("").claim(SweepJob([], config, DictConfig({})), parent="")
    assert {each.name for each in client_of(tmp_path).search_experiments()} == {"Default", "digits"}


def test_error_of_a_server_that_does_not_answer_is_one_line() -> None:
    """After a few seconds, not the minutes of MLflow's own retries."""
    with pytest.raises(
        UserError, match=r"http://127\.0\.0\.1:9 cannot be used \(\[Errno \d+\] .*\): start it"
    ) as raised:
        store.connect(tracking("http://127.0.0.1:9"))
    assert "\n" not in str(raised.value)


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """The file is not changed."""
    (tmp_path / "mlflow.db").write_text("my notes, and more of them than a page of a database has " * 99)
    with pytest.raises(UserError, match="cannot be used"):
        store.connect(tracking(f"sqlite:///{tmp_path / 'mlflow.db'}"))
    assert (tmp_path / "mlflow.db").read_text().startswith("my notes")


SWEEP = ("hydra.mode=MULTIRUN", "train.l2=0,0.1")


@pytest.mark.parametrize(
    ("path", "overrides"),
    [("mlflow.db", ()), ("mlflow.db.lock", SWEEP), (".", ()), ("mlartifacts/digits", SWEEP)],
)
@pytest.mark.launchers
def test_store_that_may_not_be_written_is_reported_before_training(
    path: str, overrides: tuple[str, ...], changeable: Project
) -> None:
    """The database, its lock, its folder, or the artifacts: one line, and no output folder has a model.

    A run and a sweep are refused. A dry run writes nothing, and works.
    """
    store.connect(tracking(f"sqlite:///{changeable.folder}/mlflow.db"))
    location = changeable.folder / "mlartifacts/digits"
    location.mkdir(parents=True)
    denied = changeable.folder / path
    words = [sys.executable, "-m", "pipeline.train", "train.epochs=1"]
    mode = denied.stat().st_mode
    denied.chmod(mode & ~0o222)
    try:
        folder = f"hydra.run.dir={changeable.folder}/outputs/run"
        done = changeable.run(*obeying_permissions([*words, *overrides, folder]))
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"error: {denied.resolve()} may not be written, and the MLflow store is there: ")
        assert done.stderr.count("\n") == 1
        assert "epoch 1" not in done.stdout
        if path == ".":
            dry = changeable.run(*obeying_permissions([*words, *SWEEP, "sweep.dry_run=true"]))
            assert dry.returncode == 0, dry.stderr
    finally:
        denied.chmod(mode)
    assert not list(changeable.folder.glob("outputs/**/model.keras"))
    assert runs(changeable.folder) == []


def test_file_in_place_of_the_artifacts_is_reported(tmp_path: Path) -> None:
    """It would be noticed after the training, when everything is uploaded."""
    where = tracking(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client_of(tmp_path).create_experiment(where.experiment, (tmp_path / "mlartifacts/digits").as_uri())
    (tmp_path / "mlartifacts").write_text("in the way")
    with pytest.raises(UserError, match="mlartifacts is no folder, and the MLflow store needs it: move it away"):
        store.connect(where)
