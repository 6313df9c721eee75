"""Model files are byte-identical for identical weights, and only valid models are loaded."""

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


def test_saved_model_can_be_loaded(tmp_path: Path) -> None:
    """It is a normal `.keras` file without dates."""
    model = softmax.build(64, 10, 255.0, "glorot_uniform", 1)
    keras_file.save(model, tmp_path / "model.keras")
    pixels = np.arange(128, dtype=np.uint8).reshape(2, 64)
    np.testing.assert_array_equal(keras_file.load(tmp_path / "model.keras")(pixels), model(pixels))
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Dates, addresses and the number of models in the process do not matter, so dvc.lock does not change."""
    code = (
        "from pathlib import Path\n"
        "from pipeline.model import keras_file, softmax\n"
        f"keras_file.save(softmax.build(64, 10, 255.0, 'glorot_uniform', 1), Path({str(tmp_path / 'other.keras')!r}))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    _, second = (softmax.build(64, 10, 255.0, "glorot_uniform", 1) for _ in range(2))
    keras_file.save(second, tmp_path / "this.keras")
    assert (tmp_path / "this.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()


def test_error_of_missing_model_names_the_command_to_run(tmp_path: Path) -> None:
    """The message has the next step."""
    with pytest.raises(UserError, match="run `dvc repro train`"):
        keras_file.load(tmp_path / "model.keras")


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
    """The members of a valid model file."""
    path = tmp_path_factory.mktemp("valid") / "model.keras"
    keras_file.save(softmax.build(64, 10, 255.0, "glorot_uniform", 1), path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def error_message(path: Path, content: bytes | dict[str, bytes]) -> str:
    """Load a file with this content, or these members, and return the error message of one line."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, member in content.items():
                archive.writestr(name, member)
    with pytest.raises(UserError) as error:
        keras_file.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a zip file", {"hello": b"another file"}])
def test_invalid_model_file_is_refused_in_one_line(content: bytes | dict[str, bytes], tmp_path: Path) -> None:
    """An empty file, a damaged file, or another kind of file."""
    assert "is not a model that Keras" in error_message(tmp_path / "model.keras", content)


@pytest.mark.parametrize("layer", HOSTILE)
def test_model_that_would_run_code_is_refused(layer: str, members: dict[str, bytes], tmp_path: Path) -> None:
    """No function in the file is called, and no module is imported for it."""
    config = json.loads(members["config.json"])
    config["config"]["layers"].insert(2, HOSTILE[layer])
    message = error_message(tmp_path / "model.keras", {**members, "config.json": json.dumps(config).encode()})
    assert "is not a model that Keras" in message
    assert "safe_mode" not in message
    assert not Path(MARK).exists()
    assert "this" not in sys.modules


def test_model_file_with_unexpected_members_is_refused(
    members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members with other names, members that unpack to more than the limit, and endless nesting."""
    path = tmp_path / "model.keras"
    for name in ("../outside", str(tmp_path / "outside"), "assets/x"):
        assert "its members are not exactly config.json" in error_message(path, {**members, name: b"x"})
    monkeypatch.setattr(keras_file, "MAX_UNPACKED_BYTES", 1 << 20)
    assert "unpacks to more than 1 MiB" in error_message(path, {**members, "model.weights.h5": bytes(1 << 20)})
    assert "recursion" in error_message(path, {**members, "config.json": b"[" * 100_000})
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize(
    ("version", "note"),
    [
        ("9.1.0", " (Keras 9.1.0 saved it: retrain it, or use that version): "),
        (3, ": "),
        ("9\n", ": "),
        (None, ": "),
    ],
)
def test_error_for_model_of_another_keras_has_both_versions(
    version: object, note: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    """The message has the reason but not the whole model. The version in the file is untrusted."""
    config = members["config.json"].replace(b'"units": 10', b'"units": 10, "quantum": 3')
    metadata = b"none" if version is None else json.dumps({"keras_version": version}).encode()
    message = error_message(tmp_path / "model.keras", {**members, "config.json": config, "metadata.json": metadata})
    assert f"that Keras {keras.__version__} reads{note}Unrecognized keyword arguments" in message
    assert len(message) < 300
