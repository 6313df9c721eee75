"""After a kill or a concurrent command, the next `dvc repro` gives the outputs of an undisturbed one."""

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
    """Return the SHA-256 of each output file by its path."""
    paths = [project.folder / name for name in OUTPUTS]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return {file.relative_to(project.folder): sha256(file) for file in files if file.is_file()}


@contextmanager
def running(project: Project, stage: str, line: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a `dvc repro` of one stage in its own process group, and wait until it prints the line."""
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
        assert any(printed.startswith(line) for printed in process.stdout)
        yield process
        process.stdout.read()


@pytest.mark.parametrize(("stage", "line"), [("preprocess", "> python"), ("train", "epoch 5:")])
def test_killed_stage_is_repeated(stage: str, line: str, digits: Project, changeable: Project) -> None:
    """A kill (-9) leaves no partial file under a final name, and the next `dvc repro` repeats the stage."""
    with running(changeable, stage, line) as process:
        os.killpg(process.pid, signal.SIGKILL)
    expected = outputs(digits)
    assert outputs(changeable).items() <= expected.items()
    done = changeable.run("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert outputs(changeable) == expected
    assert changeable.git("status", "--porcelain") == ""


def test_concurrent_repro_is_refused_and_a_concurrent_sweep_runs(changeable: Project) -> None:
    """The refused `dvc repro` names the PID that holds the lock. A sweep only reads the prepared data."""
    with running(changeable, "train", "> python") as first:
        second = changeable.run("dvc", "repro", "--force", "--single-item", "train")
        assert second.returncode != 0
        assert f"(PID {first.pid})" in second.stderr
        sweep = changeable.stage("train", "-m", "train.learning_rate=0.2,0.3", "train.epochs=2")
        assert sweep.returncode == 0, sweep.stderr
    assert first.returncode == 0
    assert [run.info.status for run in runs(changeable.folder)] == ["FINISHED"] * 3


@pytest.mark.parametrize("end", ["    deps:\n", "    hash: m"])
def test_make_repro_repairs_truncated_dvc_files(end: str, digits: Project, changeable: Project) -> None:
    """DVC writes its files in place, and refuses to read files that a kill has emptied or truncated."""
    lock = changeable.folder / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text[: text.index(end) + len(end)])
    (changeable.folder / "data.dvc").write_bytes(b"")
    (changeable.folder / ".dvc/tmp/rwlock").write_bytes(b"")
    assert changeable.run("dvc", "repro").returncode != 0
    done = changeable.run("make", "--assume-old", "setup", "repro")
    assert done.returncode == 0, done.stderr
    assert "dvc.lock was empty or cut, and is restored from Git" in done.stderr
    assert "Running stage" not in done.stdout
    assert outputs(changeable) == outputs(digits)
