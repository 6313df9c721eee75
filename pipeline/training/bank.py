"""A bank: many softmax heads on one input, trained together because they read the same pixels."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.model.quiet_keras import keras, tf

Floats = npt.NDArray[np.float32]


@keras.saving.register_keras_serializable("pipeline")
class Bank(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Softmax heads, from uint8 (N, pixels) to float32 probabilities (N, heads, classes).

    Its one weight, float32 (heads, classes, pixels + 1), has a row for each class of a head: that class's template,
    and its bias at the end.
    """

    def __init__(self, heads: int, classes: int, pixels: int, scale: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.shape = {"heads": heads, "classes": classes, "pixels": pixels}
        self.scale = scale
        self.rows = self.add_weight(shape=(heads, classes, pixels + 1), initializer="zeros", name="rows")
        self.built = True

    @classmethod
    def of(cls, models: Sequence[keras.Model]) -> Self:
        """The bank of these plain models (softmax.build), which differ in nothing but their weights."""
        pixels, classes = models[0].get_layer("softmax").kernel.shape
        bank = cls(len(models), classes, pixels, models[0].get_layer("scaling").scale)
        bank.rows.assign(np.stack([_rows(model) for model in models]))
        return bank

    def export(self, head: int, model: keras.Model) -> None:
        """Give the head's weights to a plain model."""
        set_rows(model, np.asarray(self.rows[head]))

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        """Probabilities, float32 (N, heads, classes), of uint8 pixels (N, pixels)."""
        scaled = tf.cast(pixels, tf.float32) * self.scale
        return tf.nn.softmax(tf.einsum("np,hcp->nhc", scaled, self.rows[..., :-1]) + self.rows[..., -1])

    def compute_output_shape(self, input_shape: tuple[int | None, int]) -> tuple[int | None, int, int]:
        """Shape of the probabilities."""
        return input_shape[0], self.shape["heads"], self.shape["classes"]

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), **self.shape, "scale": self.scale}


def set_rows(model: keras.Model, rows: Floats) -> None:
    """Give a head's weights, float32 (classes, pixels + 1), to a plain model."""
    model.set_weights([rows[:, :-1].T, rows[:, -1]])


def _rows(model: keras.Model) -> Floats:
    kernel, bias = model.get_weights()
    return np.concatenate([kernel.T, bias[:, None]], axis=1)
