"""The page about a run or a sweep is complete, loads nothing, and runs no other script."""

import argparse
import base64
import csv
import hashlib
import io
import json
import os
import re
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from pipeline import report
from pipeline.core.config import Config
from pipeline.reporting import single
from pipeline.reporting.page import render
from pipeline.runs import command_line
from pipeline.runs.lookup import Lookup
from pipeline.runs.stored_run import StoredRun
from tests.support.html import Page
from tests.support.project import Project
from tests.support.stores import client_of, parents, runs

HOSTILE = "<script>alert(1)</script>\"'><img src=http://evil.invalid/x.png onerror=alert(2)>{{ 7 * 7 }}$x_"
HOSTILE_KEY = "a tag - javascript:alert"  # MLflow refuses other characters
RUN_SECTIONS = ["curves", "weights", "test", "provenance", "settings"]
SWEEP_SECTIONS = ["leaderboard", "sweep-curves", "failed", "space"]
FIGURES = ["confusion", "mistakes", "calibration", "classes"]


def page_of(folder: Path, run_id: str, out: Path) -> Page:
    """The checked page about a run in the folder's mlflow.db, written in this process."""
    assert report.main(argparse.Namespace(run=run_id, out=out, json=None), settings(folder)) == 0
    return checked(out.read_text(encoding="utf-8"))


def settings(folder: Path) -> Config:
    return command_line.settings([f"tracking.uri=sqlite:///{folder / 'mlflow.db'}", "tracking.experiment=digits"])


