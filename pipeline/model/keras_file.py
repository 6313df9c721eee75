"""Model files: the same weights give the same bytes."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic import atomic_write
from pipeline.core.errors import UserError
from pipeline.model.quiet_keras import keras

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold
SHARED = re.compile(rb'"shared_object_id": (\d+)')
MEMBERS = ["config.json", "metadata.json", "model.weights.h5"]
VERSION = re.compile(r"[0-9][\w.+-]{0,30}")
MOST_METADATA = 10_000  # bytes; Keras writes 64
MOST_BYTES = 1 << 30  # that a file may unpack to: 268 million weights


def save(model: keras.Model, path: Path) -> None:
    """Write a `.keras` file without what differs from save to save: dates, and addresses of objects."""
    with atomic_write(path) as temporary:
        dated = temporary.with_stem(temporary.stem + ".dated")
        try:
            model.save(dated)
            with zipfile.ZipFile(dated) as source, zipfile.ZipFile(temporary, "w") as target:
                for name in sorted(source.namelist()):
                    target.writestr(zipfile.ZipInfo(name, EPOCH), _stable(name, source.read(name)))
        finally:
            dated.unlink(missing_ok=True)


def _stable(name: str, content: bytes) -> bytes:
    if name == "metadata.json":
        metadata = json.loads(content)
        del metadata["date_saved"]
        return json.dumps(metadata, sort_keys=True).encode()
    if name == "config.json":
        # Keras numbers objects that layers share by their addresses; any distinct numbers do.
        addresses = list(dict.fromkeys(SHARED.findall(content)))
        return SHARED.sub(lambda match: b'"shared_object_id": %d' % addresses.index(match[1]), content)
    return content


def load(path: Path) -> keras.Model:
    """Read a `.keras` file in Keras' safe mode: whoever made it, nothing in it is run, and it unpacks to no great size.

    Raises:
        UserError: the file is missing or is not a model that this Keras reads.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there: run `dvc repro train`")
    try:
        _check_members(path)
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a file of somebody else's can make Keras and TensorFlow raise anything
        # Keras puts the reason behind all that it was about. The further sentences tell how to switch the safe mode
        # off, which nothing here does.
        reason = str(error).rpartition("Exception encountered: ")[2]
        told = re.split(r"(?<=\.)\s|\n", reason)[0] or type(error).__name__
        reader = f"Keras {keras.__version__} reads{_saved_by(path)}"
        raise UserError(f"{path} is not a model that {reader}: {told}") from error


def _saved_by(path: Path) -> str:
    """Which Keras has saved the file, where it tells another one than this."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            version = json.loads(file.read(MOST_METADATA))["keras_version"]
    except Exception:  # noqa: BLE001 - a file of somebody else's can make it raise anything, and has been refused anyway
        return ""
    known = isinstance(version, str) and VERSION.fullmatch(version) and version != keras.__version__
    return f" (Keras {version} saved it: train it anew, or read it there)" if known else ""


def _check_members(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if sorted(member.filename for member in members) != MEMBERS:
        raise ValueError(f"it has not just {', '.join(MEMBERS)} in it")
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_BYTES >> 20} MiB")


def weights(path: Path) -> list[npt.NDArray[np.float32]]:
    """All weights of a `.keras` file, layer by layer.

    Raises:
        UserError: the file is missing or is not a model that this Keras reads.
    """
    return [np.asarray(array) for array in load(path).get_weights()]
