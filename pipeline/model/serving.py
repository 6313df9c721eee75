"""The model as an HTTP server has it: it refuses pictures that can be no image of the data.

MLflow casts the numbers of a request to bytes without notice, so that pixels from 0 to 1 become an empty picture. No
signature of MLflow's prevents that: for a list, it converts to the type of the signature before it checks the type.
"""

import numpy as np
import numpy.typing as npt

from pipeline.model.quiet_keras import keras

# The largest pixel of a picture that was scaled to 0..1, standardized, or scaled to 0..16 as scikit-learn's digits are.
# An image of bytes has brighter ones.
DARK = 16


def guarded(model: keras.Model, images: npt.NDArray[np.uint8]) -> keras.Model:
    """The model with a layer that fails for a picture without any pixel above DARK; otherwise the same probabilities.

    The model itself where one of the `images`, uint8 (N, pixels), is such a picture. The layer looks up the row of a
    table, which for such a picture does not exist: Keras' layers cannot raise an error in another way without code of
    ours in the file. TensorFlow's error has the name of the layer. On a GPU the lookup may give zeros instead.
    """
    if images.max(axis=1).min() <= DARK:
        return model
    pixels = keras.Input(model.input_shape[1:], dtype="uint8", name="pixels")
    row = keras.ops.cast(keras.ops.less_equal(keras.ops.max(pixels, axis=1), DARK), "int32")
    table = keras.layers.Embedding(
        1, 1, embeddings_initializer="ones", trainable=False, name=f"pixels_are_0_to_255_and_one_is_above_{DARK}"
    )
    probabilities = pixels
    for layer in model.layers:
        probabilities = layer(probabilities)
    return keras.Model(pixels, keras.ops.multiply(probabilities, table(row)), name=f"guarded_{model.name}")
