"""NumPy archives with images and labels. Nothing in them is ever unpickled."""

import lzma
import zipfile
import zlib
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import UserError

Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp]]

TRAINING, TEST = ("x_train", "y_train"), ("x_test", "y_test")
VALIDATION = [("x_val", "y_val"), ("x_valid", "y_valid"), ("x_validation", "y_validation")]  # one of these pairs
MAX_BYTES = 1 << 34  # 16 GiB unpacked
MAX_VALUE = 255
# Errors of zipfile and NumPy for an archive that is damaged, encrypted or compressed in an unknown way.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError,
)  # fmt: skip


class Archive(NamedTuple):
    """Images, uint8 (N, height, width), and labels, intp (N,), of each set, and the names of all other arrays."""

    training: Arrays
    validation: Arrays | None
    test: Arrays | None
    unread: list[str]


def read(path: Path) -> Archive:
    """Read the training set and, if present, the validation and the test set.

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
            validation = [pair for pair in VALIDATION if any(name in arrays for name in pair)]
            if len(validation) > 1:
                first, second = (next(name for name in pair if name in arrays) for pair in validation[:2])
                raise UserError(f"{path} has both {first} and {second}: keep one validation set")
            test = [TEST] if any(name in arrays for name in TEST) else []
            expected = [*TRAINING, *chain.from_iterable(validation + test)]
            for name in expected:
                if name not in arrays:
                    needed = ", ".join(expected if test else [*expected, *TEST])
                    names = ", ".join(map(repr, arrays.files[:6])) or "nothing"
                    raise UserError(f"{path} has no {name}: it needs {needed}; it has {names}")
            return Archive(
                training=_set(arrays, TRAINING, path),
                validation=_set(arrays, validation[0], path) if validation else None,
                test=_set(arrays, TEST, path) if test else None,
                unread=[name for name in arrays.files if name not in expected],
            )
    except DAMAGED as error:
        raise UserError(f"{path} is damaged: write it again with numpy.savez") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def _set(arrays: Any, pair: tuple[str, str], path: Path) -> Arrays:
    images, labels = pair
    return (
        _images(_array(arrays, images, path), f"{path}: {images}"),
        _labels(_array(arrays, labels, path), f"{path}: {labels}"),
    )


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
