"""Every launcher gives the same runs, files, failures and bytes."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping

import psutil
import pytest

from tests.support.project import Project
from tests.support.stores import client_of, parents, runs
from tests.support.waiting import until

pytestmark = pytest.mark.launchers

GRID = (
    "train.learning_rate=0.1,1e38,0.3",
    "train.batch_size=0,48",
    "train.l2=0,0.001",
    "model.initializer=he_normal",
)
LAUNCHERS = ("bank", "basic", "joblib", "ray")
FILES = ("model.keras", "history.csv", "weights.png", ".hydra/config.yaml", ".hydra/overrides.yaml")

Sweeps = Mapping[str, tuple[Project, subprocess.CompletedProcess[str]]]  # by launcher: project and finished process


@pytest.fixture(scope="module")
def swept(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Sweeps:
    """The same sweep under each launcher, each in its own project."""
    sweeps = {}
    for launcher in LAUNCHERS:
        project = digits.copy(tmp_path_factory.mktemp(launcher) / "project")
        sweep = f"hydra.sweep.dir={project.folder}/swept"
        sweeps[launcher] = (
            project,
            project.stage(
                "train", "-m", f"hydra/launcher={launcher}", *GRID, "train.epochs=3", sweep, RAY_DEDUP_LOGS="0"
            ),
        )
    return sweeps


def test_bank_launcher_groups_jobs_that_share_a_pass(swept: Sweeps) -> None:
    """Jobs that differ in learning rate and L2 train in one bank. The six invalid jobs are not grouped."""
    _, done = swept["bank"]
    assert "Launching 12 jobs in 7 banks" in done.stdout


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_failures_are_reported_alike(swept: Sweeps, launcher: str) -> None:
    """Every failed job is reported with its number and reason, and the exit code is 1."""
    _, done = swept[launcher]
    assert done.returncode == 1
    failed = set(re.findall(r"error: job (\d+) failed: (.*?) \(see", done.stdout + done.stderr))
    assert {number for number, reason in failed if "batch_size=0 is not allowed" in reason} == set("014589")
    assert {number for number, reason in failed if "loss is nan in epoch 1" in reason} == {"6", "7"}
    assert len(failed) == 8
    assert "4 of 12 jobs finished" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("launcher", LAUNCHERS[1:])
def test_files_are_equal_to_the_byte(swept: Sweeps, launcher: str) -> None:
    """Every launcher writes the same model, curves, weight figure and .hydra/ files for each job."""
    bank, other = (swept[name][0].folder / "swept" for name in ("bank", launcher))
    folders = sorted(folder.name for folder in bank.iterdir() if folder.is_dir())
    assert folders == sorted(folder.name for folder in other.iterdir() if folder.is_dir())
    for folder in folders:
        names = {path.name for path in (bank / folder).iterdir()}
        assert names == {path.name for path in (other / folder).iterdir()}
        for name in FILES:
            if (bank / folder / name).exists():
                assert (bank / folder / name).read_bytes() == (other / folder / name).read_bytes(), (folder, name)
    assert len(list(bank.glob("*/model.keras"))) == 4


@pytest.mark.parametrize("launcher", LAUNCHERS[1:])
def test_runs_are_equal(swept: Sweeps, launcher: str) -> None:
    """The MLflow runs have the same names, statuses, params, metrics and tags under every launcher."""
    assert describe_runs(swept["bank"][0]) == describe_runs(swept[launcher][0])


def describe_runs(project: Project) -> list[str]:
    """What must be equal of the project's runs, as JSON."""
    children = runs(project.folder)
    assert len(children) == 6
    (parent,) = parents(project.folder)
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    tags = ("failure", "config.hash", "model.sha256", "sweep.id", "git.commit", "git.dirty")
    return sorted(
        json.dumps(
            [
                run.info.run_name,
                run.info.status,
                {key: value for key, value in run.data.params.items() if key != "tracking.uri"},
                run.data.metrics,
                {tag: run.data.tags.get(tag) for tag in tags},
            ],
            sort_keys=True,
        )
        for run in children
    )


