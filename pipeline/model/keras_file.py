"""Model files that are byte-identical for identical weights."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic import atomic_write
from pipeline.core.errors import UserError
from pipeline.model.quiet_keras import keras

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date in a zip file
SHARED_ID = re.compile(rb'"shared_object_id": (\d+)')
MEMBERS = ["config.json", "metadata.json", "model.weights.h5"]
VERSION = re.compile(r"[0-9][\w.+-]{0,30}")
MAX_METADATA_BYTES = 10_000  # Keras writes 64
MAX_UNPACKED_BYTES = 1 << 30  # of a file: 268 million weights


def save(model: keras.Model, path: Path) -> None:
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
    if name == "metadata.json":
        metadata = json.loads(content)
        del metadata["date_saved"]
        return json.dumps(metadata, sort_keys=True).encode()
    if name == "config.json":
        # Keras identifies shared objects by their addresses. Any distinct numbers do.
        addresses = list(dict.fromkeys(SHARED_ID.findall(content)))
        return SHARED_ID.sub(lambda match: b'"shared_object_id": %d' % addresses.index(match[1]), content)
    return content


def load(path: Path) -> keras.Model:
    """Read a `.keras` file, which may be untrusted: Keras' safe mode runs no code, and the unpacked size is limited.

    Raises:
        UserError: the file is missing, or this Keras cannot read it.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there: run `dvc repro train`")
    try:
        _check_members(path)
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras and TensorFlow may raise anything for an untrusted file
        # Keras puts the reason last. Its further sentences explain how to turn the safe mode off: they are left out.
        text = str(error).rpartition("Exception encountered: ")[2]
        reason = re.split(r"(?<=\.)\s|\n", text)[0] or type(error).__name__
        reader = f"Keras {keras.__version__} reads{_saved_by(path)}"
        raise UserError(f"{path} is not a model that {reader}: {reason}") from error


def _saved_by(path: Path) -> str:
    """Return a note with the Keras version that saved the file, or nothing if it is this one or unknown."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            version = json.loads(file.read(MAX_METADATA_BYTES))["keras_version"]
    except Exception:  # noqa: BLE001 - an untrusted file may raise anything, and is refused anyway
        return ""
    known = isinstance(version, str) and VERSION.fullmatch(version) and version != keras.__version__
    return f" (Keras {version} saved it: retrain it, or use that version)" if known else ""


def _check_members(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if sorted(member.filename for member in members) != MEMBERS:
        raise ValueError(f"its members are not exactly {', '.join(MEMBERS)}")
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB")


def weights(path: Path) -> list[npt.NDArray[np.float32]]:
    """Read all weights of a `.keras` file, layer by layer.

    Raises:
        UserError: the file is missing, or this Keras cannot read it.
    """
    return [np.asarray(array) for array in load(path).get_weights()]
