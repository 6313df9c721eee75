"""Sweeps: each job's run and folder, the parent run, the best run, and failures."""

import csv
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities import Run
from PIL import Image

from pipeline.tracking import store
from tests.support.artifacts import lose_artifacts
from tests.support.project import Project
from tests.support.stores import client_of, parents, runs
from tests.support.waiting import until
from tests.tracking.test_store import tracking


def test_each_job_has_its_run_and_folder_and_the_best_is_named(changeable: Project) -> None:
    """The preset +sweep=grid sweeps without --multirun."""
    done = changeable.stage("train", "+sweep=grid", "train.epochs=3")
    assert done.returncode == 0, done.stderr
    children = runs(changeable.folder)
    assert {run.info.run_name for run in children} == {
        f"lr={rate} batch={size} train.epochs=3" for rate in ("0.03", "0.1", "0.3") for size in (64, 256, 600)
    }
    assert {run.info.status for run in children} == {"FINISHED"}
    assert len({run.data.tags["sweep.id"] for run in children}) == 1
    folders = {Path(run.data.tags["output_dir"]) for run in children}
    assert len(folders) == 9
    for folder in folders:
        assert {"model.keras", "history.csv", "weights.png", "train.log", ".hydra"} <= {
            p.name for p in folder.iterdir()
        }
    best = min(children, key=best_validation)
    assert "9 of 9 jobs finished" in done.stdout
    assert f"run {best.info.run_id}, {best.data.tags['output_dir']}" in done.stdout


@dataclass(frozen=True)
class Swept:
    """A project with a sweep that has two failed jobs, and the sweep's finished process."""

    project: Project
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def swept(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Six jobs in two banks, with two of Hydra's callbacks. Tests must not change the project."""
    project = digits.copy(tmp_path_factory.mktemp("swept") / "project")
    overrides = ("train.learning_rate=0.1,1e38,0.3", "train.batch_size=48,64", "train.epochs=3", "seed=7")
    callbacks = (
        "+hydra.callbacks.log._target_=hydra.experimental.callbacks.LogJobReturnCallback",
        "+hydra.callbacks.keep._target_=hydra.experimental.callbacks.PickleJobInfoCallback",
    )
    return Swept(project, project.stage("train", "-m", *overrides, *callbacks))


def test_parent_has_the_leaderboard_and_the_best(swept: Swept) -> None:
    """The parent run has the search space, job counts, the best run's id, params and metrics, and the leaderboard."""
    (parent,) = parents(swept.project.folder)
    children = runs(swept.project.folder)
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    finished = [run for run in children if run.info.status == "FINISHED"]
    leaderboard = sorted(finished, key=best_validation)
    best = leaderboard[0]
    assert parent.info.status == "FAILED"
    assert parent.data.tags["best_run_id"] == best.info.run_id
    assert parent.data.params["space.train.learning_rate"] == "0.1,1e38,0.3"
    assert {key: parent.data.params[key] for key in best.data.params} == best.data.params
    counts = {"jobs": 6, "jobs/finished": 4, "jobs/failed": 2, "jobs/skipped": 0}
    assert {key: parent.data.metrics[key] for key in counts} == counts
    metrics = ("best/epoch", "best/valid_error", "best/valid_loss")
    assert [parent.data.metrics[key] for key in metrics] == [best.data.metrics[key] for key in metrics]
    client = client_of(swept.project.folder)
    table = json.loads(Path(client.download_artifacts(parent.info.run_id, "leaderboard_table.json")).read_text())
    text = Path(client.download_artifacts(parent.info.run_id, "leaderboard.csv")).read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["run_id"] for row in rows] == [run.info.run_id for run in leaderboard]
    assert [dict(zip(table["columns"], row, strict=True))["run_id"] for row in table["data"]] == [
        row["run_id"] for row in rows
    ]
    with Image.open(client.download_artifacts(parent.info.run_id, "leaderboard.png")) as figure:
        assert figure.width >= 600
    multirun = Path(client.download_artifacts(parent.info.run_id, "multirun.yaml")).read_text()
    assert "train.learning_rate=0.1,1e38,0.3" in multirun  # the param may be truncated, the file is not


def best_validation(run: Run) -> tuple[float, float]:
    """Return the validation error and loss of the run's best epoch, by which runs are ranked."""
    return run.data.metrics["best/valid_error"], run.data.metrics["best/valid_loss"]


