"""The optimum, against scikit-learn's solver."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from pipeline.convex import lbfgs
from pipeline.convex.objective import Objective
from pipeline.data.images import LabelledImages

DIGITS = load_digits()
DATA = LabelledImages((DIGITS.images * 15).astype(np.uint8), DIGITS.target.astype(np.uint8))


def minimum(data: LabelledImages, l2: float) -> lbfgs.Optimum:
    return lbfgs.minimum(Objective(data, 255.0, l2), int(data.labels.max()) + 1, lambda *_: None)


def reference(data: LabelledImages, l2: float) -> float:
    """scikit-learn minimizes C * (sum of losses) + sum(W^2) / 2, in float64."""
    x = data.pixels / 255
    strength = 1 / (2 * len(data) * l2) if l2 else np.inf
    solved = LogisticRegression(C=strength, solver="newton-cg", tol=1e-9, max_iter=1000).fit(x, data.labels)
    losses = -solved.predict_log_proba(x)[np.arange(len(data)), data.labels]
    return float(losses.mean() + l2 * (solved.coef_**2).sum())


@pytest.mark.parametrize("l2", [1e-2, 1e-4])
def test_penalized_optimum_is_proven(l2: float) -> None:
    """The true minimum lies between the bound and the objective."""
    optimum, expected = minimum(DATA, l2), reference(DATA, l2)
    assert optimum.proven
    assert optimum.lower_bound <= expected + 1e-7
    assert optimum.objective == pytest.approx(expected, abs=lbfgs.TOLERANCE)


def test_optimum_without_penalty() -> None:
    """With labels that do not depend on the pixels: the optimum has no useful bound."""
    labels = np.random.default_rng(0).integers(0, 3, len(DATA)).astype(np.uint8)
    data = LabelledImages(DATA.images[:, 2:6, 2:6], labels)
    optimum = minimum(data, 0.0)
    assert optimum.objective == pytest.approx(reference(data, 0.0), abs=1e-5)
    assert optimum.lower_bound == 0
    assert not optimum.proven
    assert optimum.gradient_norm < 1e-4


def test_optimum_of_large_images_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variances alone lead to the same minimum; all covariances of 300x300 pixels would need 65 GB."""
    images = np.zeros((300, 70, 70), np.uint8)
    images[:, 31:39, 31:39] = DATA.images[:300]
    monkeypatch.setattr(lbfgs, "MAX_NUMBERS", 12 * 49_010)  # six pairs of steps and gradients
    optimum = minimum(LabelledImages(images, DATA.labels[:300]), 1e-2)
    assert optimum.proven
    assert optimum.objective == pytest.approx(minimum(DATA[:300], 1e-2).objective, abs=lbfgs.TOLERANCE)


def test_separable_images_have_no_optimum_but_an_infimum() -> None:
    """The 8x8 digits: larger weights are always better, and the search ends early."""
    optimum = minimum(DATA, 0.0)
    assert optimum.objective == optimum.lower_bound == 0
    assert optimum.iterations < lbfgs.MAX_ITERATIONS


def test_pixels_on_another_scale_have_the_same_optimum() -> None:
    """Without l2, pixel_divisor only scales the weights."""
    labels = np.random.default_rng(0).integers(0, 3, len(DATA)).astype(np.uint8)
    data = LabelledImages(DATA.images[:, 2:6, 2:6], labels)
    first, second = (lbfgs.minimum(Objective(data, divisor, 0.0), 3, lambda *_: None) for divisor in (1.0, 255.0))
    assert first.objective == pytest.approx(second.objective, abs=1e-6)


def test_callback_gets_each_iteration() -> None:
    """In order, and with a falling objective."""
    calls: list[tuple[int, float]] = []
    optimum = lbfgs.minimum(Objective(DATA, 255.0, 1e-3), 10, lambda *args: calls.append(args))
    assert [number for number, _ in calls] == list(range(1, optimum.iterations + 1))
    values = [value for _, value in calls]
    assert values == sorted(values, reverse=True)
