"""What a model would see of a picture, for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.formats import pictures
from pipeline.recognition import ink


def seen(image: Image.Image, path: Path, **options: Any) -> npt.NDArray[np.uint8]:
    """What a model would see of the saved picture."""
    image.save(path, **options)
    return ink.like_mnist(ink.find(pictures.read(path).grey), 28)


def difference(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """The part of the ink that differs: 0 for the same digit, near 2 for digits without a common pixel."""
    return float(np.abs(one.astype(int) - other).sum() / one.sum())
