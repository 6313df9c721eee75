"""Sweeps: a run and a folder for each job, one parent, the best named, and no failure hidden."""

import csv
import json
import re
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

from mlflow.entities import Run
from PIL import Image

from pipeline.sweep import adopt
from tests.support.project import Project
from tests.support.stores import client_of, parents, runs


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
    best = min(found, key=validation)
    assert "9 of 9 jobs finished" in done.stdout
    assert f"run {best.info.run_id}, {best.data.tags['output_dir']}" in done.stdout


def test_parent_has_the_leaderboard_and_the_best(changeable: Project) -> None:
    """As a table, a file and a picture; what was swept, counts, and the best run's id, params and figures."""
    words = ("train.learning_rate=0.1,1e38,0.3", "train.batch_size=48,64", "train.epochs=2")
    done = changeable.stage("train", "-m", *words)
    assert done.returncode == 1
    (parent,) = parents(changeable.folder)
    found = runs(changeable.folder)
    assert {run.data.tags["mlflow.parentRunId"] for run in found} == {parent.info.run_id}
    finished = [run for run in found if run.info.status == "FINISHED"]
    order = sorted(finished, key=validation)
    best = order[0]
    assert parent.info.status == "FAILED"
    assert parent.data.tags["best_run_id"] == best.info.run_id
    assert parent.data.params["space.train.learning_rate"] == "0.1,1e38,0.3"
    assert {key: parent.data.params[key] for key in best.data.params} == best.data.params
    counts = {"jobs": 6, "jobs/finished": 4, "jobs/failed": 2, "jobs/skipped": 0}
    assert {key: parent.data.metrics[key] for key in counts} == counts
    measured = ("best/epoch", "best/valid_error", "best/valid_loss")
    assert [parent.data.metrics[key] for key in measured] == [best.data.metrics[key] for key in measured]
    client = client_of(changeable.folder)
    table = json.loads(Path(client.download_artifacts(parent.info.run_id, "leaderboard.json")).read_text())
    text = Path(client.download_artifacts(parent.info.run_id, "leaderboard.csv")).read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["run_id"] for row in rows] == [run.info.run_id for run in order]
    assert [dict(zip(table["columns"], row, strict=True))["run_id"] for row in table["data"]] == [
        row["run_id"] for row in rows
    ]
    with Image.open(client.download_artifacts(parent.info.run_id, "leaderboard.png")) as picture:
        assert picture.width >= 600
    told = Path(client.download_artifacts(parent.info.run_id, "multirun.yaml")).read_text()
    assert words[0] in told  # of which a param may have only a part


def validation(run: Run) -> tuple[float, float]:
    return run.data.metrics["best/valid_error"], run.data.metrics["best/valid_loss"]


def test_told_command_adopts_the_best(changeable: Project) -> None:
    """Typed as it stands, it writes the best job's values into conf/ and gives the same model."""
    done = changeable.stage("train", "-m", "train.learning_rate=0.1,0.3", "train.epochs=3", "seed=7")
    assert done.returncode == 0, done.stderr
    best = changeable.folder / Path(
        re.search(r"the best is .*, (\S+)$", done.stdout, re.MULTILINE)[1]  # type: ignore[index]  # fails if absent
    )
    command = done.stdout.splitlines()[-2].strip()
    adopted = changeable.run(*shlex.split(command))
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    assert "learning_rate: 0.3" in (changeable.folder / "conf/config.yaml").read_text()
    assert (changeable.folder / "models/model.keras").read_bytes() == (best / "model.keras").read_bytes()


def test_sweep_of_odd_words_ends_well(changeable: Project) -> None:
    """Hydra's `++`, an experiment that looks like a formula, and a reader that goes away before the end."""
    words = "++train.learning_rate=0.1,0.3 train.epochs=1 'tracking.experiment=a$b_$c'"
    changeable.run("bash", "-c", f"{sys.executable} -m pipeline.train -m {words} | head -1")
    (parent,) = parents(changeable.folder, "a$b_$c")
    assert parent.info.status == "FINISHED"
    assert parent.data.params["space.train.learning_rate"] == "0.1,0.3"
    assert len(runs(changeable.folder, "a$b_$c")) == 2


def test_parent_ends_where_its_files_cannot_be_kept(changeable: Project) -> None:
    """As artifacts without credentials: told in one line for each job and for the sweep, and nothing left RUNNING."""
    assert changeable.stage("train", "train.epochs=1").returncode == 0
    artifacts = changeable.folder / "mlartifacts/digits"
    shutil.rmtree(artifacts)
    artifacts.write_text("in the way")
    words = ("train.learning_rate=0.2,0.3", "train.epochs=1")
    done = changeable.stage("train", "-m", *words)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert re.search(r"^error: run \w+ of the sweep could not be written \(.*\): mend ", done.stderr, re.MULTILINE)
    (parent,) = parents(changeable.folder)
    assert parent.info.status == "FAILED"
    assert "RUNNING" not in {run.info.status for run in runs(changeable.folder)}
    artifacts.unlink()
    again = changeable.stage("train", "-m", *words)
    assert again.returncode == 0, again.stderr
    assert [run.info.status for run in parents(changeable.folder)] == ["FINISHED"]


