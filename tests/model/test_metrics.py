"""Measures of predictions, against figures worked out by hand."""

import numpy as np
import pytest

from pipeline.data.images import LabelledImages
from pipeline.evaluation.evaluate_model import evaluate
from pipeline.model import metrics, softmax

LABELS = np.array([0, 0, 1, 2], np.uint8)


def test_score_of_even_logits_is_ln_of_the_classes() -> None:
    """Three classes equally likely: ln 3 nats; ties go to the first class."""
    found = metrics.score(np.zeros((4, 3), np.float32), LABELS)
    assert found.loss == pytest.approx(np.log(3))
    assert found.error == 0.5


def test_score_of_huge_logits_is_finite() -> None:
    """Wrong by 1e5: a loss of 1e5 nats and not infinity."""
    found = metrics.score(np.array([[0.0, 1e5]], np.float32), np.array([0], np.uint8))
    assert found.loss == pytest.approx(1e5)


def test_per_class_figures() -> None:
    """Class 0: one of two found, nothing else called so; class 2: never predicted, and 0 rather than NaN."""
    found = metrics.per_class(np.array([0, 1, 1, 1]), LABELS, 3)
    assert found[0] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3)}
    assert found[1]["precision"] == pytest.approx(1 / 3)
    assert found[2] == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


@pytest.mark.parametrize(("classes", "told"), [(2, 6), (100, 300), (101, 0)])
def test_classes_have_metrics_of_their_own_unless_they_are_too_many(classes: int, told: int) -> None:
    """By label, since a name may hold what MLflow refuses; the mean of all is told of any number, from 1 pixel on."""
    test = LabelledImages(np.zeros((50, 1, 1), np.uint8), np.zeros(50, np.uint8))
    found = evaluate(softmax.build(1, classes, 255.0, "zeros", 1), test)
    assert len(found.classes) == classes
    assert len(found.by_class) == told
    assert found.metrics["test/macro_f1"] == pytest.approx(1 / classes)  # all are taken for the first, and are it
    assert found.by_class.get("test/f1/0", 1.0) == 1.0
