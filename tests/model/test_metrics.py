"""Metrics of predictions, compared with values computed by hand."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from pipeline.evaluation.evaluate_model import evaluate
from pipeline.model import metrics

LABELS = np.array([0, 0, 1, 2], np.uint8)


def test_loss_of_equal_logits_is_ln_of_the_number_of_classes() -> None:
    """For three classes, ln 3 nats. Ties are resolved to the first class."""
    score = metrics.score(np.zeros((4, 3), np.float32), LABELS)
    assert score.loss == pytest.approx(np.log(3))
    assert score.error == 0.5


def test_loss_of_huge_logits_is_finite() -> None:
    """A difference of 1e5 is a loss of 1e5 nats and not infinity."""
    score = metrics.score(np.array([[0.0, 1e5]], np.float32), np.array([0], np.uint8))
    assert score.loss == pytest.approx(1e5)


def test_metrics_per_class() -> None:
    """A class that is never predicted has 0 and not NaN."""
    per_class = metrics.per_class(np.array([0, 1, 1, 1]), LABELS, 3)
    assert per_class[0] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3)}
    assert per_class[1]["precision"] == pytest.approx(1 / 3)
    assert per_class[2] == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_metrics_per_class_are_those_of_scikit_learn() -> None:
    """Of 12 classes, the last two are in no image, and the last one is never predicted."""
    generator = np.random.default_rng(0)
    labels, predicted = generator.integers(0, 10, 500).astype(np.uint8), generator.integers(0, 11, 500)
    expected = precision_recall_fscore_support(labels, predicted, labels=range(12), zero_division=0.0)
    rows = metrics.per_class(predicted, labels, 12)
    for name, column in zip(("precision", "recall", "f1"), expected, strict=False):
        np.testing.assert_allclose([row[name] for row in rows], column, rtol=1e-14)


@pytest.mark.parametrize(("classes", "number"), [(2, 6), (100, 300), (101, 0)])
def test_classes_have_metrics_up_to_a_limit(classes: int, number: int) -> None:
    """Keys have labels, because MLflow refuses some names. The mean F1 exists for any number of classes."""
    evaluation = evaluate(np.zeros((50, classes), np.float32), np.zeros(50, np.uint8))
    assert len(evaluation.per_class) == classes
    assert len(evaluation.class_metrics) == number
    assert evaluation.metrics["test/macro_f1"] == pytest.approx(1 / classes)  # every image is correctly of class 0
    assert evaluation.class_metrics.get("test/f1/0", 1.0) == 1.0
