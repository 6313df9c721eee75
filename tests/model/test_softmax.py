"""The model computes softmax(W x + b) of scaled pixels."""

import keras
import numpy as np
import pytest

from pipeline.model import softmax


def build(initializer: str = "zeros", seed: int = 1) -> keras.Model:
    return softmax.build(784, 10, 255.0, initializer, seed)


def test_parameter_count() -> None:
    """784 x 10 weights and 10 biases."""
    assert build().count_params() == 7850


def test_zero_weights_give_equal_probabilities() -> None:
    """As at the start of the tutorial."""
    probabilities = np.asarray(build()(np.random.default_rng(0).integers(0, 256, (5, 784), np.uint8)))
    np.testing.assert_allclose(probabilities, 0.1, rtol=1e-6)


def test_probabilities_are_the_softmax_of_logits_of_scaled_pixels() -> None:
    """The model scales the pixels, so callers cannot forget it or do it twice."""
    model = build("random_normal")
    pixels = np.random.default_rng(0).integers(0, 256, (7, 784), np.uint8)
    kernel, bias = model.get_weights()
    expected = pixels.astype(np.float64) / 255 @ kernel + bias
    np.testing.assert_array_equal(softmax.to_numpy(model).logits(pixels), expected.astype(np.float32))
    exponentials = np.exp(expected)
    np.testing.assert_allclose(model(pixels), exponentials / exponentials.sum(axis=1, keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("initializer", ["glorot_uniform", "he_normal", "random_normal"])
def test_initial_weights_depend_on_the_seed_only(initializer: str) -> None:
    """And not on random numbers that the process has used before."""
    first, again, other = (build(initializer, seed).get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
