"""The model's input for a picture."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.formats import pictures
from pipeline.recognition import ink


def seen(image: Image.Image, path: Path, **options: Any) -> npt.NDArray[np.uint8]:
    """Save the picture, and return what pipeline.predict gives the model: uint8 (28, 28)."""
    image.save(path, **options)
    return ink.like_mnist(ink.find(pictures.read(path).grey), 28)


def difference(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Return the difference relative to the ink of `one`: 0 for equal images, near 2 without a common pixel."""
    return float(np.abs(one.astype(int) - other).sum() / one.sum())
