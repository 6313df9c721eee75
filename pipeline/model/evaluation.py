"""A model on the test images."""

from typing import Any, NamedTuple

import keras

from pipeline import statistics
from pipeline.data.labelled import LabelledImages
from pipeline.data.predictions import Predictions
from pipeline.model import measures, softmax


class Evaluation(NamedTuple):
    """What was predicted, each class's figures as of `measures.per_class`, the calibration, and all metrics by name."""

    seen: Predictions
    classes: dict[str, dict[str, Any]]
    calibration: statistics.Calibration
    metrics: dict[str, float]


def evaluate(model: keras.Model, test: LabelledImages) -> Evaluation:
    """Measure the model, named as in MLflow."""
    logits = softmax.predict_logits(model, test.pixels)
    seen = Predictions(test, logits.argmax(axis=1), measures.probabilities(logits).max(axis=1))
    score = measures.score(logits, test.labels)
    classes = measures.per_class(seen.predicted, test.labels, logits.shape[1])
    low, high = statistics.wilson_interval(int((~seen.right).sum()), len(test))
    calibration = statistics.calibration(seen.probability, seen.right)
    # A key that is just "error" would make DVC report that it failed to load the file.
    metrics = {
        "test/error": score.error,
        "test/error_low": low,
        "test/error_high": high,
        "test/loss": score.loss,
        "test/macro_f1": sum(values["f1"] for values in classes.values()) / len(classes),
        "test/calibration_error": calibration.error,
    }
    return Evaluation(seen, classes, calibration, metrics)