def test_each_job_of_a_bank_has_its_own_log(swept: Sweeps) -> None:
    """A job's log equals the basic launcher's except for the times: epochs, result, and the traceback of a failure."""

    def lines(launcher: str, folder: str) -> list[str]:
        text = (swept[launcher][0].folder / "swept" / folder / "train.log").read_text()
        return [re.sub(r"^\[[^\]]*\]|run \w+|/\S*/swept", "", line) for line in text.splitlines()]

    assert lines("bank", "2_lr=0.1_batch=48") == lines("basic", "2_lr=0.1_batch=48")
    assert len([line for line in lines("bank", "2_lr=0.1_batch=48") if "epoch" in line]) == 4
    diverged = lines("bank", "6_lr=1e+38_batch=48")
    assert diverged[-1] == lines("basic", "6_lr=1e+38_batch=48")[-1]
    assert diverged[-1].startswith("pipeline.core.errors.Diverged: the training loss is nan in epoch 1")


def test_jobs_of_a_bank_may_go_to_different_stores(changeable: Project) -> None:
    """Each run has its model in its own store, although MLflow has one global tracking URI per process."""
    stores = [f"sqlite:///{changeable.folder}/{name}/mlflow.db" for name in ("one", "other")]
    for name in ("one", "other"):
        (changeable.folder / name).mkdir()
    done = changeable.stage("train", "-m", f"tracking.uri={','.join(stores)}", "train.epochs=2")
    assert done.returncode == 0, done.stderr
    assert "Launching 2 jobs in 1 banks" in done.stdout
    (parent,) = parents(changeable.folder)
    for name in ("one", "other"):
        (run,) = runs(changeable.folder / name)
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert client_of(changeable.folder / name).get_logged_model(run.outputs.model_outputs[0].model_id)


def test_long_sweep_needs_no_more_open_files(changeable: Project) -> None:
    """Finished and failed jobs close their files: the limit here leaves about 15 beyond those open at the start.

    A bank has at most hydra.launcher.heads heads.
    """
    rates = ",".join(str(rate / 100) for rate in range(1, 25)) + ",1e38"
    command = f"{sys.executable} -m pipeline.train -m train.learning_rate={rates} train.epochs=1 hydra.launcher.heads=3"
    done = changeable.run("bash", "-c", f"ulimit -n 80; {command}")
    assert "24 of 25 jobs finished" in done.stdout, done.stderr
    assert "Launching 25 jobs in 9 banks" in done.stdout
    assert len(re.findall(r"error: job \d", done.stderr)) == 1


def test_other_stages_sweep_as_with_the_basic_launcher(changeable: Project) -> None:
    """The bank launcher runs stages that train no model one after the other, as Hydra's basic launcher does."""
    done = changeable.stage("preprocess", "-m", "tracking.experiment=a,b")
    assert done.returncode == 0, done.stderr
    assert "Launching 2 jobs locally" in done.stdout


def test_worker_that_is_killed_leaves_no_run_running(changeable: Project) -> None:
    """If a worker is killed, for example out of memory, joblib ends all workers. The runs are KILLED."""
    endless = ("train.learning_rate=0.1,0.2", "train.epochs=1000000", "train.patience=1000000")
    words = ("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *endless)
    with changeable.start_stage("train", *words) as process:
        glob = changeable.folder.glob
        until(lambda: sum(" epoch 1:" in log.read_text() for log in glob("outputs/sweep/*/*/train.log")) == 2, process)
        children = psutil.Process(process.pid).children(recursive=True)
        next(child for child in children if "LokyProcess-1" in child.cmdline()).kill()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert [run.info.status for run in runs(changeable.folder)] == ["KILLED"] * 2
    (parent,) = parents(changeable.folder)
    assert parent.info.status == "FAILED"
