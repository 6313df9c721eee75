"""What the server has not got is kept, and written later: once, and whole."""

import csv
import math
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
from pipeline.runs.upload import Uploaded, upload
from pipeline.tracking import processes, retry, store, upload_queue
from pipeline.tracking.journal import LINES, Journal
from pipeline.tracking.operations import EndRun, LogArtifacts
from pipeline.tracking.run import Run
from tests.support.project import Project
from tests.support.proxy import Proxy, proxy
from tests.support.stores import parents_of, runs_of
from tests.support.whole_run import START, check, create, log_whole_run
from tests.tracking.test_store import tracking

IMPATIENT = (
    "import runpy, sys; from pipeline.tracking import retry; retry.SECONDS = 1; sys.argv[0] = 'train'\n"
    "runpy.run_module('pipeline.train', run_name='__main__', alter_sys=True)"
)


def test_training_ends_with_the_command_that_uploads_it_later(changeable: Project, server: str) -> None:
    """Where the server is gone for good: one line, exit code 1, and nothing that was learned is lost."""
    where = ["tracking=server", "tracking.experiment=gone", "hydra.run.dir=out", "train.epochs=15"]
    where.append("tracking.weight_images_every=1")  # several writes an epoch
    with proxy(server) as between:
        between.most = 30  # of more than fifty
        done = changeable.run(sys.executable, "-c", IMPATIENT, *where, f"tracking.uri={between.url}")
        assert done.returncode == 1
        (warning, error) = done.stderr.splitlines() if "\n" in done.stderr.strip() else ("", done.stderr.strip())
        assert "does not answer" in warning + done.stdout
        assert error == (
            f"error: the run could not be uploaded to {between.url} (no answer): once the store works, "
            "`python -m pipeline.upload out` uploads it"
        )
        assert not (changeable.folder / "out/run_id").exists()
        between.most = 10_000
        found = changeable.stage("upload", "out")
    assert found.returncode == 0, found.stderr
    (run,) = runs_of(MlflowClient(server), "gone")
    assert found.stdout == f"run {run.info.run_id} is uploaded to {between.url}, FINISHED: out\n"
    assert (changeable.folder / "out/run_id").read_text() == f"{run.info.run_id}\n"
    assert not (changeable.folder / "out/unwritten").exists()
    lines = (changeable.folder / "out/history.csv").read_text().splitlines()
    assert len(MlflowClient(server).get_metric_history(run.info.run_id, "valid/error")) == len(lines) - 1


