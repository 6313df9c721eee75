"""Fixtures that several tests share."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import project, warm
from tests.support.project import Project

# A shell's background jobs ignore Ctrl-C, those of nohup a hang-up, and so would the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """MLflow writes the store that it is told to use into the environment, where the next test would find it."""
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
def digits(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project set to data=digits whose whole pipeline has run once. For reading only: copy it to change it."""
    made = project.create(tmp_path_factory.mktemp("digits") / "project")
    made.set("conf/config.yaml", "- data: mnist ", "- data: digits ")
    # On a busy machine a run takes longer than ten seconds, and has metrics that another has not.
    made.set("conf/tracking/sqlite.yaml", "system_metrics_every: 10 ", "system_metrics_every: 0 ")
    done = made.run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    made.git("commit", "-qam", "Use the digits")
    return made


@pytest.fixture
def changeable(digits: Project, tmp_path: Path) -> Project:
    """A copy of the digits project for one test."""
    return digits.copy(tmp_path / "project")
