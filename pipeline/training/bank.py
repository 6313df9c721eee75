"""A bank: softmax heads on one input, trained together because they read the same pixels."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.model.quiet_keras import keras, tf

Floats = npt.NDArray[np.float32]


@keras.saving.register_keras_serializable("pipeline")
class Bank(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Softmax heads, from uint8 (N, pixels) to float32 probabilities (N, heads, classes).

    Its one weight, `head_weights`, is float32 (heads, classes, pixels + 1): a row for each class of a head, with the
    weights W of the class and its bias at the end. Training computes with this weight (epoch_pass.py) and does not use
    `call`, which is there for Keras, its callbacks and its files.
    """

    def __init__(self, heads: int, classes: int, pixels: int, scale: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.shape = {"heads": heads, "classes": classes, "pixels": pixels}
        self.scale = scale
        shape = (heads, classes, pixels + 1)
        self.head_weights = self.add_weight(shape=shape, initializer="zeros", name="head_weights")
        self.built = True

    @classmethod
    def from_models(cls, models: Sequence[keras.Model]) -> Self:
        """The bank of these models (softmax.build), which differ in nothing but their weights."""
        pixels, classes = models[0].get_layer("softmax").kernel.shape
        bank = cls(len(models), classes, pixels, models[0].get_layer("scaling").scale)
        bank.head_weights.assign(np.stack([get_head_weights(model) for model in models]))
        return bank

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        """Probabilities, float32 (N, heads, classes), of uint8 pixels (N, pixels)."""
        scaled = tf.cast(pixels, tf.float32) * self.scale
        weights, biases = self.head_weights[..., :-1], self.head_weights[..., -1]
        return tf.nn.softmax(tf.einsum("np,hcp->nhc", scaled, weights) + biases)

    def compute_output_shape(self, input_shape: tuple[int | None, int]) -> tuple[int | None, int, int]:
        """Shape of the probabilities."""
        return input_shape[0], self.shape["heads"], self.shape["classes"]

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), **self.shape, "scale": self.scale}


def get_head_weights(model: keras.Model) -> Floats:
    """Weights and biases of a model (softmax.build) as those of a head: float32 (classes, pixels + 1)."""
    kernel, bias = model.get_weights()
    return np.concatenate([kernel.T, bias[:, None]], axis=1)


def set_head_weights(model: keras.Model, weights: Floats) -> None:
    """Give a head's weights, float32 (classes, pixels + 1), to a model (softmax.build)."""
    model.set_weights([weights[:, :-1].T, weights[:, -1]])
