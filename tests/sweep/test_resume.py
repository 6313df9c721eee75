"""A sweep that is started again: what is finished is kept, and the rest completed, under the same parent."""

import random
import signal
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.support.project import Project
from tests.support.stores import client_of, parents, runs
from tests.support.waiting import until

GRID = ("train.learning_rate=0.05,0.1,0.3", "train.batch_size=48,64,200,400", "train.epochs=20")


def sweep(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return project.stage("train", "-m", *GRID, *words)


def metrics(project: Project) -> Mapping[str, list[tuple[str, float, int]]]:
    """Every metric of every finished run, by the job."""
    client = client_of(project.folder)
    found = {}
    for run in runs(project.folder):
        if run.info.status == "FINISHED":
            assert run.info.run_name not in found, "trained twice"
            found[run.info.run_name] = [
                (point.key, point.value, point.step)
                for key in sorted(run.data.metrics)
                for point in client.get_metric_history(run.info.run_id, key)
            ]
    return found


@pytest.fixture(scope="module")
def undisturbed(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the sweep has run once."""
    project = digits.copy(tmp_path_factory.mktemp("undisturbed") / "project")
    done = sweep(project)
    assert done.returncode == 0, done.stderr
    return project


@pytest.mark.killed
def test_killed_at_any_moment_and_started_again_it_is_as_undisturbed(undisturbed: Project, changeable: Project) -> None:
    """The same runs, metric for metric, none twice, under one parent; no folder written twice; none left RUNNING."""
    process = changeable.start("train", "-m", *GRID)
    jobs = random.SystemRandom().randrange(1, 12)
    sys.stdout.write(f"to be killed after {jobs} jobs\n")  # pytest shows it where the test fails
    ended = changeable.folder.glob
    until(lambda: len(list(ended("outputs/sweep/*/*_lr*/history.csv"))) >= jobs or process.poll() is not None)
    process.kill()
    process.communicate(timeout=60)
    folders = {path: path.stat().st_mtime_ns for path in changeable.folder.glob("outputs/sweep/*/*_lr*/train.log")}
    done = sweep(changeable)
    assert done.returncode == 0, done.stderr
    assert "12 of 12 jobs finished" in done.stdout
    assert metrics(changeable) == metrics(undisturbed)
    (parent,) = parents(changeable.folder)
    assert parent.info.status == "FINISHED"
    assert "failure" not in parent.data.tags
    found = runs(changeable.folder)
    assert {run.info.status for run in found} <= {"FINISHED", "KILLED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in found} == {parent.info.run_id}
    assert {path: path.stat().st_mtime_ns for path in folders} == folders


def test_what_is_finished_is_skipped_and_told(changeable: Project) -> None:
    """A single run of before as well; dry_run tells it beforehand, and rerun repeats all under a parent of its own."""
    words = ("train.learning_rate=0.1,0.3", "train.epochs=2")
    alone = changeable.stage("train", "train.learning_rate=0.3", "train.epochs=2")
    assert alone.returncode == 0, alone.stderr
    (single,) = runs(changeable.folder)
    rehearsed = changeable.stage("train", "-m", *words, "sweep.dry_run=true")
    assert rehearsed.returncode == 0, rehearsed.stderr
    assert "train.learning_rate=0.1 train.epochs=2: would run" in rehearsed.stdout
    assert f"train.learning_rate=0.3 train.epochs=2: skipped: run {single.info.run_id}" in rehearsed.stdout
    assert parents(changeable.folder) == []
    first = changeable.stage("train", "-m", *words)
    assert "1 of 2 jobs have finished before" in first.stdout
    assert "2 of 2 jobs finished, 1 skipped" in first.stdout
    again = changeable.stage("train", "-m", *words)
    assert "2 of 2 jobs finished, 2 skipped" in again.stdout
    (parent,) = parents(changeable.folder)
    assert parent.data.metrics["jobs/skipped"] == 2
    assert len(runs(changeable.folder)) == 2
    rerun = changeable.stage("train", "-m", *words, "sweep.rerun=true")
    assert "2 of 2 jobs finished:" in rerun.stdout
    assert len(parents(changeable.folder)) == 2
    assert len(runs(changeable.folder)) == 4


def test_dry_run_tells_tidy_values_and_what_would_be_refused_and_leaves_nothing(changeable: Project) -> None:
    """Hydra's range counts to 0.30000000000000004, which would be in the names of runs. Not even a store is made."""
    done = changeable.stage("train", "-m", "train.learning_rate=range(0.0,0.35,0.1)", "sweep.dry_run=true")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-5:] == [
        "train.learning_rate=0: would be refused",
        "train.learning_rate=0.1: would run",
        "train.learning_rate=0.2: would run",
        "train.learning_rate=0.3: would run",
        "3 of 4 jobs would run",
    ]
    assert not (changeable.folder / "mlflow.db").exists()
    assert not (changeable.folder / "outputs/sweep").exists()


def test_changed_code_is_trained_anew_and_other_files_do_not_matter(undisturbed: Project, changeable: Project) -> None:
    """Code is the files that training runs, whatever the commit is."""
    store = f"sqlite:///{undisturbed.folder}/mlflow.db"
    for files, left in ((["pipeline/compose.py", "README.md"], 0), (["pipeline/model/softmax.py"], 12)):
        for file in files:
            with (changeable.folder / file).open("a") as changed:
                changed.write("\n# changed\n")
        changeable.git("commit", "-qam", "Change a file")
        done = changeable.stage("train", "-m", *GRID, "sweep.dry_run=true", MLFLOW_TRACKING_URI=store)
        assert done.stdout.splitlines()[-1] == f"{left} of 12 jobs would run", done.stderr


def test_folder_given_by_hand_is_not_overwritten(changeable: Project) -> None:
    """Jobs of the second start would have the numbers of the first one's."""
    words = ("train.epochs=1", "model.initializer=he_normal", "hydra.sweep.dir=mine")
    assert changeable.stage("train", "-m", "model.seed=1,2", *words).returncode == 0
    before = {path: path.read_bytes() for path in (changeable.folder / "mine").glob("*/model.keras")}
    assert changeable.stage("train", "-m", "model.seed=2,3,4", *words).returncode == 0
    after = {path: path.read_bytes() for path in (changeable.folder / "mine").glob("*/model.keras")}
    assert len(after) == len(set(after.values())) == 4
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("launcher", ["bank", "joblib"])
def test_failure_can_stop_the_sweep(changeable: Project, launcher: str) -> None:
    """With sweep.on_failure=stop; what had not begun, or was in training, is no failure."""
    done = changeable.stage(
        "train",
        "-m",
        "train.learning_rate=1e38,0.1",
        "train.batch_size=64,48,32",
        "train.epochs=2000",
        "train.patience=2000",
        "sweep.on_failure=stop",
        f"hydra/launcher={launcher}",
        *(["hydra.launcher.n_jobs=1"] if launcher == "joblib" else []),
    )
    assert done.returncode == 1, done.stderr
    assert "0 of 6 jobs finished, 1 failed:" in done.stdout
    assert "not trained: 5 jobs" in done.stdout
    assert {run.info.status for run in runs(changeable.folder)} <= {"FAILED", "KILLED"}
    assert [run.data.tags["failure"] for run in runs(changeable.folder) if run.info.status == "FAILED"] == ["diverged"]


@pytest.mark.killed
def test_two_sweeps_at_once_do_not_mix(changeable: Project) -> None:
    """Nor do two starts of the same command: each has a parent of its own, and ends its own runs only."""
    endless = ("train.learning_rate=0.1,0.3", "train.epochs=1000000", "train.patience=1000000")
    processes = [changeable.start("train", "-m", *endless) for _ in range(2)]
    until(lambda: len(list(changeable.folder.glob("outputs/sweep/*/1_*/train.log"))) == 2)
    other = changeable.stage("train", "-m", "train.learning_rate=0.1,0.3", "train.epochs=2")
    assert other.returncode == 0, other.stderr
    assert "2 of 2 jobs finished" in other.stdout
    processes[0].send_signal(signal.SIGTERM)
    processes[0].communicate(timeout=60)
    assert children(changeable) == [["FINISHED"] * 2, ["KILLED"] * 2, ["RUNNING"] * 2]
    processes[1].send_signal(signal.SIGTERM)
    processes[1].communicate(timeout=60)
    assert children(changeable) == [["FINISHED"] * 2, ["KILLED"] * 2, ["KILLED"] * 2]
    assert len({run.data.tags["sweep.key"] for run in parents(changeable.folder)}) == 2


def children(project: Project) -> list[list[str]]:
    """The states of each parent's runs."""
    found: dict[str, list[str]] = {run.info.run_id: [] for run in parents(project.folder)}
    for run in runs(project.folder):
        found[run.data.tags["mlflow.parentRunId"]].append(run.info.status)
    return sorted(found.values())
