"""Softmax regression as a Keras model: P(class | x) = softmax(W x + b), x = pixels / divisor."""

from pipeline.model.quiet_keras import keras
from pipeline.model.softmax_model import SoftmaxModel


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


def to_numpy(model: keras.Model) -> SoftmaxModel:
    """Copy the weights of a model (build) as it predicts now."""
    kernel, bias = model.get_weights()
    return SoftmaxModel(kernel, bias, model.get_layer("scaling").scale)