def test_run_is_whole_though_each_answer_was_lost_once(
    between: Proxy, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has done what it answers 503 to: made again, a write leaves no second run, model, image or point."""
    monkeypatch.setattr(retry, "SECONDS", 60)  # one write has a dozen requests, and each is to be made twice
    opened = store.connect(tracking(between.url, "forgotten"))
    between.forgetful = True
    log_whole_run(opened, "forgotten", tmp_path).wait()
    check(MlflowClient(server), "forgotten")
    assert not (tmp_path / "unwritten").exists()


@pytest.mark.killed
def test_sweep_whose_server_dies_is_uploaded_and_trained_no_more(changeable: Project, server: str) -> None:
    """It tells what became of each job; the same command then adopts all of them."""
    sweep = ["--multirun", "tracking=server", "tracking.experiment=half", "hydra.sweep.dir=swept", "train.epochs=1"]
    sweep += ["train.learning_rate=0.1,0.2", "hydra.launcher.heads=1"]
    with proxy(server) as between:
        sweep.append(f"tracking.uri={between.url}")
        between.last = b'"status": "FINISHED"'  # the first job's end
        died = changeable.run(sys.executable, "-c", IMPATIENT, *sweep)
        assert died.returncode == 1
        assert re.search(r"failed: .*=0.1 .*: trained, but its result cannot be read", died.stdout)
        assert re.search(
            r"failed: .*=0.2 .*: the run could not be uploaded to .*upload swept/1_\S+` uploads", died.stdout
        )
        assert "type `python -m pipeline.upload swept` for jobs that are not written" in died.stderr
        between.silent = False
        (left,) = upload(changeable.folder / "swept", tracking(), chosen=False)
        # Its report goes to a full disk, which is no reason to leave the sweep's run RUNNING.
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
    """All is told to the run before the server answers again, which then gets all of it. 0: it is silent."""
    opened = store.connect(tracking(between.url, f"away {status}"))
    between.status, between.silent = status, not status
    run = log_whole_run(opened, f"away {status}", tmp_path)
    assert not run.is_uploaded()
    between.status, between.silent = 0, False
    run.wait()
    check(MlflowClient(server), f"away {status}")


@pytest.mark.parametrize("begun", [0, 12])
def test_upload_writes_what_a_server_that_is_gone_has_not_got(
    begun: int, between: Proxy, server: str, tmp_path: Path
) -> None:
    """It continues the run that was begun, with its own times, and once; in another store it makes a new one."""
    output, copy = tmp_path / "output", tmp_path / "copy"
    experiment = f"left after {begun}"
    opened = store.connect(tracking(between.url, experiment))
    between.most = between.requests + begun
    run = log_whole_run(opened, experiment, output)
    with pytest.raises(Unwritten, match=r"\(no answer\): once .*, `python -m pipeline.upload \S+` uploads it"):
        run.wait()
    ended = time.time_ns() // 1_000_000
    with pytest.raises(UserError, match="a process works on the run"):
        list(upload(output, tracking(), chosen=False))
    _bury(output)
    shutil.copytree(output / "unwritten", copy / "unwritten")
    between.most = math.inf
    (done,) = upload(output, tracking(), chosen=False)
    found = check(MlflowClient(server), experiment)
    assert (done.run_id, done.status) == (found.info.run_id, "FINISHED")
    assert START < found.info.end_time <= ended
    assert not list(upload(output, tracking(), chosen=False))
    shutil.copytree(copy / "unwritten", output / "unwritten")
    (again,) = upload(output, tracking(), chosen=False)
    assert again.run_id == check(MlflowClient(server), experiment).info.run_id
    elsewhere = tracking(f"sqlite:///{tmp_path}/other.db")
    (other,) = upload(copy, elsewhere, chosen=True)
    assert check(MlflowClient(elsewhere.uri), experiment).info.run_id == other.run_id


def _bury(output: Path) -> None:
    """Let the journal be one of another machine's process, of which nobody knows whether it is there."""
    (lines,) = output.glob("unwritten/*/journal.jsonl")
    lines.write_text(lines.read_text().replace(processes.this_process(), "elsewhere boot pid:[1] 1 1"))


def test_run_of_a_killed_process_is_uploaded_as_killed(between: Proxy, server: str, tmp_path: Path) -> None:
    """Up to the line that the kill has cut off."""
    opened = store.connect(tracking(between.url, "killed"))
    between.silent = True
    with pytest.raises(Unwritten):
        log_whole_run(opened, "killed", tmp_path).wait()
    between.silent = False
    _bury(tmp_path)
    (lines,) = tmp_path.glob("unwritten/*/journal.jsonl")
    lines.write_text(lines.read_text()[:-9])
    (done,) = upload(tmp_path, tracking(), chosen=False)
    assert done.status == "KILLED"
    run = MlflowClient(server).get_run(done.run_id)
    assert run.data.tags["failure"].startswith("killed")
    assert run.data.metrics["best/epoch"] == 3


@contextmanager
def full(lines: Path) -> Iterator[None]:
    """No file may grow beyond a few bytes more than this one has: the next line is cut."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (lines.stat().st_size + 9, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("error", "failure"), [(Diverged("loss"), "diverged"), (None, "File too large")])
def test_run_does_not_stay_running(error: Exception | None, failure: str, server: str, tmp_path: Path) -> None:
    """It gets its last figures and ends as failed, for the first reason; the full disk is raised."""
    opened = store.connect(tracking(server, f"full: {failure}"))
    run = Run(opened, tmp_path, create(opened, "full"))
    run.log_metrics({"train/loss": 0.5}, 1)
    (lines,) = tmp_path.glob(f"unwritten/*/{LINES}")

    with full(lines), pytest.raises(OSError, match="File too large"):
        run.end(error)
    upload_queue.flush_all()
    (found,) = runs_of(MlflowClient(server), f"full: {failure}")
    assert found.info.status == "FAILED"
    assert failure in found.data.tags["failure"]
    assert found.data.metrics == {"train/loss": 0.5}


def test_line_that_a_full_disk_cuts_spoils_no_other(tmp_path: Path) -> None:
    """What comes after it, when there is room again, can be read."""
    journal = Journal.create(tmp_path)
    first, last = LogArtifacts("000001", ""), EndRun(1, "FINISHED", "")
    journal.add(first)
    with full(journal.folder / LINES), pytest.raises(OSError, match="too large"):
        journal.add(LogArtifacts("000002", "figures"))
    journal.add(last)
    assert journal.read() == [first, last]


def test_upload_passes_over_what_it_cannot_write(between: Proxy, tmp_path: Path) -> None:
    """A run that is refused for good, and one that is still being written, do not keep the others back."""
    opened = store.connect(tracking(between.url, "some"))
    between.silent = True
    for name in ("a", "b", "c"):
        with pytest.raises(Unwritten):
            log_whole_run(opened, "some", tmp_path / name).wait()
    between.silent = False
    _bury(tmp_path / "a")
    shutil.rmtree(next(tmp_path.glob("a/unwritten/*/000001")))
    _bury(tmp_path / "c")
    written: list[Uploaded] = []
    with pytest.raises(UserError, match=r"run in \S+/a is not uploaded: .*; a process works on the run in \S+/b"):
        written.extend(upload(tmp_path, tracking(), chosen=False))
    assert [each.folder.name for each in written] == ["c"]
    assert {path.name for path in tmp_path.iterdir() if (path / "unwritten").exists()} == {"a", "b"}


def test_two_uploads_do_not_write_the_same_run(tmp_path: Path) -> None:
    """Each would create it."""
    journal = Journal.create(tmp_path)
    with journal.locked(), pytest.raises(UserError, match="another upload works on the run in"):
        list(upload(tmp_path, tracking(), chosen=False))
    assert not list(upload(tmp_path, tracking(), chosen=False))
    with journal.locked() as exists:
        assert not exists


def test_journal_of_an_earlier_version_is_uploaded(tmp_path: Path) -> None:
    """Users have such journals on their disks: its lines were written by version 0.1.0."""
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
