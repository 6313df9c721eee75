"""A sweep that is started again keeps finished jobs and trains the others, under the same parent run."""

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


def sweep(project: Project) -> subprocess.CompletedProcess[str]:
    """Run the sweep over GRID."""
    return project.stage("train", "-m", *GRID)


def metrics(project: Project) -> Mapping[str, list[tuple[str, float, int]]]:
    """Return the metric history of every finished run, by the run's name."""
    client = client_of(project.folder)
    histories = {}
    for run in runs(project.folder):
        if run.info.status == "FINISHED":
            assert run.info.run_name not in histories, f"job {run.info.run_name} was trained twice"
            histories[run.info.run_name] = [
                (point.key, point.value, point.step)
                for key in sorted(run.data.metrics)
                for point in client.get_metric_history(run.info.run_id, key)
            ]
    return histories


@pytest.fixture(scope="module")
def undisturbed(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the sweep has run once, without an interruption."""
    project = digits.copy(tmp_path_factory.mktemp("undisturbed") / "project")
    done = sweep(project)
    assert done.returncode == 0, done.stderr
    return project


@pytest.mark.killed
def test_sweep_killed_at_any_moment_completes_when_started_again(undisturbed: Project, changeable: Project) -> None:
    """The result equals an uninterrupted sweep: the same metrics, one parent, no job trained twice, no run RUNNING."""
    jobs = random.SystemRandom().randrange(1, 12)
    sys.stdout.write(f"killed after {jobs} jobs\n")  # pytest shows it if the test fails
    glob = changeable.folder.glob
    with changeable.start_stage("train", "-m", *GRID) as process:
        until(lambda: len(list(glob("outputs/sweep/*/*_lr*/history.csv"))) >= jobs or process.poll() is not None)
    modified = {path: path.stat().st_mtime_ns for path in glob("outputs/sweep/*/*_lr*/train.log")}
    done = sweep(changeable)
    assert done.returncode == 0, done.stderr
    assert "12 of 12 jobs finished" in done.stdout
    assert metrics(changeable) == metrics(undisturbed)
    (parent,) = parents(changeable.folder)
    assert parent.info.status == "FINISHED"
    assert "failure" not in parent.data.tags
    children = runs(changeable.folder)
    assert {run.info.status for run in children} <= {"FINISHED", "KILLED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {path: path.stat().st_mtime_ns for path in modified} == modified


def test_finished_jobs_are_skipped_and_reported(changeable: Project) -> None:
    """An earlier single run counts as finished too. dry_run lists skipped jobs; rerun trains all under a new parent."""
    overrides = ("train.learning_rate=0.1,0.3", "train.epochs=2")
    done = changeable.stage("train", "train.learning_rate=0.3", "train.epochs=2")
    assert done.returncode == 0, done.stderr
    (single,) = runs(changeable.folder)
    dry_run = changeable.stage("train", "-m", *overrides, "sweep.dry_run=true")
    assert dry_run.returncode == 0, dry_run.stderr
    assert "train.learning_rate=0.1 train.epochs=2: would run" in dry_run.stdout
    assert f"train.learning_rate=0.3 train.epochs=2: skipped: run {single.info.run_id}" in dry_run.stdout
    assert parents(changeable.folder) == []
    first = changeable.stage("train", "-m", *overrides)
    assert "1 of 2 jobs have finished before" in first.stdout
    assert "2 of 2 jobs finished, 1 skipped" in first.stdout
    second = changeable.stage("train", "-m", *overrides)
    assert "2 of 2 jobs finished, 2 skipped" in second.stdout
    (parent,) = parents(changeable.folder)
    assert parent.data.metrics["jobs/skipped"] == 2
    assert len(runs(changeable.folder)) == 2
    rerun = changeable.stage("train", "-m", *overrides, "sweep.rerun=true")
    assert "2 of 2 jobs finished:" in rerun.stdout
    assert len(parents(changeable.folder)) == 2
    assert len(runs(changeable.folder)) == 4


def test_dry_run_lists_jobs_and_writes_nothing(changeable: Project) -> None:
    """Values are rounded: Hydra's range gives 0.30000000000000004. No store and no output folder is created."""
    done = changeable.stage("train", "-m", "train.learning_rate=range(0.0,0.35,0.1)", "sweep.dry_run=true")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-6:] == [
        "train.learning_rate=0: would be refused",
        "train.learning_rate=0.1: would run",
        "train.learning_rate=0.2: would run",
        "train.learning_rate=0.3: would run",
        "3 of 4 jobs would run",
        "next: the same command without sweep.dry_run=true",
    ]
    assert not (changeable.folder / "mlflow.db").exists()
    assert not (changeable.folder / "outputs/sweep").exists()


