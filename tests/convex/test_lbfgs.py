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
    """The true minimum lies between the bound and what was found."""
    found, expected = minimum(DATA, l2), reference(DATA, l2)
    assert found.proven
    assert found.lower_bound <= expected + 1e-7
    assert found.objective == pytest.approx(expected, abs=lbfgs.TOLERANCE)


def test_optimum_without_penalty() -> None:
    """Of labels that pixels do not tell: found, but no bound is known."""
    labels = np.random.default_rng(0).integers(0, 3, len(DATA)).astype(np.uint8)
    data = LabelledImages(DATA.images[:, 2:6, 2:6], labels)
    found = minimum(data, 0.0)
    assert found.objective == pytest.approx(reference(data, 0.0), abs=1e-5)
    assert found.lower_bound == 0
    assert not found.proven
    assert found.gradient_norm < 1e-4


def test_optimum_of_large_images_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """All covariances of 300x300 pixels would need 65 GB: their variances alone lead to the same minimum."""
    images = np.zeros((300, 70, 70), np.uint8)
    images[:, 31:39, 31:39] = DATA.images[:300]
    monkeypatch.setattr(lbfgs, "MOST_NUMBERS", 12 * 49_010)  # six pairs of steps and gradients
    found = minimum(LabelledImages(images, DATA.labels[:300]), 1e-2)
    assert found.proven
    assert found.objective == pytest.approx(minimum(DATA[:300], 1e-2).objective, abs=lbfgs.TOLERANCE)


def test_separable_images_have_no_optimum_but_an_infimum() -> None:
    """The 8x8 digits: larger weights are always better, and the search ends where that is seen."""
    found = minimum(DATA, 0.0)
    assert found.objective == found.lower_bound == 0
    assert found.iterations < lbfgs.MAX_ITERATIONS


def test_pixels_on_another_scale_have_the_same_optimum() -> None:
    """pixel_divisor only renames the weights where nothing penalizes them."""
    labels = np.random.default_rng(0).integers(0, 3, len(DATA)).astype(np.uint8)
    data = LabelledImages(DATA.images[:, 2:6, 2:6], labels)
    found = [lbfgs.minimum(Objective(data, divisor, 0.0), 3, lambda *_: None).objective for divisor in (1.0, 255.0)]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_each_iteration_is_told() -> None:
    """In order, and never a worse objective."""
    told: list[tuple[int, float]] = []
    found = lbfgs.minimum(Objective(DATA, 255.0, 1e-3), 10, lambda *each: told.append(each))
    assert [number for number, _ in told] == list(range(1, found.iterations + 1))
    values = [value for _, value in told]
    assert values == sorted(values, reverse=True)
