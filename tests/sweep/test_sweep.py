"""Sweeps: a run and a folder for each job, one parent, the best named, and no failure hidden."""

import csv
import json
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities import Run
from PIL import Image

from pipeline.sweep import summary
from pipeline.tracking import store
from tests.support.project import Project
from tests.support.stores import client_of, parents, runs
from tests.support.waiting import until
from tests.tracking.test_store import tracking


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


@dataclass(frozen=True)
class Swept:
    """A project with a sweep, two jobs of which have failed, and what the sweep printed."""

    project: Project
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def swept(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Six jobs in two banks, with callbacks of Hydra's. For reading only."""
    project = digits.copy(tmp_path_factory.mktemp("swept") / "project")
    words = ("train.learning_rate=0.1,1e38,0.3", "train.batch_size=48,64", "train.epochs=3", "seed=7")
    callbacks = (
        "+hydra.callbacks.log._target_=hydra.experimental.callbacks.LogJobReturnCallback",
        "+hydra.callbacks.keep._target_=hydra.experimental.callbacks.PickleJobInfoCallback",
    )
    return Swept(project, project.stage("train", "-m", *words, *callbacks))


def test_parent_has_the_leaderboard_and_the_best(swept: Swept) -> None:
    """As a table, a file and a picture; what was swept, counts, and the best run's id, params and figures."""
    (parent,) = parents(swept.project.folder)
    found = runs(swept.project.folder)
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
    client = client_of(swept.project.folder)
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
    assert "train.learning_rate=0.1,1e38,0.3" in told  # of which a param may have only a part


def validation(run: Run) -> tuple[float, float]:
    return run.data.metrics["best/valid_error"], run.data.metrics["best/valid_loss"]


@pytest.mark.repro
def test_told_command_adopts_the_best(swept: Swept, tmp_path: Path) -> None:
    """Typed as it stands, it writes the best job's values into conf/ and gives the same files, to the byte."""
    told = swept.done.stdout
    best = re.search(r"the best is .*, (\S+)$", told, re.MULTILINE)
    assert best is not None
    project = swept.project.copy(tmp_path / "project")
    adopted = project.run(*shlex.split(told.splitlines()[-2].strip()))
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    assert "learning_rate: 0.3" in (project.folder / "conf/config.yaml").read_text()
    for name in ("model.keras", "history.csv", "weights.png"):
        expected = (swept.project.folder / best[1] / name).read_bytes()
        assert (project.folder / "models" / name).read_bytes() == expected


def test_sweep_of_odd_words_ends_well(changeable: Project) -> None:
    """Hydra's `++`, an experiment that looks like a formula, and a reader that goes away before the end.

    A value that is given twice is trained twice: two runs, two folders, the same bytes.
    """
    words = "++train.learning_rate=0.1,0.1 train.epochs=1 'tracking.experiment=a$b_$c'"
    changeable.run("bash", "-c", f"{sys.executable} -m pipeline.train -m {words} | head -1")
    (parent,) = parents(changeable.folder, "a$b_$c")
    assert parent.info.status == "FINISHED"
    assert parent.data.params["space.train.learning_rate"] == "0.1,0.1"
    assert parent.data.metrics["jobs/finished"] == 2
    first, second = (Path(run.data.tags["output_dir"]) for run in runs(changeable.folder, "a$b_$c"))
    assert first != second
    assert (first / "model.keras").read_bytes() == (second / "model.keras").read_bytes()


def test_parent_ends_where_its_files_cannot_be_kept(changeable: Project) -> None:
    """As artifacts without credentials: told in one line for each job and for the sweep, and nothing left RUNNING.

    The jobs have failed though their training went well: their runs say so too, and no `run_id` tells of a whole one.
    """
    store.connect(tracking(f"sqlite:///{changeable.folder}/mlflow.db"))
    artifacts = changeable.folder / "mlartifacts"
    artifacts.write_text("in the way")
    out = changeable.folder / "out"
    words = ("train.learning_rate=0.2,0.3", "train.epochs=1")
    done = changeable.stage("train", "-m", *words, f"hydra.sweep.dir={out}")
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
    again = changeable.stage("train", "-m", *words)
    assert again.returncode == 0, again.stderr
    assert [run.info.status for run in parents(changeable.folder)] == ["FINISHED"]


def test_preset_has_the_last_word_in_conf() -> None:
    """The told command edits the file whose value counts."""
    choices = {"experiment": "theano_tutorial", "train": "sgd"}
    assert summary.apply_commands(["train.learning_rate=0.1", "train.l2=0.1"], choices) == [
        "dvc exp run -S conf/experiment/theano_tutorial.yaml:train.learning_rate=0.1 -S conf/train/sgd.yaml:l2=0.1"
    ]
    assert summary.apply_commands(["data=digits", "train.epochs=3", "tracking.experiment=x"], {"train": "sgd"}) == [
        "choose in conf/config.yaml, under defaults: data: digits",
        "dvc exp run -S conf/train/sgd.yaml:epochs=3",
    ]


def test_failing_jobs_are_all_named_and_the_others_go_on(swept: Swept) -> None:
    """Hydra itself shows the first failure only, and nothing in that job's log."""
    done, folder = swept.done, swept.project.folder
    assert done.returncode == 1
    line = r"^failed: train.learning_rate=(\S+) .*: the training loss .* in epoch 1.*; see (.*)$"
    told = re.findall(line, done.stdout, re.MULTILINE)
    assert [rate for rate, _ in told] == ["1e+38", "1e+38"]
    for _, log in told:
        assert "Traceback" in (folder / log).read_text()
    assert "Traceback" not in done.stdout + done.stderr
    assert "4 of 6 jobs finished, 2 failed" in done.stdout
    found = [(run.info.status, run.data.tags.get("failure", "")) for run in runs(folder)]
    assert sorted(found) == [("FAILED", "diverged")] * 2 + [("FINISHED", "")] * 4


def test_hydras_callbacks_see_each_jobs_real_end(swept: Swept) -> None:
    """Not the moment when the job begins to wait for its bank."""
    (sweep,) = (swept.project.folder / "outputs/sweep").iterdir()
    for folder, failed in (("0_lr=0.1_batch=48", False), ("2_lr=1e+38_batch=48", True)):
        text = (sweep / folder / "train.log").read_text()
        assert ("[LogJobReturnCallback][ERROR]" in text.replace("hydra.experimental.callbacks.", "")) == failed
        assert (sweep / folder / ".hydra/job_return.pickle").is_file()


def test_refused_sweep_leaves_nothing(changeable: Project) -> None:
    """No store, no experiment, no summary of nothing: whether Hydra refuses it, or each job would be."""
    refused = (
        ("train.batch_size=32,bad", 1, "train.batch_size: Value 'bad' "),
        ("train.batch_size=0,-1", 2, "train.batch_size=0 is not allowed: it must be at least 1"),
        ("+train.learning_rat=0.1,0.2", 2, "train.learning_rat is not a setting; did you mean train.learning_rate?"),
        ("train.l2=interval(0,1)", 2, "train.l2=interval(0,1) is no grid: give a list, or let +sweep=search sample it"),
        ("hydra.launcher.heads=0", 2, "hydra.launcher.heads=0 is not allowed: it must be at least 1"),
    )
    for words, code, told in refused:
        done = changeable.stage("train", "-m", words)
        assert done.returncode == code, done.stderr
        assert done.stderr.startswith(f"error: {told}")
        assert len(done.stderr.splitlines()) == 1
        assert "jobs finished" not in done.stdout
        assert not (changeable.folder / "mlflow.db").exists()


@pytest.mark.killed
def test_interrupted_sweep_ends_with_its_runs_killed(changeable: Project) -> None:
    """Ctrl-C ends the sweep and not only a job; what was finished is summed up, and what was measured is kept.

    A head that has ended ends its job, and the others' metrics arrive while they train.
    """
    words = ("train.epochs=1,1000000,2000000", "train.patience=1000000")
    process = changeable.start("train", "-m", *words)
    until(lambda: seen(changeable) == ["FINISHED", "RUNNING", "RUNNING"], process)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 of 3 jobs finished" in printed
    assert "not trained: 2 jobs; the same command trains them" in printed
    assert seen(changeable) == ["FINISHED", "KILLED", "KILLED"]
    assert [run.info.status for run in parents(changeable.folder)] == ["KILLED"]


def seen(project: Project) -> list[str]:
    """The states of the runs that have metrics, as the UI would show them."""
    if not list(project.folder.glob("outputs/sweep/*/2_*/train.log")):
        return []  # the store may not be there yet
    return sorted(run.info.status for run in runs(project.folder) if "valid/error" in run.data.metrics)
