"""The command reproduce, with real worktrees, caches and trainings."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml
from mlflow.entities import Run

from tests.support.project import Project
from tests.support.stores import client_of, parents, runs

SETTINGS = ("train.epochs=3", "tracking.weight_images_every=0")
RATES = "train.learning_rate=0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8"


@pytest.fixture(scope="module")
def swept(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which uncommitted code has trained a bank of eight."""
    project = digits.copy(tmp_path_factory.mktemp("reproduce") / "project")
    project.set("pipeline/training/job.py", "config.seed, self._run_on_epoch", "new.SEED, self._run_on_epoch")
    project.set(
        "pipeline/training/job.py", "import keras_file, metrics, softmax", "import keras_file, metrics, new, softmax"
    )
    (project.folder / "pipeline/model/new.py").write_text("SEED = 2\n")  # Git does not track it yet
    done = project.stage("train", "-m", RATES, *SETTINGS)
    assert done.returncode == 0, done.stderr
    return project


def artifacts(run: Run) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://"))


@pytest.mark.repro
def test_run_of_a_bank_is_reproduced_alone_and_identical(swept: Project, tmp_path: Path) -> None:
    """With the run's code, although the project's code has changed since; no worktree is left or removed."""
    run = next(run for run in runs(swept.folder) if run.data.params["train.learning_rate"] == "0.4")
    changed = swept.folder / "pipeline/model/new.py"
    changed.write_text("SEED = 3\n")
    swept.git("worktree", "add", "-q", "--detach", str(tmp_path / "away"))
    (tmp_path / "away").rename(tmp_path / "elsewhere")  # as a disk that is not mounted
    done = swept.stage("reproduce", run.info.run_id[:12])
    changed.write_text("SEED = 2\n")
    assert done.returncode == 0, done.stderr
    assert f"commit {run.data.tags['git.commit']} with the changes that were not committed\n" in done.stdout
    assert f"data {run.data.tags['data.md5']} from DVC's cache\n" in done.stdout
    assert f"run {run.info.run_id} (lr=0.4 batch=64 train.epochs=3) is identical: " in done.stdout
    worktrees = [line.split()[0] for line in swept.git("worktree", "list").splitlines()]
    assert worktrees == [str(swept.folder), str(tmp_path / "away")]
    swept.git("worktree", "prune")
    assert len(runs(swept.folder)) == 8


@pytest.mark.repro
def test_lost_data_are_fetched_and_another_model_is_reported(swept: Project, tmp_path: Path) -> None:
    """Without the run's uncommitted changes the model is another one; the first difference is printed."""
    project = Project(shutil.copytree(swept.folder, tmp_path / "project", symlinks=True))
    run = next(run for run in runs(project.folder) if run.data.params["train.learning_rate"] == "0.2")
    shutil.rmtree(project.folder / ".dvc/cache")
    file = artifacts(run) / "provenance/git.diff"
    diff = file.read_bytes()
    file.unlink()
    done = project.stage("reproduce", run.info.run_id)
    file.write_bytes(diff)
    assert done.returncode == 1, done.stderr
    assert " without changes that were not committed: the run has kept none\n" in done.stdout
    assert " from its source\n" in done.stdout
    assert f"run {run.info.run_id} (lr=0.2 batch=64 train.epochs=3) is different: " in done.stdout
    assert "it first differs in epoch 1: train/loss " in done.stdout


def test_data_come_from_a_dvc_remote(digits: Project, tmp_path: Path) -> None:
    """The remote is a relative path, which would be another one from the worktree."""
    project = digits.copy(tmp_path / "project")
    pinned = yaml.safe_load((project.folder / "data.dvc").read_text())["outs"][0]["md5"]
    assert project.run("dvc", "remote", "add", "-d", "local", "../the remote").returncode == 0
    assert project.run("dvc", "push", "data.dvc").returncode == 0
    shutil.rmtree(project.folder / ".dvc/cache")
    code = (
        "from pipeline.reproduction import worktree\n"
        "with worktree.checked_out('HEAD', None) as tree:\n"
        f"    print(tree.get_data('{pinned}'), sorted(path.name for path in (tree.folder / 'data').iterdir()))\n"
    )
    done = project.run(sys.executable, "-c", code)
    assert done.stdout.startswith("a DVC remote ['t10k-images-idx3-ubyte', "), done.stderr


@pytest.mark.repro
def test_run_that_cannot_be_reproduced_is_refused(swept: Project, tmp_path: Path) -> None:
    """One line each: a sweep, an unfinished run, a commit that is gone, data that cannot be found."""
    project = Project(shutil.copytree(swept.folder, tmp_path / "project", symlinks=True))
    client = client_of(project.folder)
    first, second, third, *_ = runs(project.folder)
    (parent,) = parents(project.folder)
    client.set_terminated(first.info.run_id, "KILLED")
    client.set_tag(second.info.run_id, "git.commit", "0" * 40)
    config = artifacts(third) / "provenance/config.yaml"
    settings = config.read_text()
    config.write_text(settings.replace("scikit-learn:digits", str(tmp_path / "nowhere")))
    shutil.rmtree(project.folder / ".dvc/cache")
    errors = {
        parent.info.run_id: "is a sweep: name one of its runs",
        first.info.run_id: "is KILLED: there is no result",
        second.info.run_id: f"commit {'0' * 40} is not in",
        third.info.run_id: f"data {third.data.tags['data.md5']} are missing",
    }
    for run_id, text in errors.items():
        done = project.stage("reproduce", run_id)
        assert done.returncode == 2, run_id
        assert text in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
    config.write_text(settings)
