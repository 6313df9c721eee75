"""A model that classifies images."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import UserError
from pipeline.model import keras_file, metrics


class Reader:
    """The model in a `.keras` file; `name` is the user's name for it, for errors.

    Raises:
        UserError: the file is missing, is no softmax regression on square images, or has weights that are not finite.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.model = keras_file.read(path)
        pixels = self.model.pixels
        self.side = math.isqrt(pixels)
        if self.side**2 != pixels:
            raise UserError(f"{name} takes images of {pixels} pixels, which is no square: name another model")
        if not (np.isfinite(self.model.kernel).all() and np.isfinite(self.model.bias).all()):
            raise UserError(f"{name} has weights that are not finite, as if training had diverged: name another model")

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """The probability of each class, float64 (N, classes), for images (N, side, side)."""
        return metrics.probabilities(self.model.logits(images.reshape(len(images), -1)))
