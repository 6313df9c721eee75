"""Softmax regression as a Keras model: P(class | x) = softmax(W x + b), x = pixels / divisor."""

import numpy as np
import numpy.typing as npt

from pipeline.model.quiet_keras import keras, tf

BLOCK = 1 << 27  # pixels per batch of predictions: half a gibibyte as float32


def build(pixels: int, classes: int, divisor: float, initializer: str, seed: int) -> keras.Model:
    """Build the model: uint8 (N, pixels) to float32 probabilities (N, classes), (pixels + 1) * classes weights."""
    kernel = keras.initializers.get(initializer)
    if hasattr(kernel, "seed"):
        kernel = kernel.__class__(**{**kernel.get_config(), "seed": seed})
    # Fixed names: automatic ones count the models in the process, and would change the bytes of the file.
    return keras.Sequential(
        [
            keras.Input((pixels,), dtype="uint8", name="pixels"),
            keras.layers.Rescaling(1 / divisor, name="scaling"),
            keras.layers.Dense(classes, activation="softmax", kernel_initializer=kernel, name="softmax"),
        ],
        name="softmax_regression",
    )


def templates(model: keras.Model) -> npt.NDArray[np.float32]:
    """Return the weights W, one row per class: float32 (classes, pixels)."""
    return np.asarray(model.get_layer("softmax").kernel).T


def predict_logits(model: keras.Model, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the logits W x + b, float32 (N, classes), of uint8 pixels (N, pixels)."""
    dense = model.get_layer("softmax")

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def logits(pixels: tf.Tensor) -> tf.Tensor:
        return tf.matmul(model.get_layer("scaling")(pixels), dense.kernel) + dense.bias

    block = max(1, BLOCK // pixels.shape[1])
    return np.concatenate(
        [logits(tf.constant(pixels[start : start + block])) for start in range(0, len(pixels), block)]
    )