def test_preset_has_the_last_word_in_conf() -> None:
    """The told command edits the file whose value counts."""
    choices = {"experiment": "theano_tutorial", "train": "sgd"}
    assert adopt.lines(["train.learning_rate=0.1", "train.l2=0.1"], choices) == [
        "dvc exp run -S conf/experiment/theano_tutorial.yaml:train.learning_rate=0.1 -S conf/train/sgd.yaml:l2=0.1"
    ]
    assert adopt.lines(["data=digits", "train.epochs=3", "tracking.experiment=x"], {"train": "sgd"}) == [
        "choose in conf/config.yaml, under defaults: data: digits",
        "dvc exp run -S conf/train/sgd.yaml:epochs=3",
    ]


def test_job_of_a_sweep_equals_the_same_job_alone(changeable: Project) -> None:
    """To the byte, whatever ran before it in the process."""
    out = changeable.folder / "out"
    swept = changeable.stage(
        "train", "--multirun", "train.learning_rate=0.1,0.3", "train.epochs=3", f"hydra.sweep.dir={out}/swept"
    )
    alone = changeable.stage("train", "train.learning_rate=0.3", "train.epochs=3", f"hydra.run.dir={out}/alone")
    assert alone.returncode == swept.returncode == 0, alone.stderr + swept.stderr
    for name in ("model.keras", "history.csv", "weights.png"):
        assert (out / "alone" / name).read_bytes() == (out / "swept/1_lr=0.3_batch=64" / name).read_bytes()


def test_failing_jobs_are_all_named_and_the_others_go_on(changeable: Project) -> None:
    """Hydra itself shows the first failure only, and nothing in that job's log."""
    done = changeable.stage("train", "-m", "train.learning_rate=1e38,0.1,2e38", "train.epochs=2")
    assert done.returncode == 1
    line = r"^failed: train.learning_rate=(\S+) .*: the training loss .* in epoch 1.*; see (.*)$"
    told = re.findall(line, done.stdout, re.MULTILINE)
    assert [rate for rate, _ in told] == ["1e+38", "2e+38"]
    for _, log in told:
        assert "Traceback" in (changeable.folder / log).read_text()
    assert "Traceback" not in done.stdout + done.stderr
    assert "1 of 3 jobs finished, 2 failed" in done.stdout
    found = runs(changeable.folder)
    assert sorted(run.info.status for run in found) == ["FAILED", "FAILED", "FINISHED"]
    assert sorted(run.data.tags.get("failure", "") for run in found) == ["", "diverged", "diverged"]


def test_equal_jobs_keep_apart(changeable: Project) -> None:
    """Hydra runs equal values twice: two runs, two folders, the same bytes."""
    done = changeable.stage("train", "-m", "seed=7,7", "train.epochs=1")
    assert done.returncode == 0, done.stderr
    first, second = (Path(run.data.tags["output_dir"]) for run in runs(changeable.folder))
    assert first != second
    assert (first / "model.keras").read_bytes() == (second / "model.keras").read_bytes()
    assert "2 of 2 jobs finished" in done.stdout


def test_jobs_refused_before_their_run_count_as_failed(changeable: Project) -> None:
    """They leave no trace in MLflow, and the end must not say that all is well."""
    done = changeable.stage("train", "-m", "train.batch_size=0,64", "train.epochs=1")
    assert done.returncode == 1
    assert "error: job 0 failed: train.batch_size=0 is not allowed" in done.stderr
    assert "1 of 2 jobs finished" in done.stdout


def test_refused_sweep_leaves_nothing(changeable: Project) -> None:
    """No store, no experiment, no summary of nothing: whether Hydra refuses it, or each job would be."""
    refused = (
        ("train.batch_size=32,bad", 1),
        ("train.batch_size=0,-1", 2),
        ("+train.learning_rat=0.1,0.2", 2),
        ("train.l2=interval(0,1)", 2),
    )
    for words, code in refused:
        done = changeable.stage("train", "-m", words)
        assert done.returncode == code, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "jobs finished" not in done.stdout
        assert not (changeable.folder / "mlflow.db").exists()


def test_interrupted_sweep_ends_with_its_runs_killed(changeable: Project) -> None:
    """Ctrl-C ends the sweep and not only a job; what was finished is summed up, and what was measured is kept.

    A head that has ended ends its job, and the others' metrics arrive while they train.
    """
    words = ("train.epochs=1,1000000,2000000", "train.patience=1000000")
    process = changeable.start("train", "-m", *words)
    end = time.monotonic() + 120
    while seen(changeable) != ["FINISHED", "RUNNING", "RUNNING"]:
        assert time.monotonic() < end
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 of 3 jobs finished" in printed
    assert "not trained: 2 jobs, which the same command begins or repeats" in printed
    assert seen(changeable) == ["FINISHED", "KILLED", "KILLED"]
    assert [run.info.status for run in parents(changeable.folder)] == ["KILLED"]


def seen(project: Project) -> list[str]:
    """The states of the runs that have metrics, as the UI would show them."""
    if not list(project.folder.glob("outputs/sweep/*/2_*/train.log")):
        return []  # the store may not be there yet
    return sorted(run.info.status for run in runs(project.folder) if "valid/error" in run.data.metrics)
