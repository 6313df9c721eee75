"""Sweeps: a run and a folder for each job, the best one named, and no failure hidden."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.project import Project
from tests.support.stores import runs


def test_each_job_has_its_run_and_folder_and_the_best_is_named(changeable: Project) -> None:
    """Also through the preset, which needs no --multirun."""
    done = changeable.stage("train", "+sweep=grid", "train.epochs=3")
    assert done.returncode == 0, done.stderr
    found = runs(changeable.folder)
    assert {run.info.run_name for run in found} == {
        f"lr={rate} batch={size} train.epochs=3" for rate in ("0.03", "0.1", "0.3") for size in (64, 256, 600)
    }
    assert {run.info.status for run in found} == {"FINISHED"}
    assert len({run.data.tags["sweep.id"] for run in found}) == 1
    folders = {Path(run.data.tags["output_dir"]) for run in found}
    assert len(folders) == 9
    for folder in folders:
        assert {"model.keras", "history.csv", "weights.png", "train.log", ".hydra"} <= {
            p.name for p in folder.iterdir()
        }
    best = min(found, key=lambda run: (run.data.metrics["best/valid_error"], run.data.metrics["best/valid_loss"]))
    last = done.stdout.splitlines()[-1]
    assert "9 of 9 jobs finished" in last
    assert f"run {best.info.run_id}, {best.data.tags['output_dir']}" in last


def test_job_of_a_sweep_equals_the_same_job_alone(changeable: Project) -> None:
    """To the byte, whatever ran before it in the process."""
    out = changeable.folder / "out"
    alone = changeable.stage("train", "train.learning_rate=0.3", "train.epochs=3", f"hydra.run.dir={out}/alone")
    swept = changeable.stage(
        "train", "--multirun", "train.learning_rate=0.1,0.3", "train.epochs=3", f"hydra.sweep.dir={out}/swept"
    )
    assert alone.returncode == swept.returncode == 0, alone.stderr + swept.stderr
    for name in ("model.keras", "history.csv", "weights.png"):
        assert (out / "alone" / name).read_bytes() == (out / "swept/1_lr=0.3_batch=64" / name).read_bytes()


def test_failing_jobs_are_all_named_and_the_others_go_on(changeable: Project) -> None:
    """Hydra itself shows the first failure only, and nothing in that job's log."""
    done = changeable.stage("train", "-m", "train.learning_rate=1e38,0.1,2e38", "train.epochs=2")
    assert done.returncode == 1
    told = re.findall(
        r"^error: job (\d) failed: the training loss .* in epoch 1.*\(see (.*)\)$", done.stderr, re.MULTILINE
    )
    assert [number for number, _ in told] == ["0", "2"]
    for _, folder in told:
        assert "Traceback" in (Path(folder) / "train.log").read_text()
    assert "Traceback" not in done.stdout + done.stderr
    assert "1 of 3 jobs finished" in done.stdout
    assert sorted(run.info.status for run in runs(changeable.folder)) == ["FAILED", "FAILED", "FINISHED"]


def test_equal_jobs_keep_apart(changeable: Project) -> None:
    """Hydra runs equal values twice: two runs, two folders, the same bytes."""
    done = changeable.stage("train", "-m", "seed=7,7", "train.epochs=1")
    assert done.returncode == 0, done.stderr
    first, second = (Path(run.data.tags["output_dir"]) for run in runs(changeable.folder))
    assert first != second
    assert (first / "model.keras").read_bytes() == (second / "model.keras").read_bytes()


def test_jobs_refused_before_their_run_count_as_failed(changeable: Project) -> None:
    """They leave no trace in MLflow, and the end must not say that all is well."""
    done = changeable.stage("train", "-m", "train.batch_size=0,64", "train.epochs=1")
    assert done.returncode == 1
    assert "error: job 0 failed: train.batch_size=0 is not allowed" in done.stderr
    assert "1 of 2 jobs finished" in done.stdout


def test_refused_sweep_leaves_nothing(changeable: Project) -> None:
    """No store, no experiment, no summary of nothing."""
    done = changeable.stage("train", "-m", "train.batch_size=32,bad")
    assert done.returncode == 1
    assert "jobs finished" not in done.stdout
    assert not (changeable.folder / "mlflow.db").exists()


def test_interrupted_sweep_ends_with_its_runs_killed(changeable: Project) -> None:
    """Ctrl-C ends the sweep and not only a job; what was finished is summed up, and what was measured is kept.

    A head that has ended ends its job, and the others' metrics arrive while they train.
    """
    command = [sys.executable, "-m", "pipeline.train", "-m", "train.epochs=1,1000000,2000000", "train.patience=1000000"]
    process = subprocess.Popen(
        command, cwd=changeable.folder, env=changeable.environment(), stdout=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 120
    while seen(changeable) != ["FINISHED", "RUNNING", "RUNNING"]:
        assert time.monotonic() < end
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 of 3 jobs finished" in printed
    assert seen(changeable) == ["FINISHED", "KILLED", "KILLED"]


def seen(project: Project) -> list[str]:
    """The states of the runs that have metrics, as the UI would show them."""
    if not list(project.folder.glob("outputs/sweep/*/2_*/train.log")):
        return []  # the store may not be there yet
    return sorted(run.info.status for run in runs(project.folder) if "valid/error" in run.data.metrics)
