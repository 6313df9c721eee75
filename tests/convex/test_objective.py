"""The objective and its gradients, against the formulas in float64."""

import numpy as np
import pytest

from pipeline.convex import objective as module
from pipeline.convex.objective import Objective
from pipeline.data.images import LabelledImages

RANDOM = np.random.default_rng(0)
IMAGES = module.BLOCK + 500  # more than a block, and not two
DATA = LabelledImages(RANDOM.integers(0, 256, (IMAGES, 3, 4), np.uint8), RANDOM.integers(0, 5, IMAGES).astype(np.uint8))
WEIGHTS, BIAS = RANDOM.normal(size=(12, 5)), RANDOM.normal(size=5)
DIVISOR = 255.0


def formula(weights: np.ndarray, bias: np.ndarray, l2: float) -> float:
    """Mean negative log-likelihood + l2 * sum(W^2)."""
    scores = DATA.pixels / DIVISOR @ weights + bias
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(IMAGES), DATA.labels]
    return float(losses.mean() + l2 * (weights**2).sum())


@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_objective_is_the_formula_over_all_images(l2: float) -> None:
    """Also over those of the last, partial block."""
    found = Objective(DATA, DIVISOR, l2)(WEIGHTS, BIAS)
    assert found.objective == pytest.approx(formula(WEIGHTS, BIAS, l2), rel=1e-6)


def test_gradients_are_the_slopes_of_the_formula() -> None:
    """The bias has no penalty, as in Keras' kernel_regularizer."""
    found = Objective(DATA, DIVISOR, 0.01)(WEIGHTS, BIAS)
    step = 1e-5
    for row, column in ((0, 0), (7, 3), (11, 4)):
        shift = np.zeros_like(WEIGHTS)
        shift[row, column] = step
        slope = (formula(WEIGHTS + shift, BIAS, 0.01) - formula(WEIGHTS - shift, BIAS, 0.01)) / (2 * step)
        assert found.by_weights[row, column] == pytest.approx(slope, abs=1e-6)
    shift = np.eye(5)[2] * step
    slope = (formula(WEIGHTS, BIAS + shift, 0.01) - formula(WEIGHTS, BIAS - shift, 0.01)) / (2 * step)
    assert found.by_bias[2] == pytest.approx(slope, abs=1e-6)


def test_margin_is_that_of_the_worst_image() -> None:
    """Below 0 where an image is wrong."""
    scores = DATA.pixels / DIVISOR @ WEIGHTS + BIAS
    true = np.arange(IMAGES), DATA.labels
    own = scores[true]
    scores[true] = -np.inf
    expected = (own - scores.max(axis=1)).min()
    assert Objective(DATA, DIVISOR, 0.0)(WEIGHTS, BIAS).margin == pytest.approx(expected, rel=1e-5)


def test_scores_of_thousands_do_not_overflow() -> None:
    """A run with a huge learning rate is measured too."""
    found = Objective(DATA, DIVISOR, 0.0)(1e5 * WEIGHTS, BIAS)
    assert np.isfinite(found.objective)
    assert np.isfinite(found.by_weights).all()


def test_hessian_at_zero_is_nearly_the_identity_in_the_coordinates() -> None:
    """What makes L-BFGS fast: by finite differences of the gradient, in a basis vector's direction and another's."""
    objective = Objective(DATA, DIVISOR, 0.01)
    _, basis = objective.coordinates(5)
    contrast = np.array([1, -1, 0, 0, 0]) / np.sqrt(2)  # of two classes
    steps = [np.outer(basis[:, number], contrast) for number in (0, 11)]
    # The bias follows the mean of x, so that scores stay centred.
    mean = DATA.pixels.mean(axis=0) / DIVISOR
    slopes = []
    for step in steps:
        found = objective(0.01 * step, -0.01 * mean @ step)
        slopes.append((found.by_weights - np.outer(mean, found.by_bias)) / 0.01)
    start = objective(np.zeros((12, 5)), np.zeros(5))
    slopes = [slope - (start.by_weights - np.outer(mean, start.by_bias)) / 0.01 for slope in slopes]
    hessian = [[(step * slope).sum() for slope in slopes] for step in steps]
    np.testing.assert_allclose(hessian, np.eye(2), atol=0.02)