def test_only_changed_training_code_makes_jobs_run_again(undisturbed: Project, changeable: Project) -> None:
    """A finished job is skipped at another commit, unless a file that training imports has changed."""
    store = f"sqlite:///{undisturbed.folder}/mlflow.db"
    for files, jobs in ((["pipeline/compose.py", "README.md"], 0), (["pipeline/model/softmax.py"], 12)):
        for file in files:
            with (changeable.folder / file).open("a") as changed:
                changed.write("\n# changed\n")
        changeable.git("commit", "-qam", "Change a file")
        done = changeable.stage("train", "-m", *GRID, "sweep.dry_run=true", MLFLOW_TRACKING_URI=store)
        assert f"\n{jobs} of 12 jobs would run\n" in done.stdout, done.stderr
        assert done.stdout.endswith("without sweep.dry_run=true\n") == bool(jobs)


def test_second_sweep_in_a_folder_overwrites_no_job(changeable: Project) -> None:
    """With a fixed hydra.sweep.dir, the jobs of a second sweep are numbered after those of the first."""
    overrides = ("train.epochs=1", "model.initializer=he_normal", "hydra.sweep.dir=mine")
    assert changeable.stage("train", "-m", "model.seed=1,2", *overrides).returncode == 0
    before = {path: path.read_bytes() for path in (changeable.folder / "mine").glob("*/model.keras")}
    assert changeable.stage("train", "-m", "model.seed=2,3,4", *overrides).returncode == 0
    after = {path: path.read_bytes() for path in (changeable.folder / "mine").glob("*/model.keras")}
    assert len(after) == len(set(after.values())) == 4
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("launcher", ["bank", pytest.param("joblib", marks=pytest.mark.launchers)])
def test_failure_can_stop_the_sweep(changeable: Project, launcher: str) -> None:
    """With sweep.on_failure=stop, jobs that wait or train when another job fails are not counted as failures."""
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
def test_concurrent_sweeps_do_not_mix(changeable: Project) -> None:
    """Every sweep, even of the same command, has its own parent. A signal ends only the runs of its own sweep."""
    endless = ("train.learning_rate=0.1,0.3", "train.epochs=1000000", "train.patience=1000000")
    train = ("train", "-m", *endless)
    with changeable.start_stage(*train) as first, changeable.start_stage(*train) as second:
        until(lambda: len(list(changeable.folder.glob("outputs/sweep/*/1_*/train.log"))) == 2)
        other = changeable.stage("train", "-m", "train.learning_rate=0.1,0.3", "train.epochs=2")
        assert other.returncode == 0, other.stderr
        assert "2 of 2 jobs finished" in other.stdout
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)
        assert child_statuses(changeable) == [["FINISHED"] * 2, ["KILLED"] * 2, ["RUNNING"] * 2]
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=60)
    assert child_statuses(changeable) == [["FINISHED"] * 2, ["KILLED"] * 2, ["KILLED"] * 2]
    assert len({run.data.tags["sweep.key"] for run in parents(changeable.folder)}) == 2


def child_statuses(project: Project) -> list[list[str]]:
    """Return the statuses of each parent's runs."""
    by_parent: dict[str, list[str]] = {run.info.run_id: [] for run in parents(project.folder)}
    for run in runs(project.folder):
        by_parent[run.data.tags["mlflow.parentRunId"]].append(run.info.status)
    return sorted(by_parent.values())
