"""NumPy archives with images and labels, of which nothing is ever unpickled."""

import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import UserError

TRAINING, TEST = ("x_train", "y_train"), ("x_test", "y_test")
MOST_BYTES = 1 << 34  # 16 GiB unpacked
BRIGHTEST = 255
# What zipfile and NumPy raise where an archive is damaged, encrypted or packed in another way.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError,
)  # fmt: skip


def read(path: Path) -> list[npt.NDArray[Any]]:
    """Images, uint8 (N, height, width), and labels, intp (N,), for training and, where there are any, for test.

    Raises:
        UserError: it is no archive of such arrays.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise UserError(f"{path} is not an .npz file: write it with numpy.savez")
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise UserError(f"{path} unpacks to more than {MOST_BYTES >> 30} GiB, which is not read")
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in TRAINING if name not in arrays]
            has_test = any(name in arrays for name in TEST)
            missing += [name for name in TEST if has_test and name not in arrays]
            if missing:
                there = ", ".join(map(repr, arrays.files[:6])) or "nothing"
                raise UserError(
                    f"{path} has no {missing[0]}: it must hold {', '.join(TRAINING + TEST)}; there is {there}"
                )
            parts = (TRAINING, TEST) if has_test else (TRAINING,)
            return [
                prepare(_array(arrays, name, path), f"{path}: {name}")
                for images, labels in parts
                for name, prepare in ((images, _images), (labels, _labels))
            ]
    except DAMAGED as error:
        raise UserError(f"{path} is damaged: write it again with numpy.savez") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def _array(arrays: Any, name: str, path: Path) -> npt.NDArray[Any]:
    try:
        return np.asarray(arrays[name])
    except ValueError as error:  # among them: "Object arrays cannot be loaded when allow_pickle=False"
        raise UserError(f"{path}: {name} is not an array of plain numbers, and others are not read") from error


def _images(array: npt.NDArray[Any], what: str) -> npt.NDArray[np.uint8]:
    if array.ndim == 4 and array.shape[3] == 1:  # noqa: PLR2004 - Keras' own form: one channel
        array = array[..., 0]
    if array.ndim != 3:  # noqa: PLR2004 - images, height, width
        raise UserError(f"{what} has the shape {array.shape}: grey images are (images, height, width)")
    if not array.size:
        raise UserError(f"{what} is empty: its shape is {array.shape}")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "f":
        raise UserError(f"{what} holds {_floats(array)}: save bytes of 0 to {BRIGHTEST}, as {_remedy(array)}")
    if array.dtype.kind not in "iu":
        raise UserError(f"{what} holds {array.dtype}: save bytes of 0 to {BRIGHTEST}")
    if array.min() < 0 or array.max() > BRIGHTEST:
        raise UserError(f"{what} holds {array.min()} to {array.max()}: save bytes of 0 to {BRIGHTEST}")
    return array.astype(np.uint8)


def _floats(array: npt.NDArray[Any]) -> str:
    wrong = ~np.isfinite(array)
    if wrong.any():
        return f"{array[wrong][0]} in image {np.argwhere(wrong)[0][0]}"
    return f"{array.dtype} numbers of {array.min():g} to {array.max():g}"


def _remedy(array: npt.NDArray[Any]) -> str:
    factor = "(255 * x)" if np.nanmax(array) <= 1 else "x"
    return f"`{factor}.round().astype('uint8')`"


def _labels(array: npt.NDArray[Any], what: str) -> npt.NDArray[np.intp]:
    if array.ndim != 1:
        hint = "; of one-hot rows save `y.argmax(axis=1)`" if array.ndim == 2 and array.shape[1] > 1 else ""  # noqa: PLR2004 - rows of them
        raise UserError(f"{what} has the shape {array.shape}: labels are (images,){hint}")
    if array.dtype.kind not in "iu":
        raise UserError(f"{what} holds {array.dtype}: labels are whole numbers")
    return array.astype(np.intp)