@pytest.mark.repro
def test_printed_command_applies_the_best_settings(swept: Swept, tmp_path: Path) -> None:
    """The command at the end of the sweep writes the best job's values into conf/ and gives byte-equal files."""
    stdout = swept.done.stdout
    best = re.search(r"the best is .*, (\S+)$", stdout, re.MULTILINE)
    assert best is not None
    project = swept.project.copy(tmp_path / "project")
    applied = project.run(*shlex.split(stdout.splitlines()[-2].strip()))
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert "learning_rate: 0.3" in (project.folder / "conf/settings.yaml").read_text()
    for name in ("model.keras", "history.csv", "weights.png"):
        expected = (swept.project.folder / best[1] / name).read_bytes()
        assert (project.folder / "models" / name).read_bytes() == expected


def test_unusual_overrides_and_a_closed_pipe_do_not_fail_the_sweep(changeable: Project) -> None:
    """Hydra's `++`, an experiment name that looks like a formula, and a reader that closes the pipe early.

    A value that is listed twice is trained twice: two runs, two folders, the same bytes.
    """
    overrides = "++train.learning_rate=0.1,0.1 train.epochs=1 'tracking.experiment=a$b_$c'"
    done = changeable.run("bash", "-c", f"{sys.executable} -m pipeline.train -m {overrides} | head -1")
    (parent,) = parents(changeable.folder, "a$b_$c")
    assert parent.info.status == "FINISHED", done.stderr
    assert parent.data.params["space.train.learning_rate"] == "0.1,0.1"
    assert parent.data.metrics["jobs/finished"] == 2
    first, second = (Path(run.data.tags["output_dir"]) for run in runs(changeable.folder, "a$b_$c"))
    assert first != second
    assert (first / "model.keras").read_bytes() == (second / "model.keras").read_bytes()


def test_sweep_that_loses_its_artifact_store_fails(changeable: Project) -> None:
    """If artifacts cannot be written any more, each job and the sweep report one line, and no run stays RUNNING.

    The jobs count as failed although they were trained: their runs are FAILED, and no file `run_id` is written.
    """
    store.connect(tracking(f"sqlite:///{changeable.folder}/mlflow.db"))
    artifacts = changeable.folder / "mlartifacts"
    out = changeable.folder / "out"
    overrides = ("train.learning_rate=0.2,0.3", "train.epochs=1")
    done = changeable.stage("train", "-m", *overrides, f"hydra.sweep.dir={out}", lose_artifacts(changeable))
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert len(re.findall(r"^error: job [01] failed: .*mlartifacts", done.stderr, re.MULTILINE)) == 2
    assert re.search(r"^error: run \w+ of the sweep could not be written \(.*\): start ", done.stderr, re.MULTILINE)
    assert "0 of 2 jobs finished" in done.stdout
    (parent,) = parents(changeable.folder)
    assert parent.info.status == "FAILED"
    for run in runs(changeable.folder):
        assert run.info.status == "FAILED"
        assert "mlartifacts" in run.data.tags["failure"]
    assert not list(out.glob("*/run_id"))
    artifacts.unlink()
    repeated = changeable.stage("train", "-m", *overrides)
    assert repeated.returncode == 0, repeated.stderr
    assert [run.info.status for run in parents(changeable.folder)] == ["FINISHED"]


def test_all_failed_jobs_are_reported_and_the_others_finish(swept: Swept) -> None:
    """Hydra itself reports only the first failure, and not in the job's log."""
    done, folder = swept.done, swept.project.folder
    assert done.returncode == 1
    line = r"^failed: train.learning_rate=(\S+) .*: the training loss .* in epoch 1.*; see (.*)$"
    failures = re.findall(line, done.stdout, re.MULTILINE)
    assert [rate for rate, _ in failures] == ["1e+38", "1e+38"]
    for _, log in failures:
        assert "Traceback" in (folder / log).read_text()
    assert "Traceback" not in done.stdout + done.stderr
    assert "4 of 6 jobs finished, 2 failed" in done.stdout
    outcomes = [(run.info.status, run.data.tags.get("failure", "")) for run in runs(folder)]
    assert sorted(outcomes) == [("FAILED", "diverged")] * 2 + [("FINISHED", "")] * 4


