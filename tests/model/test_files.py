"""Model files: the same weights give the same bytes, and only a model is read as one."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.model import files, softmax

ROOT = Path(__file__).resolve().parents[2]


def test_saved_model_is_read_back(tmp_path: Path) -> None:
    """A plain `.keras` file, of which the dates are gone and nothing else."""
    model = softmax.build(64, 10, 255.0, "glorot_uniform", 1)
    files.save(model, tmp_path / "model.keras")
    pixels = np.arange(128, dtype=np.uint8).reshape(2, 64)
    np.testing.assert_array_equal(files.load(tmp_path / "model.keras")(pixels), model(pixels))
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Neither dates, nor addresses, nor how many models a process built: dvc.lock changes only when something did."""
    for number in (1, 2):
        code = (
            "from pathlib import Path\n"
            "from pipeline.model import files, softmax\n"
            f"models = [softmax.build(64, 10, 255.0, 'glorot_uniform', 1) for _ in range({number})]\n"
            f"files.save(models[-1], Path({str(tmp_path / f'{number}.keras')!r}))\n"
        )
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert (tmp_path / "1.keras").read_bytes() == (tmp_path / "2.keras").read_bytes()


def test_missing_model_names_the_command_that_makes_it(tmp_path: Path) -> None:
    """The next step is part of the message."""
    with pytest.raises(UserError, match="run `dvc repro train`"):
        files.load(tmp_path / "model.keras")


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"zip of other things"])
def test_what_is_no_model_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    """An empty, broken or foreign file."""
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    if b"zip of" in content:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("hello", content)
    with pytest.raises(UserError) as refusal:
        files.load(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
