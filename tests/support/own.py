"""Small user data sets in the three layouts."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.core.config import Data, Split
from pipeline.formats import idx

IMAGES = np.arange(12 * 3 * 5, dtype=np.uint8).reshape(12, 3, 5)
LABELS = np.array([0, 1, 2] * 4, np.uint8)
TEST = IMAGES[:6][::-1], LABELS[:6][::-1]
VALIDATION = IMAGES[2:9], LABELS[2:9]


def data(path: Path, **settings: Any) -> Data:
    """Return the configuration of data=folder, with changed settings."""
    split = Split(validation=None, test=0.2, shuffle=True, seed=1)
    plain = Data("own", [], None, str(path), prefix="", transposed=False, first_label=0, classes=None, split=split)
    return dataclasses.replace(plain, **settings)


def write_idx(folder: Path, names: str = "{}-idx{}-ubyte", pack: Callable[[bytes], bytes] = bytes) -> Path:
    """Write four IDX files."""
    folder.mkdir()
    arrays = {"train-images": IMAGES, "train-labels": LABELS, "t10k-images": TEST[0], "t10k-labels": TEST[1]}
    for name, array in arrays.items():
        (folder / names.format(name, array.ndim)).write_bytes(pack(idx.encode(array)))
    return folder


def npz(**arrays: npt.NDArray[Any] | None) -> bytes:
    """Return an .npz archive. Arrays may be replaced, added, or left out with None."""
    file = io.BytesIO()
    named = {"x_train": IMAGES, "y_train": LABELS, "x_test": TEST[0], "y_test": TEST[1]} | arrays
    plain: dict[str, Any] = {name: array for name, array in named.items() if array is not None}
    np.savez(file, **plain)
    return file.getvalue()


def write_pictures(folder: Path, *parts: str) -> Path:
    """Write four pictures of each of three classes. Sorted as text, the third class would be the first."""
    for part in parts:
        for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
            path = folder / part / ("2", "9", "10")[label] / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder
