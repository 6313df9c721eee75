"""Files are complete or absent, and an error names the file and the reason in one line."""

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
def test_error_names_the_file_that_does_not_fit(write: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    """Libraries' errors lack the name, and NumPy's lacks the reason. The earlier file stays, and nothing beside it."""
    path = tmp_path / "kept.npy"
    path.write_bytes(b"earlier")
    with pytest.raises(UserError) as error, atomic_write(path) as temporary:
        write(temporary)
    assert str(error.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(error.value)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_file_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    """Otherwise each kill would fill the disk a little more. Files of running processes stay."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name in (f".kept.{ended.pid}.npy", f".kept.{os.getppid()}.npy", f".other.{ended.pid}.npy"):
        (tmp_path / name).write_bytes(b"half")
    with atomic_write(tmp_path / "kept.npy") as temporary:
        temporary.write_bytes(b"whole")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"kept.npy", f".kept.{os.getppid()}.npy", f".other.{ended.pid}.npy"}


def test_error_about_another_file_keeps_its_name(tmp_path: Path) -> None:
    """A file that is read while writing is named, not the written one."""
    with pytest.raises(FileNotFoundError, match="missing"), atomic_write(tmp_path / "new") as temporary:
        temporary.write_bytes((tmp_path / "missing").read_bytes())


def test_only_numpys_short_write_means_a_full_disk(tmp_path: Path) -> None:
    """Other errors without an error number keep their text."""
    with pytest.raises(UserError, match=r"kept\.npy: no answer: fix this"), atomic_write(tmp_path / "kept.npy"):
        raise TimeoutError("no answer")


def test_stage_without_room_ends_with_one_line(changeable: Project) -> None:
    """It names the file and leaves no part of it, and the log's own failure adds no line."""
    done = changeable.run("bash", "-c", "rm prepared/*; ulimit -f 8; exec python -m pipeline.preprocess")
    assert done.returncode == 2
    file = changeable.folder / "prepared/train_images.npy"
    assert done.stderr == f"error: {file}: No space left on device: make room there, and start again\n"
    assert list(file.parent.iterdir()) == []
