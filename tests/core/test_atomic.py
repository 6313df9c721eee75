"""Files are whole or absent, and what keeps them from being written is told in one line."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.atomic import atomic_write
from pipeline.core.errors import UserError
from tests.support.project import Project

SMALL = 4096  # bytes


@pytest.fixture
def no_room() -> Iterator[None]:
    """No file can grow beyond a few thousand bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def text(path: Path) -> None:
    path.write_text("x" * 2 * SMALL, encoding="utf-8")


def array(path: Path) -> None:
    np.save(path, np.ones(2 * SMALL))


@pytest.mark.usefixtures("no_room")
@pytest.mark.parametrize(
    ("write", "reason"),
    [(text, "File too large"), (array, "No space left on device: make room there")],
)
def test_file_that_does_not_fit_is_told_by_its_name(write: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    """Libraries tell neither its name nor, as NumPy, the reason; the earlier file stays, and nothing beside it."""
    path = tmp_path / "kept.npy"
    path.write_bytes(b"earlier")
    with pytest.raises(UserError) as told, atomic_write(path) as temporary:
        write(temporary)
    assert str(told.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(told.value)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_has_left_of_the_file_is_removed(tmp_path: Path) -> None:
    """Else each kill would leave as much on the disk for ever; what a living one writes is left alone."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name in (f".kept.{ended.pid}.npy", f".kept.{os.getppid()}.npy", f".other.{ended.pid}.npy"):
        (tmp_path / name).write_bytes(b"half")
    with atomic_write(tmp_path / "kept.npy") as temporary:
        temporary.write_bytes(b"whole")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"kept.npy", f".kept.{os.getppid()}.npy", f".other.{ended.pid}.npy"}


def test_error_of_another_file_is_not_told_as_this_ones(tmp_path: Path) -> None:
    """What is read while writing has its own name."""
    with pytest.raises(FileNotFoundError, match="missing"), atomic_write(tmp_path / "new") as temporary:
        temporary.write_bytes((tmp_path / "missing").read_bytes())


def test_reason_is_not_guessed(tmp_path: Path) -> None:
    """Only NumPy's error without a number means a full disk."""
    with pytest.raises(UserError, match=r"kept\.npy: no answer: fix this"), atomic_write(tmp_path / "kept.npy"):
        raise TimeoutError("no answer")


def test_stage_without_room_ends_with_one_line(changeable: Project) -> None:
    """It names the file, and leaves no half of it; nor does the log's own failure add lines."""
    done = changeable.run("bash", "-c", "rm prepared/*; ulimit -f 8; exec python -m pipeline.preprocess")
    assert done.returncode == 2
    file = changeable.folder / "prepared/train_images.npy"
    assert done.stderr == f"error: {file}: No space left on device: make room there, and start again\n"
    assert list(file.parent.iterdir()) == []
