"""Evaluation of a model on the test images."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.data.images import Labels
from pipeline.evaluation import stats
from pipeline.evaluation.predictions import Predictions
from pipeline.model import metrics

MAX_CLASSES = 100  # with more, there are no metrics per class


class Evaluation(NamedTuple):
    """Predictions, `metrics.per_class` of them, and all metrics by their MLflow names."""

    predictions: Predictions
    per_class: list[dict[str, float]]
    metrics: dict[str, float]

    @property
    def class_metrics(self) -> dict[str, float]:
        """Metrics of each class by its label, for example `test/f1/3`; none if there are more than 100 classes.

        A class name may contain characters that MLflow refuses in metric names, and its UI is unreadable with thousands
        of metrics. classes.csv has those of all classes by their names.
        """
        if len(self.per_class) > MAX_CLASSES:
            return {}
        classes = enumerate(self.per_class)
        return {f"test/{name}/{label}": value for label, row in classes for name, value in row.items()}


def evaluate(logits: npt.NDArray[np.float32], labels: Labels) -> Evaluation:
    """Evaluate logits (N, classes) against labels (N,)."""
    predictions = Predictions.from_logits(logits, labels)
    score = metrics.score(logits, labels)
    per_class = metrics.per_class(predictions.predicted, labels, logits.shape[1])
    low, high = stats.wilson_interval(int(predictions.wrong.sum()), len(labels))
    # A key that is just "error" would make DVC report that it failed to load the file.
    values = {
        "test/error": score.error,
        "test/error_low": low,
        "test/error_high": high,
        "test/loss": score.loss,
        "test/macro_f1": sum(row["f1"] for row in per_class) / len(per_class),
        "test/calibration_error": stats.calibration(predictions.probability, predictions.correct).error,
    }
    return Evaluation(predictions, per_class, values)
