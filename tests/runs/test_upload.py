"""Runs that a server does not take are kept on disk and uploaded later: once, and complete."""

import csv
import json
import math
import os
import re
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.core.errors import Diverged, Unwritten, UserError
from pipeline.runs.upload import upload
from pipeline.tracking import processes, retry, store, upload_queue
from pipeline.tracking.journal import LINES, Journal
from pipeline.tracking.operations import EndRun, LogArtifacts
from pipeline.tracking.run import Run
from tests.support.project import Project
from tests.support.proxy import Proxy, proxy
from tests.support.stores import parents_of, runs_of
from tests.support.whole_run import START, check, create, log_whole_run
from tests.tracking.test_store import tracking

SHORT_DEADLINE = (
    "import runpy, sys; from pipeline.tracking import retry; retry.SECONDS = 1; sys.argv[0] = 'train'\n"
    "runpy.run_module('pipeline.train', run_name='__main__', alter_sys=True)"
)


def test_training_ends_with_the_command_that_uploads_it_later(changeable: Project, server: str) -> None:
    """Where the server never answers again: one line, exit code 1, and no result is lost."""
    where = ["tracking=server", "tracking.experiment=gone", "hydra.run.dir=out", "train.epochs=15"]
    where.append("tracking.weight_images_every=1")  # several uploads an epoch
    with proxy(server) as between:
        between.most = 30  # of more than fifty
        done = changeable.run(sys.executable, "-c", SHORT_DEADLINE, *where, f"tracking.uri={between.url}")
        assert done.returncode == 1
        (warning, error) = done.stderr.splitlines() if "\n" in done.stderr.strip() else ("", done.stderr.strip())
        assert "does not answer" in warning + done.stdout
        assert error == (
            f"error: the run could not be uploaded to {between.url} (no answer): once the store works, "
            "`python -m pipeline.upload out` uploads it"
        )
        assert not (changeable.folder / "out/run_id").exists()
        between.most = 10_000
        uploaded = changeable.stage("upload", "out")
    assert uploaded.returncode == 0, uploaded.stderr
    (run,) = runs_of(MlflowClient(server), "gone")
    first, hint = uploaded.stdout.splitlines()
    assert first == f"run {run.info.run_id} is uploaded to {between.url}, FINISHED: out"
    assert hint == f"next: open {between.url} in a browser"
    assert (changeable.folder / "out/run_id").read_text() == f"{run.info.run_id}\n"
    assert not (changeable.folder / "out/unwritten").exists()
    lines = (changeable.folder / "out/history.csv").read_text().splitlines()
    assert len(MlflowClient(server).get_metric_history(run.info.run_id, "valid/error")) == len(lines) - 1