def test_hydra_callbacks_run_at_the_end_of_each_job(swept: Swept) -> None:
    """on_job_end gets the job's result after its training, not when the job is added to a bank."""
    (sweep,) = (swept.project.folder / "outputs/sweep").iterdir()
    for folder, failed in (("0_lr=0.1_batch=48", False), ("2_lr=1e+38_batch=48", True)):
        text = (sweep / folder / "train.log").read_text()
        assert ("[LogJobReturnCallback][ERROR]" in text.replace("hydra.experimental.callbacks.", "")) == failed
        assert (sweep / folder / ".hydra/job_return.pickle").is_file()


def test_refused_sweep_leaves_nothing(changeable: Project) -> None:
    """A sweep that Hydra or we refuse, or whose jobs are all invalid, creates no store and prints no summary."""
    refused = (
        ("train.batch_size=32,bad", 1, "train.batch_size: Value 'bad' "),
        ("train.batch_size=0,-1", 2, "train.batch_size=0 is not allowed: it must be at least 1"),
        ("+train.learning_rat=0.1,0.2", 2, "train.learning_rat is not a setting; did you mean train.learning_rate?"),
        ("train.l2=interval(0,1)", 2, "train.l2=interval(0,1) is no grid: give a list, or let +sweep=search sample it"),
        ("hydra.launcher.heads=0", 2, "hydra.launcher.heads=0 is not allowed: it must be at least 1"),
    )
    for override, code, message in refused:
        done = changeable.stage("train", "-m", override)
        assert done.returncode == code, done.stderr
        assert done.stderr.startswith(f"error: {message}")
        assert len(done.stderr.splitlines()) == 1
        assert "jobs finished" not in done.stdout
        assert not (changeable.folder / "mlflow.db").exists()
    shutil.rmtree(changeable.folder / "prepared")
    for sweep in (["-m", "train.learning_rate=0.1,0.2"], ["+sweep=search"]):
        done = changeable.stage("train", *sweep)
        assert done.returncode == 2
        assert done.stderr.endswith("run `dvc repro preprocess`\n")
        assert len(done.stderr.splitlines()) == 1
        assert not (changeable.folder / "mlflow.db").exists()


@pytest.mark.killed
def test_interrupted_sweep_ends_with_its_runs_killed(changeable: Project) -> None:
    """Ctrl-C ends the whole sweep, which prints its summary. Interrupted runs are KILLED and keep their metrics.

    Before that, a job of the bank is FINISHED while the others train, and the others' metrics are in the store.
    """
    overrides = ("train.epochs=1,1000000,2000000", "train.patience=1000000")
    with changeable.start_stage("train", "-m", *overrides) as process:
        until(lambda: statuses(changeable) == ["FINISHED", "RUNNING", "RUNNING"], process)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 of 3 jobs finished" in stdout
    assert "not trained: 2 jobs; the same command trains them" in stdout
    assert statuses(changeable) == ["FINISHED", "KILLED", "KILLED"]
    assert [run.info.status for run in parents(changeable.folder)] == ["KILLED"]


def statuses(project: Project) -> list[str]:
    """Return the sorted statuses of the runs that have metrics; empty before the last job has started."""
    if not list(project.folder.glob("outputs/sweep/*/2_*/train.log")):
        return []  # the store may not exist yet
    return sorted(run.info.status for run in runs(project.folder) if "valid/error" in run.data.metrics)


def test_sweep_over_data_sets_names_them_shortly(changeable: Project) -> None:
    """Not by each of their settings. Jobs of data that are not in prepared/ fail. The sweep is where conf/ says."""
    done = changeable.stage("train", "-m", "data=digits,mnist", "train.epochs=1")
    assert done.returncode == 1
    assert "failed: data=mnist train.epochs=1: " in done.stdout
    header, row = (line for line in done.stdout.splitlines() if re.match(r"( |1) +=? +(data|digits) ", line))
    assert header.split() == ["data", "valid", "error", "95", "%", "interval", "p", "(Holm)", "loss", "epoch", "run"]
    assert len(row) < 100
    (parent,) = parents(changeable.folder)
    table = client_of(changeable.folder).download_artifacts(parent.info.run_id, "leaderboard_table.json")
    assert json.loads(Path(table).read_text())["columns"][:3] == ["rank", "data", "best/valid_error"]
    (view,) = [
        json.loads(value)
        for key, value in client_of(changeable.folder).get_experiment(parent.info.experiment_id).tags.items()
        if key.endswith(parent.info.run_id)
    ]
    assert view["compareRunCharts"][0]["selectedParams"] == ["data.name"]
