"""Stages that are killed, and commands that meet: the next `dvc repro` gives what an undisturbed one gave."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.core.atomic import sha256
from tests.support.project import Project
from tests.support.stores import runs

pytestmark = pytest.mark.killed

OUTPUTS = ("data", "prepared", "models/model.keras", "models/history.csv", "reports", "dvc.lock", "data.dvc")


def outputs(project: Project) -> dict[Path, str]:
    """What DVC keeps of the stages, by name."""
    starts = [project.folder / name for name in OUTPUTS]
    files = [file for start in starts for file in (start.rglob("*") if start.is_dir() else [start])]
    return {file.relative_to(project.folder): sha256(file) for file in files if file.is_file()}


@contextmanager
def running(project: Project, stage: str, line: str) -> Iterator["subprocess.Popen[str]"]:
    """A `dvc repro` of one stage, in a group of processes of its own, that has come to the line."""
    process = subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", stage],
        cwd=project.folder,
        env=project.environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process:
        assert any(told.startswith(line) for told in process.stdout)
        yield process
        process.stdout.read()


@pytest.mark.parametrize(("stage", "line"), [("preprocess", "> python"), ("train", "epoch 5:")])
def test_killed_stage_is_made_good(stage: str, line: str, digits: Project, changeable: Project) -> None:
    """With -9, and the `dvc repro` around it: nothing half-written has a final name. `make torture` kills 200 times."""
    with running(changeable, stage, line) as process:
        os.killpg(process.pid, signal.SIGKILL)
    expected = outputs(digits)
    assert outputs(changeable).items() <= expected.items()
    done = changeable.run("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert outputs(changeable) == expected
    assert changeable.git("status", "--porcelain") == ""


def test_second_repro_is_refused_and_a_sweep_beside_goes_on(changeable: Project) -> None:
    """One says which process is busy; the other reads what is there."""
    with running(changeable, "train", "> python") as first:
        second = changeable.run("dvc", "repro", "--force", "--single-item", "train")
        assert second.returncode != 0
        assert f"(PID {first.pid})" in second.stderr
        swept = changeable.stage("train", "-m", "train.learning_rate=0.2,0.3", "train.epochs=2")
        assert swept.returncode == 0, swept.stderr
    assert first.returncode == 0
    assert [run.info.status for run in runs(changeable.folder)] == ["FINISHED"] * 3


@pytest.mark.parametrize("end", ["    deps:\n", "    hash: m"])
def test_make_repro_restores_files_of_dvc_that_a_kill_cut(end: str, digits: Project, changeable: Project) -> None:
    """DVC writes them in place, and then refuses files that are empty or cut, at the end of a line or within it."""
    lock = changeable.folder / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text[: text.index(end) + len(end)])
    (changeable.folder / "data.dvc").write_bytes(b"")
    (changeable.folder / ".dvc/tmp/rwlock").write_bytes(b"")
    assert changeable.run("dvc", "repro").returncode != 0
    done = changeable.run("make", "--assume-old", ".venv/installed", "repro")
    assert done.returncode == 0, done.stderr
    assert "dvc.lock was empty or cut, and is restored from Git" in done.stderr
    assert "Running stage" not in done.stdout
    assert outputs(changeable) == outputs(digits)
