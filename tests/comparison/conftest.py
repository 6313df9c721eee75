"""A store with two evaluated runs, a good and a bad one, and a run that was not evaluated."""

from typing import NamedTuple

import pytest

from pipeline.core.config import Config
from pipeline.runs import command_line
from tests.support.project import Project
from tests.support.stores import runs

BAD = ("train.learning_rate=0.0005", "train.epochs=1")


class Evaluated(NamedTuple):
    """A project, the ids of its runs, and the settings for commands that read its store."""

    project: Project
    good: str
    bad: str
    untested: str

    @property
    def config(self) -> Config:
        """Settings for calling commands in this process."""
        return command_line.settings(["data=digits", f"tracking.uri=sqlite:///{self.project.folder / 'mlflow.db'}"])


@pytest.fixture(scope="module")
def evaluated(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """The runs are read only; the model registry changes in the order of the tests."""
    project = digits.copy(tmp_path_factory.mktemp("compare") / "project")
    ids = []
    for overrides in (("train.epochs=20",), BAD):
        for stage in (("train", "hydra.run.dir=models"), ("evaluate",)):
            done = project.stage(*stage, *overrides)
            assert done.returncode == 0, done.stderr
        ids.append((project.folder / "models/run_id").read_text().strip())
    assert project.stage("train", "train.epochs=2").returncode == 0
    return Evaluated(project, ids[0], ids[1], runs(project.folder)[0].info.run_id)
