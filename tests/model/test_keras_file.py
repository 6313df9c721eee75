"""Model files: the same weights give the same bytes, and only a model is read as one."""

import base64
import json
import marshal
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.core.errors import UserError
from pipeline.model import keras_file, softmax

ROOT = Path(__file__).resolve().parents[2]


def test_saved_model_is_read_back(tmp_path: Path) -> None:
    """A plain `.keras` file, of which the dates are gone and nothing else."""
    model = softmax.build(64, 10, 255.0, "glorot_uniform", 1)
    keras_file.save(model, tmp_path / "model.keras")
    pixels = np.arange(128, dtype=np.uint8).reshape(2, 64)
    np.testing.assert_array_equal(keras_file.load(tmp_path / "model.keras")(pixels), model(pixels))
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Neither dates, nor addresses, nor how many models a process built: dvc.lock changes only when something did."""
    code = (
        "from pathlib import Path\n"
        "from pipeline.model import keras_file, softmax\n"
        f"keras_file.save(softmax.build(64, 10, 255.0, 'glorot_uniform', 1), Path({str(tmp_path / 'other.keras')!r}))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    _, second = (softmax.build(64, 10, 255.0, "glorot_uniform", 1) for _ in range(2))
    keras_file.save(second, tmp_path / "this.keras")
    assert (tmp_path / "this.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()


def test_missing_model_names_the_command_that_makes_it(tmp_path: Path) -> None:
    """The next step is part of the message."""
    with pytest.raises(UserError, match="run `dvc repro train`"):
        keras_file.load(tmp_path / "model.keras")


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"zip of other things"])
def test_what_is_no_model_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    """An empty, broken or foreign file."""
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    if b"zip of" in content:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("hello", content)
    with pytest.raises(UserError) as refusal:
        keras_file.load(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


MARK = "/hostile-model-was-run"
CODE = f"__import__('pathlib').Path({MARK!r}).touch()"
LAMBDA = {"code": base64.b64encode(marshal.dumps(compile(CODE, "hostile", "eval"))).decode()}
HOSTILE: dict[str, dict[str, object]] = {
    "Lambda": {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "hostile", "function": {"class_name": "__lambda__", "config": LAMBDA}},
    },
    "evaluated": {"module": "builtins", "class_name": "eval", "config": CODE, "registered_name": None},
    "command": {"module": "os", "class_name": "system", "config": f"touch {MARK}", "registered_name": "system"},
    "function": {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"},
    "foreign module": {"module": "this", "class_name": "Layer", "config": {}, "registered_name": None},
    "SavedModel": {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/x", "name": "x"}},
    "not installed": {
        "module": "keras.layers",
        "class_name": "TorchModuleWrapper",
        "config": {"name": "hostile", "module": {"class_name": "__bytes__", "config": {"value": "x"}}},
    },
}


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a sound model file has in it."""
    path = tmp_path_factory.mktemp("sound") / "model.keras"
    keras_file.save(softmax.build(64, 10, 255.0, "glorot_uniform", 1), path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def refusal(path: Path, members: dict[str, bytes]) -> str:
    """The one line that refuses a file with these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UserError) as refused:
        keras_file.load(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("layer", HOSTILE)
def test_model_that_would_run_code_is_refused(layer: str, members: dict[str, bytes], tmp_path: Path) -> None:
    """Whatever the file names as a layer: nothing of it is called, nor is a module imported for it."""
    config = json.loads(members["config.json"])
    config["config"]["layers"].insert(2, HOSTILE[layer])
    told = refusal(tmp_path / "model.keras", {**members, "config.json": json.dumps(config).encode()})
    assert "is not a model that Keras" in told
    assert "safe_mode" not in told
    assert not Path(MARK).exists()
    assert "this" not in sys.modules


def test_model_file_that_is_no_models_archive_is_refused(
    members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members that would be written elsewhere, that unpack to more than any model, and settings without an end."""
    path = tmp_path / "model.keras"
    for name in ("../outside", str(tmp_path / "outside"), "assets/x"):
        assert "it has not just config.json" in refusal(path, {**members, name: b"x"})
    monkeypatch.setattr(keras_file, "MOST_BYTES", 1 << 20)
    assert "unpacks to more than 1 MiB" in refusal(path, {**members, "model.weights.h5": bytes(1 << 20)})
    assert "recursion" in refusal(path, {**members, "config.json": b"[" * 100_000})
    assert [left.name for left in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize(
    ("version", "told"),
    [("9.1.0", " (Keras 9.1.0 saved it: train it anew, or read it there): "), (3, ": "), ("9\n", ": "), (None, ": ")],
)
def test_model_of_another_keras_is_told_with_both_versions(
    version: object, told: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    """With what this one does not know, and without the whole model; the file may hold anything as its version."""
    config = members["config.json"].replace(b'"units": 10', b'"units": 10, "quantum": 3')
    metadata = b"none" if version is None else json.dumps({"keras_version": version}).encode()
    message = refusal(tmp_path / "model.keras", {**members, "config.json": config, "metadata.json": metadata})
    assert f"that Keras {keras.__version__} reads{told}Unrecognized keyword arguments" in message
    assert len(message) < 300