def test_run_is_complete_though_each_response_was_lost_once(
    between: Proxy, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server handles a request and answers 503: the retry adds no second run, model, image or point."""
    monkeypatch.setattr(retry, "SECONDS", 60)  # an upload has up to a dozen requests, and each is sent twice
    opened = store.connect(tracking(between.url, "forgotten"))
    between.forgetful = True
    log_whole_run(opened, "forgotten", tmp_path).wait()
    check(MlflowClient(server), "forgotten")
    assert not (tmp_path / "unwritten").exists()


@pytest.mark.killed
def test_sweep_whose_server_dies_is_uploaded_and_not_trained_again(changeable: Project, server: str) -> None:
    """The sweep reports each job. After the upload the same command reuses all of them."""
    sweep = ["--multirun", "tracking=server", "tracking.experiment=half", "hydra.sweep.dir=swept", "train.epochs=1"]
    sweep += ["train.learning_rate=0.1,0.2", "hydra.launcher.heads=1"]
    with proxy(server) as between:
        sweep.append(f"tracking.uri={between.url}")
        between.last = b'"status": "FINISHED"'  # the end of the first job
        died = changeable.run(sys.executable, "-c", SHORT_DEADLINE, *sweep)
        assert died.returncode == 1
        assert re.search(r"failed: .*=0.1 .*: trained, but its result cannot be read", died.stdout)
        assert re.search(
            r"failed: .*=0.2 .*: the run could not be uploaded to .*upload swept/1_\S+` uploads", died.stdout
        )
        assert "type `python -m pipeline.upload swept` for jobs that are not written" in died.stderr
        between.silent = False
        (left,) = upload(changeable.folder / "swept", tracking(), chosen=False)
        # The summary goes to a full disk: the run of the sweep must end all the same.
        command = [sys.executable, "-m", "pipeline.train", *sweep]
        again = changeable.run("sh", "-c", '"$@" > /dev/full', "sh", *command)
    assert again.returncode == 0, again.stderr
    client = MlflowClient(server)
    (parent,) = parents_of(client, "half")
    assert (left.parent, parent.info.status) == (parent.info.run_id, "FINISHED")
    assert {run.info.status for run in runs_of(client, "half")} == {"FINISHED"}
    rows = csv.DictReader((changeable.folder / "swept/leaderboard.csv").open())
    assert [row["reused"] for row in rows] == ["True", "True"]


@pytest.mark.parametrize("status", [0, 429, 500])
def test_training_does_not_wait_for_a_server_that_is_away(
    status: int, between: Proxy, server: str, tmp_path: Path
) -> None:
    """All calls return before the server answers again, and then everything is uploaded. 0: no response."""
    opened = store.connect(tracking(between.url, f"away {status}"))
    between.status, between.silent = status, not status
    run = log_whole_run(opened, f"away {status}", tmp_path)
    assert not run.is_uploaded()
    between.status, between.silent = 0, False
    run.wait()
    check(MlflowClient(server), f"away {status}")


@pytest.mark.parametrize("requests", [0, 12])
def test_upload_completes_a_run_that_a_server_has_in_part(
    requests: int, between: Proxy, server: str, tmp_path: Path
) -> None:
    """It continues the run with the times of the training, once. In another store it creates a new run."""
    output, copy = tmp_path / "output", tmp_path / "copy"
    experiment = f"away after {requests}"
    opened = store.connect(tracking(between.url, experiment))
    between.most = between.requests + requests
    run = log_whole_run(opened, experiment, output)
    with pytest.raises(Unwritten, match=r"\(no answer\): once .*, `python -m pipeline.upload \S+` uploads it"):
        run.wait()
    ended = time.time_ns() // 1_000_000
    with pytest.raises(UserError, match="a process works on the run"):
        list(upload(output, tracking(), chosen=False))
    _set_other_machine(output)
    shutil.copytree(output / "unwritten", copy / "unwritten")
    between.most = math.inf
    (done,) = upload(output, tracking(), chosen=False)
    stored = check(MlflowClient(server), experiment)
    assert (done.run_id, done.status) == (stored.info.run_id, "FINISHED")
    assert START < stored.info.end_time <= ended
    assert not list(upload(output, tracking(), chosen=False))
    shutil.copytree(copy / "unwritten", output / "unwritten")
    (again,) = upload(output, tracking(), chosen=False)
    assert again.run_id == check(MlflowClient(server), experiment).info.run_id
    elsewhere = tracking(f"sqlite:///{tmp_path}/other.db")
    (other,) = upload(copy, elsewhere, chosen=True)
    assert check(MlflowClient(elsewhere.uri), experiment).info.run_id == other.run_id


def _set_other_machine(output: Path) -> None:
    """Replace the process in the journal by one of another machine, whose state is unknown."""
    (lines,) = output.glob("unwritten/*/journal.jsonl")
    lines.write_text(lines.read_text().replace(processes.this_process(), "elsewhere boot pid:[1] 1 1"))


def test_run_of_a_killed_process_is_uploaded_as_killed(between: Proxy, server: str, tmp_path: Path) -> None:
    """The line that the kill has cut is left out."""
    opened = store.connect(tracking(between.url, "killed"))
    between.silent = True
    with pytest.raises(Unwritten):
        log_whole_run(opened, "killed", tmp_path).wait()
    between.silent = False
    _set_other_machine(tmp_path)
    (lines,) = tmp_path.glob("unwritten/*/journal.jsonl")
    lines.write_text(lines.read_text()[:-9])
    (done,) = upload(tmp_path, tracking(), chosen=False)
    assert done.status == "KILLED"
    run = MlflowClient(server).get_run(done.run_id)
    assert run.data.tags["failure"].startswith("killed")
    assert run.data.metrics["best/epoch"] == 3


@contextmanager
def full(lines: Path) -> Iterator[None]:
    """Limit the size of files to a few bytes more than this one has, so that the next line is cut."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (lines.stat().st_size + 9, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("error", "failure"), [(Diverged("loss"), "diverged"), (None, "File too large")])
def test_run_does_not_stay_running(error: Exception | None, failure: str, server: str, tmp_path: Path) -> None:
    """It gets its last metrics and ends as FAILED for the first error; the error of the full disk is raised."""
    opened = store.connect(tracking(server, f"full: {failure}"))
    run = Run(opened, tmp_path, create(opened, "full"))
    run.log_metrics({"train/loss": 0.5}, 1)
    (lines,) = tmp_path.glob(f"unwritten/*/{LINES}")

    with full(lines), pytest.raises(OSError, match="File too large"):
        run.end(error)
    upload_queue.flush_all()
    (stored,) = runs_of(MlflowClient(server), f"full: {failure}")
    assert stored.info.status == "FAILED"
    assert failure in stored.data.tags["failure"]
    assert stored.data.metrics == {"train/loss": 0.5}


def test_journal_can_be_read_after_a_full_disk(tmp_path: Path) -> None:
    """A line that was cut is removed, so that the next line is complete."""
    journal = Journal.create(tmp_path)
    first, last = LogArtifacts("000001", ""), EndRun(1, "FINISHED", "")
    journal.add(first)
    with full(journal.folder / LINES), pytest.raises(OSError, match="too large"):
        journal.add(LogArtifacts("000002", "figures"))
    journal.add(last)
    assert journal.read() == [first, last]


def test_upload_continues_after_a_run_that_fails(between: Proxy, server: str, fresh: Project, tmp_path: Path) -> None:
    """A run without its files and a run of a running process do not stop the others. The JSON has all three."""
    opened = store.connect(tracking(between.url, "some"))
    between.silent = True
    for name in ("a", "b", "c"):
        with pytest.raises(Unwritten):
            log_whole_run(opened, "some", tmp_path / name).wait()
    between.silent = False
    _set_other_machine(tmp_path / "a")
    shutil.rmtree(next(tmp_path.glob("a/unwritten/*/000001")))
    _set_other_machine(tmp_path / "c")
    done = fresh.stage("upload", "--json", str(tmp_path))
    assert done.returncode == 2
    error = done.stderr.splitlines()[-1]
    assert re.match(r"error: the run in \S+/a is not uploaded: .*; a process works on the run in \S+/b", error)
    document = json.loads(done.stdout)
    (uploaded,) = document["uploaded"]
    stored = MlflowClient(server).get_run(uploaded.pop("run_id"))
    assert stored.info.status == uploaded["status"]
    folders = {name: os.path.relpath(tmp_path / name, fresh.folder) for name in ("a", "b", "c")}
    assert uploaded == {"status": "FINISHED", "folder": folders["c"], "store": between.url, "parent_run_id": None}
    assert [failed["folder"] for failed in document["failed"]] == [folders["a"], folders["b"]]
    assert "; ".join(failed["reason"] for failed in document["failed"]) == error.removeprefix("error: ")
    assert {path.name for path in tmp_path.iterdir() if (path / "unwritten").exists()} == {"a", "b"}


def test_two_uploads_do_not_upload_the_same_run(tmp_path: Path) -> None:
    """Each would create a run."""
    journal = Journal.create(tmp_path)
    with journal.locked(), pytest.raises(UserError, match="another upload works on the run in"):
        list(upload(tmp_path, tracking(), chosen=False))
    assert not list(upload(tmp_path, tracking(), chosen=False))
    with journal.locked() as exists:
        assert not exists


def test_journal_of_an_earlier_version_is_uploaded(tmp_path: Path) -> None:
    """The lines were written by version 0.1.0."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folder = tmp_path / "out/unwritten/0123456789abcdef"
    for name, file in (("000003", "config.yaml"), ("000004", "note.txt")):
        (folder / name).mkdir(parents=True)
        (folder / name / file).write_text("text")
    lines = (Path(__file__).parent / "journal_of_0.1.0.jsonl").read_text()
    (folder / LINES).write_text(lines.replace('"uri": "URI"', f'"uri": "{uri}"'))
    (uploaded,) = upload(tmp_path, tracking(), chosen=False)
    run = MlflowClient(uri).get_run(uploaded.run_id)
    assert (run.info.run_name, run.info.status, run.info.start_time) == ("whole", "FINISHED", START)
    assert run.data.params == {"seed": "1"}
    assert run.data.metrics == {"valid/error": 0.5, "train/loss": 2.0}
    assert (run.data.tags["a"], run.data.tags["model.sha256"]) == ("b", "none")
    assert [item.dataset.name for item in run.inputs.dataset_inputs] == ["zeros training"]
    paths = [MlflowClient(uri).list_artifacts(uploaded.run_id, name)[0].path for name in ("figures", "provenance")]
    assert paths == ["figures/note.txt", "provenance/config.yaml"]
    assert not folder.exists()
