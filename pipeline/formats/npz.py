"""NumPy archives with images and labels. Nothing in them is ever unpickled."""

import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import UserError

TRAINING, TEST = ("x_train", "y_train"), ("x_test", "y_test")
MAX_BYTES = 1 << 34  # 16 GiB unpacked
MAX_VALUE = 255
# Errors of zipfile and NumPy for an archive that is damaged, encrypted or compressed in an unknown way.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError,
)  # fmt: skip


def read(path: Path) -> list[npt.NDArray[Any]]:
    """Read images, uint8 (N, height, width), and labels, intp (N,), for training and, if present, for test.

    Raises:
        UserError: the file is not an archive of such arrays.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise UserError(f"{path} is not an .npz file: write it with numpy.savez")
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                raise UserError(f"{path} unpacks to more than {MAX_BYTES >> 30} GiB, the limit")
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in TRAINING if name not in arrays]
            has_test = any(name in arrays for name in TEST)
            missing += [name for name in TEST if has_test and name not in arrays]
            if missing:
                names = ", ".join(map(repr, arrays.files[:6])) or "nothing"
                raise UserError(f"{path} has no {missing[0]}: it needs {', '.join(TRAINING + TEST)}; it has {names}")
            parts = (TRAINING, TEST) if has_test else (TRAINING,)
            return [
                convert(_array(arrays, name, path), f"{path}: {name}")
                for images, labels in parts
                for name, convert in ((images, _images), (labels, _labels))
            ]
    except DAMAGED as error:
        raise UserError(f"{path} is damaged: write it again with numpy.savez") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def _array(arrays: Any, name: str, path: Path) -> npt.NDArray[Any]:
    try:
        return np.asarray(arrays[name])
    except ValueError as error:  # among them: "Object arrays cannot be loaded when allow_pickle=False"
        raise UserError(f"{path}: {name} is not an array of plain numbers") from error


def _images(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    if array.ndim == 4 and array.shape[3] == 1:  # noqa: PLR2004 - Keras' shape: one channel
        array = array[..., 0]
    if array.ndim != 3:  # noqa: PLR2004 - images, height, width
        raise UserError(f"{name} has the shape {array.shape}: grey images are (images, height, width)")
    if not array.size:
        raise UserError(f"{name} is empty: its shape is {array.shape}")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "f":
        raise UserError(f"{name} holds {_describe_floats(array)}: save uint8, 0 to {MAX_VALUE}: {_conversion(array)}")
    if array.dtype.kind not in "iu":
        raise UserError(f"{name} holds {array.dtype}: save uint8, 0 to {MAX_VALUE}")
    if array.min() < 0 or array.max() > MAX_VALUE:
        raise UserError(f"{name} holds {array.min()} to {array.max()}: save uint8, 0 to {MAX_VALUE}")
    return array.astype(np.uint8)


def _describe_floats(array: npt.NDArray[Any]) -> str:
    invalid = ~np.isfinite(array)
    if invalid.any():
        return f"{array[invalid][0]} in image {np.argwhere(invalid)[0][0]}"
    return f"{array.dtype} numbers from {array.min():g} to {array.max():g}"


def _conversion(array: npt.NDArray[Any]) -> str:
    factor = "(255 * x)" if np.nanmax(array) <= 1 else "x"
    return f"`{factor}.round().astype('uint8')`"


def _labels(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.intp]:
    if array.ndim != 1:
        hint = "; convert one-hot rows with `y.argmax(axis=1)`" if array.ndim == 2 and array.shape[1] > 1 else ""  # noqa: PLR2004 - a matrix
        raise UserError(f"{name} has the shape {array.shape}: labels are (images,){hint}")
    if array.dtype.kind not in "iu":
        raise UserError(f"{name} holds {array.dtype}: labels are integers")
    return array.astype(np.intp)