def checked(html: str) -> Page:
    """The parsed page, which loads nothing, runs only its own script, and is well-formed."""
    page = Page(html)
    assert not page.unclosed
    assert len(page.ids) == len(set(page.ids))
    for url in page.urls:
        assert re.match(r"data:image/(png|webp);base64,[A-Za-z0-9+/=]+$", url) or url[1:] in page.ids, url[:80]
    for tag, attributes in page.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert not re.search(r"url\(|@import", page.code["style"][0])
    (script,), (style,) = page.code["script"], page.code["style"]
    assert script == (Path(report.__file__).parent / "reporting" / "steps.js").read_text()
    (policy,) = [tag["content"] for _, tag in page.elements if tag.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"script-src '{digest(script)}'" in policy
    assert f"style-src '{digest(style)}'" in policy
    return page


def digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def test_page_of_an_evaluated_run_is_complete(digits: Project, tmp_path: Path) -> None:
    """All digits of its metrics, the figures of stage evaluate, and the provenance."""
    (run,) = runs(digits.folder)
    run.data.metrics.update({"train/objective": 0.25, "train/objective_gap": 0.0625})  # as pipeline.optimum logs them
    stored_run = StoredRun(Lookup(settings(digits.folder)), run)
    page = checked(render(single.read(stored_run, tmp_path), datetime.now(UTC)))
    metrics, tags = run.data.metrics, run.data.tags
    assert [name for name in page.ids if name in RUN_SECTIONS] == RUN_SECTIONS
    assert [name for name in page.ids if name in FIGURES] == FIGURES
    assert f"Validation error {percent(metrics['best/valid_error'])} epoch {metrics['best/epoch']:.0f} of " in page.text
    interval = f"95 % interval {percent(metrics['test/error_low'])} to {percent(metrics['test/error_high'])}"
    assert f"Test error {percent(metrics['test/error'])} {interval}" in page.text
    assert f"Test loss {metrics['test/loss']:.4f} nats" in page.text
    assert f"Calibration error {percent(metrics['test/calibration_error'])}" in page.text
    assert "Above the optimum 0.0625 nats; training objective 0.2500 nats" in page.text
    assert f"7 {percent(metrics['test/precision/7'])} {percent(metrics['test/recall/7'])}" in page.text
    assert "not evaluated" not in page.text.lower()
    for text in (run.info.run_id, tags["data.md5"], tags["config.hash"], tags["code.hash"], "train.learning_rate 0.1"):
        assert text in page.text
    assert f"commit {tags['git.commit']} and changes that were not committed" in page.text
    assert "learning_rate: 0.1" in page.text  # of config.yaml
    assert "+ - data: digits " in page.text  # of git.diff
    steps = [name for name in page.values("img", "alt") if name.startswith("weights after epoch")]
    assert steps[:3] == ["weights after epoch 0", "weights after epoch 10", "weights after epoch 20"]


def test_page_of_a_sweep_ranks_its_jobs_and_shows_the_best(changeable: Project, tmp_path: Path) -> None:
    """The command also keeps the page in the run; the page notes that the best run was not evaluated."""
    done = changeable.stage("train", "-m", "train.learning_rate=0.1,1e38,0.3", "train.epochs=3")
    assert done.returncode == 1
    (parent,) = parents(changeable.folder)
    done = changeable.run(sys.executable, "-m", "pipeline.report", parent.info.run_id)
    assert (done.returncode, done.stderr) == (0, "")
    printed, hint = done.stdout.splitlines()
    assert (printed, hint) == (f"outputs/reports/{parent.info.run_id[:8]}.html", "next: open the page in a browser")
    html = (changeable.folder / printed).read_text(encoding="utf-8")
    client = client_of(changeable.folder)
    assert Path(client.download_artifacts(parent.info.run_id, "report.html")).read_text(encoding="utf-8") == html
    page = checked(html)
    assert [name for name in page.ids if name in SWEEP_SECTIONS + RUN_SECTIONS] == SWEEP_SECTIONS + RUN_SECTIONS
    finished = sorted(
        (run for run in runs(changeable.folder) if run.info.status == "FINISHED"),
        key=lambda run: (run.data.metrics["best/valid_error"], run.data.metrics["best/valid_loss"]),
    )
    best = finished[0]
    for rank, run in enumerate(finished, 1):
        error = percent(run.data.metrics["best/valid_error"])
        assert re.search(rf"{rank}( =)? {run.data.params['train.learning_rate']} {error}", page.text)
    assert "Jobs finished 2 of 3 1 failed, 0 pruned, 0 had finished before" in page.text
    (failed,) = [run for run in runs(changeable.folder) if run.info.status == "FAILED"]
    log = f"{failed.data.tags['output_dir']}/train.log"
    assert f"{failed.info.run_name} {failed.info.run_id[:8]} diverged {log}" in page.text
    assert f"The best run of the sweep {best.info.run_name} FINISHED {best.info.run_id}" in page.text
    assert "Not evaluated yet: confusion, mistakes, calibration, classes" in page.text
    assert len(page.values("img", "src")) == 5  # leaderboard, its curves; of the best: curves, weights, at epoch 0
    page = page_of(changeable.folder, failed.info.run_id, tmp_path / "failed.html")
    assert f"{failed.info.run_name} FAILED {failed.info.run_id}" in page.text
    assert "diverged" in page.text


@pytest.fixture
def store(tmp_path: Path) -> MlflowClient:
    """An empty store with the experiment `digits`."""
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client.create_experiment("digits", (tmp_path / "artifacts").as_uri())
    return client


def hostile_run(client: MlflowClient, tags: dict[str, str]) -> str:
    """A run that was killed after two epochs, with text everywhere that is harmful unless it is escaped."""
    (experiment, *_) = client.search_experiments()
    client.rename_experiment(experiment.experiment_id, HOSTILE)
    run = client.create_run(experiment.experiment_id, run_name=HOSTILE, tags={"mlflow.user": HOSTILE, **tags})
    now = time.time_ns() // 1_000_000
    names = ("train/loss", "train/error", "valid/loss", "valid/error")
    points = [Metric(name, 0.5 / epoch, now, epoch) for name in names for epoch in (1, 2)]
    params = [Param("train.initial", HOSTILE), Param("space.train.initial", HOSTILE)]
    client.log_batch(run.info.run_id, points, params, [RunTag("note", HOSTILE), RunTag("failure", HOSTILE)])
    client.log_text(run.info.run_id, HOSTILE * 1000, "provenance/git.diff")
    client.log_text(run.info.run_id, HOSTILE, "provenance/config.yaml")
    table = io.StringIO()
    csv.writer(table).writerows([["class", "precision", "recall", "f1"], [HOSTILE, 0.5, 0.25, 1 / 3]])
    client.log_text(run.info.run_id, table.getvalue(), "classes.csv")
    data = DatasetInput(Dataset(HOSTILE, HOSTILE[:36], "local", HOSTILE), [InputTag(MLFLOW_DATASET_CONTEXT, HOSTILE)])
    client.log_inputs(run.info.run_id, [data])
    client.set_terminated(run.info.run_id, "KILLED")
    return str(run.info.run_id)


def test_hostile_names_stay_text(store: MlflowClient, tmp_path: Path) -> None:
    """Experiment, name, tags, params, data, settings, classes, diff and a sweep's jobs are shown as plain text."""
    run_id = hostile_run(store, {"git.commit": HOSTILE, HOSTILE_KEY: HOSTILE})
    page = page_of(tmp_path, run_id, tmp_path / "run.html")
    assert page.text.count(HOSTILE) > 200
    assert f"Run in experiment {HOSTILE} {HOSTILE} KILLED" in page.text
    assert f"data for {HOSTILE} {HOSTILE}, digest {HOSTILE[:36]}" in page.text
    assert f"{HOSTILE_KEY} {HOSTILE}" in page.text
    assert f"{HOSTILE} 50.00 % 25.00 % 33.33 %" in page.text  # a class
    assert "Validation error 25.00 % epoch 2 of 2" in page.text
    assert "characters more" in page.text  # of the diff
    assert len(page.html) < 300_000

    sweep_id = hostile_run(store, {"sweep.key": "x", "best_run_id": run_id})
    test = {"p_value": None, "p_adjusted": None, "tied": True}
    measured = {"valid_error": 0.25, "valid_error_interval": [0.2, 0.3], "valid_loss": 0.25, "epoch": 2}
    job = {"rank": 1, "settings": {HOSTILE: HOSTILE}, "run_id": run_id, "name": HOSTILE, "reused": False}
    group = {"settings": {HOSTILE: HOSTILE}, "mean_valid_error": 0.25, "std_valid_error": None, "seeds": 1}
    leaderboard = {
        "significance": 0.05,
        "varied": [HOSTILE],
        "jobs": [{**job, **measured, **test}],
        "groups": [{**group, "mean_interval": None, **test}],
        "importance": {HOSTILE: 0.5},
    }
    store.log_text(sweep_id, json.dumps(leaderboard), "leaderboard.json")
    failed_id = hostile_run(store, {"mlflow.parentRunId": sweep_id, "output_dir": HOSTILE})
    store.set_terminated(failed_id, "FAILED")
    page = page_of(tmp_path, sweep_id, tmp_path / "sweep.html")
    assert f"{HOSTILE} {failed_id[:8]} {HOSTILE} {HOSTILE}/train.log" in page.text
    assert f"1 = {HOSTILE} 25.00 % 20.00 to 30.00 %" in page.text
    assert f"{HOSTILE} 50.00 %." in page.text  # its importance


def test_run_without_content_has_a_page_with_notes(store: MlflowClient, tmp_path: Path) -> None:
    """A run that failed before its first epoch, and a sweep without a finished job."""
    experiment = store.search_experiments()[0].experiment_id
    run = store.create_run(experiment, run_name="early")
    page = page_of(tmp_path, run.info.run_id, tmp_path / "run.html")
    assert [name for name in page.ids if name in RUN_SECTIONS] == RUN_SECTIONS
    assert "No epoch was validated" in page.text
    assert "not evaluated yet" in page.text
    sweep = store.create_run(experiment, run_name="sweep", tags={"sweep.key": "x"})
    page = page_of(tmp_path, sweep.info.run_id, tmp_path / "sweep.html")
    assert [name for name in page.ids if name in SWEEP_SECTIONS + RUN_SECTIONS] == SWEEP_SECTIONS
    assert "No job has finished yet" in page.text


def test_json_has_the_path_of_the_page_and_whether_the_run_has_it(
    store: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that mails the page learns where it is. A refusal of the store is a warning, and no error."""
    run = store.create_run(store.search_experiments()[0].experiment_id, run_name="early")
    out = tmp_path / "run.html"
    args = report.arguments().parse_args(["early", "--json", "--out", str(out)])
    for kept in (True, False):
        assert report.main(args, settings(tmp_path)) == 0
        printed = capsys.readouterr()
        document = json.loads(printed.out)
        assert document == {"run_id": run.info.run_id, "page": os.path.relpath(out), "kept": kept}
        assert printed.err.startswith("warning: report.html cannot be logged") != kept
        shutil.rmtree(tmp_path / "artifacts", ignore_errors=True)
        (tmp_path / "artifacts").write_text("in the way")


def test_page_is_written_if_the_store_refuses_it(
    store: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning then says that the run does not have the page."""
    experiment = store.search_experiments()[0].experiment_id
    run = store.create_run(experiment, run_name="early")
    (tmp_path / "artifacts").write_text("in the way")
    page = page_of(tmp_path, "early", tmp_path / "run.html")
    assert run.info.run_id in page.text
    stderr = capsys.readouterr().err
    assert stderr.startswith(f"warning: report.html cannot be logged to run {run.info.run_id}: ")
    assert stderr.count("\n") == 1
