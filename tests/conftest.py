"""Fixtures that several tests share."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from filelock import FileLock
from matplotlib.figure import Figure

from pipeline.tracking import retry, upload_queue
from tests.support import project, warm
from tests.support.drawn import DARK
from tests.support.project import Project
from tests.support.proxy import Proxy, proxy
from tests.support.seeing import seen
from tests.support.servers import mlflow_server

# A shell's background jobs ignore Ctrl-C, those of nohup a hang-up, and so would the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that needs the fixture `server`, itself or through another fixture."""
    for item in items:
        if isinstance(item, pytest.Function) and "server" in item.fixturenames:
            item.add_marker("server")


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Restore the environment: MLflow writes the address of its store there, and the next test would find it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder of the session, which xdist's workers share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def _warm_processes(shared_folder: Path) -> None:
    """The commands of the session's projects share one server."""
    warm.start(shared_folder)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project as cloned, in which nothing has run. Not for tests that leave something behind."""
    return project.create(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture(scope="session")
def digits(shared_folder: Path) -> Project:
    """A project set to data=digits whose whole pipeline has run once. For reading only: copy it to change it.

    xdist's workers share it, and copy it at any time: no file of it may be replaced or removed.
    """
    made = Project(shared_folder / "digits" / "project")
    done = shared_folder / "digits.done"
    with FileLock(shared_folder / "digits.lock"):
        if not done.exists():
            shutil.rmtree(made.folder, ignore_errors=True)  # where another worker failed
            _make_digits(made.folder)
            done.touch()
    return made


def _make_digits(folder: Path) -> None:
    made = project.create(folder)
    made.set("conf/config.yaml", "- data: mnist ", "- data: digits ")
    # On a busy machine a run takes longer than ten seconds, and has metrics that another has not.
    made.set("conf/tracking/sqlite.yaml", "system_metrics_every: 10 ", "system_metrics_every: 0 ")
    compiled = made.run(sys.executable, "-m", "compileall", "-q", "pipeline", "hydra_plugins")
    assert compiled.returncode == 0, compiled.stdout
    done = made.run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    made.git("commit", "-qam", "Use the digits")


@pytest.fixture
def changeable(digits: Project, tmp_path: Path) -> Project:
    """A copy of the digits project for one test."""
    return digits.copy(tmp_path / "project")


@pytest.fixture
def plain(tmp_path: Path) -> npt.NDArray[np.uint8]:
    """The recognized ink of a digit that is drawn dark on white."""
    return seen(DARK, tmp_path / "plain.png")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that have been written as files, the latest last."""
    found: list[Figure] = []
    save = Figure.savefig

    def noted(figure: Figure, *words: Any, **options: Any) -> None:
        save(figure, *words, **options)
        found.append(figure)

    monkeypatch.setattr(Figure, "savefig", noted)
    return found


@pytest.fixture(scope="module")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the MLflow server."""
    return tmp_path_factory.mktemp("server") / "server"


@pytest.fixture(scope="module")
def server(server_folder: Path) -> Iterator[str]:
    """The address of an MLflow server."""
    with mlflow_server(server_folder) as url:
        yield url


@pytest.fixture
def between(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy of the server that can fail. Retries are quick, and end after 0.3 s."""
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.01)
    monkeypatch.setattr(retry, "SECONDS", 0.3)
    with proxy(server) as state:
        yield state
        upload_queue.flush_all()
