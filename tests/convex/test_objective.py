"""The objective and its gradients, compared with the formulas in float64."""

import numpy as np
import pytest

from pipeline.convex.objective import BLOCK, Objective
from pipeline.data.images import LabelledImages

RANDOM = np.random.default_rng(0)
IMAGES = BLOCK + 500  # a block, and a part of another
DATA = LabelledImages(RANDOM.integers(0, 256, (IMAGES, 3, 4), np.uint8), RANDOM.integers(0, 5, IMAGES).astype(np.uint8))
WEIGHTS, BIAS = RANDOM.normal(size=(12, 5)), RANDOM.normal(size=5)
DIVISOR = 255.0


def formula(weights: np.ndarray, bias: np.ndarray, l2: float) -> float:
    """Mean negative log-likelihood + l2 * sum(W^2)."""
    logits = DATA.pixels / DIVISOR @ weights + bias
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(IMAGES), DATA.labels]
    return float(losses.mean() + l2 * (weights**2).sum())


@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_objective_is_the_formula_over_all_images(l2: float) -> None:
    """Including the last, partial block."""
    value = Objective(DATA, DIVISOR, l2)(WEIGHTS, BIAS)
    assert value.objective == pytest.approx(formula(WEIGHTS, BIAS, l2), rel=1e-6)


def test_gradients_are_the_finite_differences_of_the_formula() -> None:
    """The bias has no penalty, as in Keras' kernel_regularizer."""
    value = Objective(DATA, DIVISOR, 0.01)(WEIGHTS, BIAS)
    step = 1e-5
    for row, column in ((0, 0), (7, 3), (11, 4)):
        shift = np.zeros_like(WEIGHTS)
        shift[row, column] = step
        slope = (formula(WEIGHTS + shift, BIAS, 0.01) - formula(WEIGHTS - shift, BIAS, 0.01)) / (2 * step)
        assert value.weights_gradient[row, column] == pytest.approx(slope, abs=1e-6)
    shift = np.eye(5)[2] * step
    slope = (formula(WEIGHTS, BIAS + shift, 0.01) - formula(WEIGHTS, BIAS - shift, 0.01)) / (2 * step)
    assert value.bias_gradient[2] == pytest.approx(slope, abs=1e-6)


def test_margin_is_the_smallest_of_all_images() -> None:
    """Negative if an image is misclassified."""
    logits = DATA.pixels / DIVISOR @ WEIGHTS + BIAS
    true = np.arange(IMAGES), DATA.labels
    true_logits = logits[true]
    logits[true] = -np.inf
    expected = (true_logits - logits.max(axis=1)).min()
    assert Objective(DATA, DIVISOR, 0.0)(WEIGHTS, BIAS).margin == pytest.approx(expected, rel=1e-5)


def test_large_logits_do_not_overflow() -> None:
    """As after training with a huge learning rate."""
    value = Objective(DATA, DIVISOR, 0.0)(1e5 * WEIGHTS, BIAS)
    assert np.isfinite(value.objective)
    assert np.isfinite(value.weights_gradient).all()


def test_hessian_at_zero_is_nearly_the_identity_in_the_coordinates() -> None:
    """Finite differences of the gradient along two vectors of the basis; this makes L-BFGS fast."""
    objective = Objective(DATA, DIVISOR, 0.01)
    _, basis = objective.coordinates(5)
    contrast = np.array([1, -1, 0, 0, 0]) / np.sqrt(2)  # of two classes
    steps = [np.outer(basis[:, number], contrast) for number in (0, 11)]
    # The bias compensates for the mean of x, so that logits stay centred.
    mean = DATA.pixels.mean(axis=0) / DIVISOR
    slopes = []
    for step in steps:
        value = objective(0.01 * step, -0.01 * mean @ step)
        slopes.append((value.weights_gradient - np.outer(mean, value.bias_gradient)) / 0.01)
    start = objective(np.zeros((12, 5)), np.zeros(5))
    slopes = [slope - (start.weights_gradient - np.outer(mean, start.bias_gradient)) / 0.01 for slope in slopes]
    hessian = [[(step * slope).sum() for slope in slopes] for step in steps]
    np.testing.assert_allclose(hessian, np.eye(2), atol=0.02)
