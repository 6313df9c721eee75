"""The served model gives the same probabilities, and fails for pictures that were scaled."""

import numpy as np
import pytest

from pipeline.model import serving, softmax
from pipeline.model.quiet_keras import keras

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 30), np.uint8)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return softmax.build(30, 4, 255.0, "he_normal", 1)


@pytest.fixture(scope="module")
def served(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    """The guarded model, saved and loaded in Keras' safe mode: its file has no code."""
    path = tmp_path_factory.mktemp("served") / "model.keras"
    serving.guarded(model, IMAGES).save(path)
    return keras.models.load_model(path, safe_mode=True)


def test_served_model_has_the_same_probabilities(model: keras.Model, served: keras.Model) -> None:
    """To the bit."""
    np.testing.assert_array_equal(served.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))
    np.testing.assert_array_equal(served(IMAGES), model(IMAGES))


@pytest.mark.parametrize("scaled", [IMAGES / 255, IMAGES // 16, (IMAGES - IMAGES.mean()) / IMAGES.std(), IMAGES * 0])
def test_served_model_fails_for_scaled_pixels(scaled: np.ndarray, served: keras.Model) -> None:
    """One of them among good images is enough. The error has the name of the layer."""
    cast = scaled.clip(0).astype(np.uint8)
    with pytest.raises(Exception, match="pixels_are_0_to_255_and_one_is_above_16"):
        served.predict(np.concatenate([IMAGES, cast[:1]]), verbose=0)


def test_data_with_dark_pictures_have_no_guard(model: keras.Model) -> None:
    """As bits, or with empty pictures: they could not be served."""
    assert serving.guarded(model, np.concatenate([IMAGES, IMAGES[:1] * 0])) is model
    assert serving.guarded(model, IMAGES % 2) is model
