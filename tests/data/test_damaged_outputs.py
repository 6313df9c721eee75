"""A damaged output of a stage raises an error of one line, whichever file is damaged."""

from pathlib import Path

import numpy as np
import pytest

from pipeline import compose
from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.data import prepared
from pipeline.data.images import LabelledImages

DATA = LabelledImages(np.zeros((2, 3, 5), np.uint8), np.array([0, 1], np.uint8))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prepared/ folder and a data.dvc in a temporary folder."""
    monkeypatch.setattr(prepared, "PREPARED", tmp_path)
    monkeypatch.setattr(prepared, "CLASSES", tmp_path / "classes.json")
    monkeypatch.setattr(prepared, "DATA_DVC", tmp_path / "data.dvc")
    (tmp_path / "data.dvc").write_text("outs:\n- md5: 0.dir\n")
    prepared.write({"train": DATA}, ["a", "b"], prepared.identity(Config()))
    assert prepared.classes(Config()) == ["a", "b"]
    return tmp_path


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("summary.json", b'{"made_from": null}'),
        ("summary.json", b'{"made_from": [1]}'),
        ("summary.json", b"[]"),
        ("summary.json", b"\xe9"),
        ("classes.json", b"["),
        ("data.dvc", b"\xe9: 1\n"),
    ],
)
def test_damaged_file_is_refused(file: str, content: bytes, folder: Path) -> None:
    """Valid JSON with another structure, truncated JSON, or another encoding."""
    (folder / file).write_bytes(content)
    with pytest.raises(UserError, match=r"damaged file \(|not valid YAML"):
        prepared.classes(Config())


def test_params_in_another_encoding_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file was changed by hand, and is not overwritten."""
    params = folder / "params.yaml"
    monkeypatch.setattr(compose, "PARAMS", params)
    params.write_bytes(b"seed: caf\xe9\n")
    with pytest.raises(UserError, match="was changed by hand"):
        compose.compose(Config())
    assert params.read_bytes() == b"seed: caf\xe9\n"
