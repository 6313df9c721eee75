"""A model that classifies images."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import UserError
from pipeline.model import keras_file, metrics, softmax


class Reader:
    """The model in a `.keras` file; `name` is the user's name for it, for errors.

    Raises:
        UserError: the file is missing, is no softmax regression on square images, or has weights that are not finite.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.model = keras_file.load(path)
        if [layer.name for layer in self.model.layers] != ["scaling", "softmax"]:
            raise UserError(f"{name} is not a model of `python -m pipeline.train`: name one that is")
        pixels = self.model.input_shape[1]
        self.side = math.isqrt(pixels)
        if self.side**2 != pixels:
            raise UserError(f"{name} takes images of {pixels} pixels, which is no square: name another model")
        if not all(np.isfinite(weights).all() for weights in self.model.get_weights()):
            raise UserError(f"{name} has weights that are not finite, as if training had diverged: name another model")

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """The probability of each class, float64 (N, classes), for images (N, side, side)."""
        logits = softmax.predict_logits(self.model, images.reshape(len(images), -1))
        return metrics.probabilities(logits)
