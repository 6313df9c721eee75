"""Write and read `.keras` files of softmax regressions.

They are byte-identical for identical weights. Reading needs neither Keras nor TensorFlow. It reads JSON and two arrays,
and runs no code of the file.
"""

import io
import json
import math
import re
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic import atomic_write
from pipeline.core.errors import UserError
from pipeline.model.softmax_model import SoftmaxModel

if TYPE_CHECKING:
    from pipeline.model.quiet_keras import keras

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date in a zip file
SHARED_ID = re.compile(rb'"shared_object_id": (\d+)')
CONFIG, METADATA, WEIGHTS = MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
VERSION = re.compile(r"[0-9][\w.+-]{0,30}")
MAX_METADATA_BYTES = 10_000  # Keras writes 64
MAX_UNPACKED_BYTES = 1 << 30  # of a file: 268 million weights

# The layers of softmax.build, and the settings that they must have.
LAYERS: dict[str, dict[str, Any]] = {
    "InputLayer": {"dtype": "uint8", "sparse": False, "ragged": False},
    "Rescaling": {"dtype": "float32", "offset": 0},
    "Dense": {"dtype": "float32", "activation": "softmax", "use_bias": True},
}
# Settings that are read, and those that change nothing in a trained model. Any other must be null.
READ = {"InputLayer": {"batch_shape"}, "Rescaling": {"scale"}, "Dense": {"units"}}
INERT = {"name", "trainable", "optional"} | {
    f"{array}_{role}" for array in ("kernel", "bias") for role in ("initializer", "regularizer", "constraint")
}


def save(model: "keras.Model", path: Path) -> None:
    """Write a `.keras` file without the parts that differ from save to save: dates, and addresses of objects."""
    with atomic_write(path) as temporary:
        dated = temporary.with_stem(temporary.stem + ".dated")
        try:
            model.save(dated)
            with zipfile.ZipFile(dated) as source, zipfile.ZipFile(temporary, "w") as target:
                for name in sorted(source.namelist()):
                    target.writestr(zipfile.ZipInfo(name, EPOCH), _normalize(name, source.read(name)))
        finally:
            dated.unlink(missing_ok=True)


def _normalize(name: str, content: bytes) -> bytes:
    if name == METADATA:
        metadata = json.loads(content)
        del metadata["date_saved"]
        return json.dumps(metadata, sort_keys=True).encode()
    if name == CONFIG:
        # Keras identifies shared objects by their addresses. Any distinct numbers do.
        addresses = list(dict.fromkeys(SHARED_ID.findall(content)))
        return SHARED_ID.sub(lambda match: b'"shared_object_id": %d' % addresses.index(match[1]), content)
    return content


def read(path: Path) -> SoftmaxModel:
    """Read a `.keras` file, which may be untrusted.

    Raises:
        UserError: the file is missing, or is no softmax regression as softmax.build makes it.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there: run `dvc repro train`")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
            pixels, classes, scale = _read_config(json.loads(archive.read(CONFIG)))
            kernel, bias = _read_weights(archive.read(WEIGHTS), pixels, classes)
    except Exception as error:  # zipfile, json and h5py may raise anything for an untrusted file
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(f"{path} is not a model of `python -m pipeline.train`{_saved_by(path)}: {reason}") from error
    return SoftmaxModel(kernel, bias, scale)


def _check_members(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if sorted(member.filename for member in members) != sorted(MEMBERS):
        raise ValueError(f"its members are not exactly {', '.join(MEMBERS)}")
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB")


def _read_config(model: Any) -> tuple[int, int, float]:
    """Pixels, classes and scale of a model with exactly the layers of softmax.build.

    Raises:
        ValueError: the model is another one.
    """
    layers = model["config"]["layers"] if model["class_name"] == "Sequential" else []
    if [layer["class_name"] for layer in layers] != list(LAYERS):
        raise ValueError(f"its layers are not {', '.join(LAYERS)}")
    for layer in layers:
        _check_layer(layer, layer["class_name"])
    first, scaling, dense = (layer["config"] for layer in layers)
    (batch, pixels), scale, classes = first["batch_shape"], scaling["scale"], dense["units"]
    if batch is not None or not all(type(number) is int and number > 0 for number in (pixels, classes)):
        raise ValueError("its shape is not a number of pixels and a number of classes")
    if type(scale) not in (int, float) or not math.isfinite(scale):
        raise ValueError("its scale is no number")
    return pixels, classes, float(scale)


def _check_layer(layer: Any, name: str) -> None:
    """Check that a layer of this class computes what that of softmax.build computes.

    Raises:
        ValueError: it is another class, or a setting is missing, unknown or another one.
    """
    if not (layer["module"] == "keras.layers" and layer["registered_name"] is None):
        raise ValueError(f"its {name} is not Keras' own")
    expected, settings = LAYERS[name], dict(layer["config"])
    if isinstance(settings.get("dtype"), dict):  # Keras' form of a policy
        settings["dtype"] = settings["dtype"]["config"]["name"]
    for key, value in settings.items():
        if not (value == expected[key] if key in expected else value is None or key in READ[name] | INERT):
            raise ValueError(f"setting {key} of its {name} is not as softmax.build sets it")
    if missing := (expected.keys() | READ[name]) - settings.keys():
        raise ValueError(f"its {name} has no {min(missing)}")


def _read_weights(content: bytes, pixels: int, classes: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Kernel (pixels, classes) and bias (classes,) from Keras' HDF5 file.

    Raises:
        ValueError: they are not there, or refer to other files.
    """
    import h5py  # late: a training writes models and reads none

    with h5py.File(io.BytesIO(content), "r") as file:
        arrays = []
        for number, shape in enumerate([(pixels, classes), (classes,)]):
            node, name = file, f"layers/dense/vars/{number}"
            for part in name.split("/"):
                # A soft or an external link may lead anywhere.
                hard = isinstance(node, h5py.Group) and isinstance(node.get(part, getlink=True), h5py.HardLink)
                if not hard:
                    raise ValueError(f"its weights have no {name}")
                node = node[part]
            # An array in chunks, in another file, or never written may claim any size.
            if not (
                isinstance(node, h5py.Dataset)
                and (node.shape, node.dtype) == (shape, np.float32)
                and node.chunks is None
                and not node.external
                and not node.is_virtual
                and node.nbytes <= len(content)
            ):
                raise ValueError(f"its weights {name} are no float32 array of shape {shape}")
            arrays.append(np.asarray(node[()]))
    kernel, bias = arrays
    return kernel, bias


def _saved_by(path: Path) -> str:
    """Return a note with the Keras version that saved the file, or nothing if it is this one or unknown."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(METADATA) as file:
            saved_by = json.loads(file.read(MAX_METADATA_BYTES))["keras_version"]
    except Exception:  # noqa: BLE001 - an untrusted file may raise anything, and is refused anyway
        return ""
    known = isinstance(saved_by, str) and VERSION.fullmatch(saved_by) and saved_by != version("keras")
    return f" (Keras {saved_by} saved it: retrain it, or use that version)" if known else ""
