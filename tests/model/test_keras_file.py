"""Model files are byte-identical for identical weights, and only softmax regressions are read."""

import base64
import io
import json
import marshal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np
import pytest

from pipeline.core.errors import UserError
from pipeline.model import keras_file, softmax
from pipeline.model.metrics import probabilities

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("pixels", "classes", "divisor"), [(64, 10, 255.0), (784, 10, 256.0), (1, 2, 1.0)])
def test_answers_are_those_of_keras(tmp_path: Path, pixels: int, classes: int, divisor: float) -> None:
    """It is a normal `.keras` file, which other programs load. The commands read it without Keras."""
    keras_file.save(softmax.build(pixels, classes, divisor, "glorot_uniform", 1), tmp_path / "model.keras")
    images = np.random.default_rng(0).integers(0, 256, (2000, pixels), np.uint8)
    ours = probabilities(keras_file.read(tmp_path / "model.keras").logits(images))
    theirs = keras.models.load_model(tmp_path / "model.keras")(images).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))
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
        keras_file.read(tmp_path / "model.keras")


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
    """Read a file with this content, or these members, and return the error message of one line."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, member in content.items():
                archive.writestr(name, member)
    with pytest.raises(UserError) as error:
        keras_file.read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a zip file", {"hello": b"another file"}])
def test_invalid_model_file_is_refused_in_one_line(content: bytes | dict[str, bytes], tmp_path: Path) -> None:
    """An empty file, a damaged file, or another kind of file."""
    assert "is not a model of `python -m pipeline.train`" in error_message(tmp_path / "model.keras", content)


@pytest.mark.parametrize("layer", HOSTILE)
def test_model_that_would_run_code_is_refused(layer: str, members: dict[str, bytes], tmp_path: Path) -> None:
    """No function in the file is called, and no module is imported for it, beside our layers or in place of one."""
    for place in (slice(2, 2), slice(2, 3)):
        config = json.loads(members["config.json"])
        config["config"]["layers"][place] = [HOSTILE[layer]]
        message = error_message(tmp_path / "model.keras", {**members, "config.json": json.dumps(config).encode()})
        assert "its layers are not InputLayer, Rescaling, Dense" in message
    assert not Path(MARK).exists()
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    ("layer", "change", "reason"),
    [
        (0, {"dtype": "float32"}, "setting dtype of its InputLayer"),
        (0, {"batch_shape": [None, 64, 1]}, "too many values"),
        (0, {"batch_shape": [8, 64]}, "its shape is not"),
        (0, {"batch_shape": [None, True]}, "its shape is not"),
        (1, {"offset": 0.5}, "setting offset of its Rescaling"),
        (1, {"scale": "1"}, "its scale is no number"),
        (1, {"scale": float("nan")}, "its scale is no number"),
        (2, {"activation": "linear"}, "setting activation of its Dense"),
        (2, {"activation": HOSTILE["evaluated"]}, "setting activation of its Dense"),
        (2, {"use_bias": False}, "setting use_bias of its Dense"),
        (2, {"dtype": "float16"}, "setting dtype of its Dense"),
        (2, {"quantization_config": {"bits": 4}}, "setting quantization_config of its Dense"),
        (2, {"lora_rank": 4}, "setting lora_rank of its Dense"),
        (2, {"units": 11}, "its weights layers/dense/vars/0 are no float32 array of shape (64, 11)"),
        (2, {"units": 10**12}, "its weights layers/dense/vars/0 are no float32 array"),
    ],
)
def test_model_that_computes_something_else_is_refused(
    layer: int, change: dict[str, object], reason: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    """Else the answers would differ from Keras' own for the same file."""
    config = json.loads(members["config.json"])
    config["config"]["layers"][layer]["config"].update(change)
    message = error_message(tmp_path / "model.keras", {**members, "config.json": json.dumps(config).encode()})
    assert reason in message


def test_weights_elsewhere_are_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    """A link leads to another file of the user's, and an array that was never written may claim any size."""
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["private"] = np.ones((64, 10), np.float32)
    (tmp_path / "raw").write_bytes(bytes(64 * 10 * 4))
    vectors = h5py.VirtualLayout((64, 10), np.float32)
    vectors[:] = h5py.VirtualSource(other, "private", (64, 10))
    changes: dict[str, Callable[[h5py.Group], Any]] = {
        "external link": lambda group: group.__setitem__("0", h5py.ExternalLink(str(other), "private")),
        "soft link": lambda group: group.__setitem__("0", h5py.SoftLink("/private")),
        "external data": lambda group: group.create_dataset("0", (64, 10), "f4", external=str(tmp_path / "raw")),
        "virtual": lambda group: group.create_virtual_dataset("0", vectors),
        "chunks": lambda group: group.create_dataset("0", (64, 10), "f4", chunks=(64, 10)),
        "group": lambda group: group.create_group("0"),
        "float64": lambda group: group.create_dataset("0", (64, 10), "f8"),
    }
    for change in changes.values():
        content = io.BytesIO(members["model.weights.h5"])
        with h5py.File(content, "a") as file:
            del file["layers/dense/vars/0"]
            change(file["layers/dense/vars"])
        message = error_message(tmp_path / "model.keras", {**members, "model.weights.h5": content.getvalue()})
        assert "weights" in message
        assert "layers/dense/vars/0" in message


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
def test_error_for_model_of_another_keras_has_its_version(
    version: object, note: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    """The message has the reason but not the whole model. The version in the file is untrusted."""
    config = members["config.json"].replace(b'"units": 10', b'"units": 10, "quantum": 3')
    metadata = b"none" if version is None else json.dumps({"keras_version": version}).encode()
    message = error_message(tmp_path / "model.keras", {**members, "config.json": config, "metadata.json": metadata})
    assert f"`python -m pipeline.train`{note}setting quantum of its Dense" in message
    assert len(message) < 300
