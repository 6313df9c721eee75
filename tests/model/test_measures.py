"""Measures of predictions, against figures worked out by hand."""

import numpy as np
import pytest

from pipeline.model import measures

LABELS = np.array([0, 0, 1, 2], np.uint8)


def test_score_of_even_logits_is_ln_of_the_classes() -> None:
    """Three classes equally likely: ln 3 nats; ties go to the first class."""
    found = measures.score(np.zeros((4, 3), np.float32), LABELS)
    assert found.loss == pytest.approx(np.log(3))
    assert found.error == 0.5


def test_score_of_huge_logits_is_finite() -> None:
    """Wrong by 1e5: a loss of 1e5 nats and not infinity."""
    found = measures.score(np.array([[0.0, 1e5]], np.float32), np.array([0], np.uint8))
    assert found.loss == pytest.approx(1e5)


def test_per_class_figures() -> None:
    """Class 0: one of two found, nothing else called so; class 2: never predicted, and 0 rather than NaN."""
    found = measures.per_class(np.array([0, 1, 1, 1]), LABELS, 3)
    assert found["0"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3)}
    assert found["1"]["precision"] == pytest.approx(1 / 3)
    assert found["2"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
