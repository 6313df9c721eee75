"""A model on the test images."""

from typing import NamedTuple

from pipeline.data.images import LabelledImages
from pipeline.evaluation import stats
from pipeline.evaluation.predictions import Predictions
from pipeline.model import metrics, softmax
from pipeline.model.quiet_keras import keras

MOST_CLASSES = 100  # that have metrics of their own


class Evaluation(NamedTuple):
    """What was predicted, each class's figures as of `measures.per_class`, and all metrics by name."""

    seen: Predictions
    classes: list[dict[str, float]]
    metrics: dict[str, float]

    @property
    def by_class(self) -> dict[str, float]:
        """Metrics of each class by its label, as `test/f1/3`; none where there are more than 100 classes.

        A class's name may hold what MLflow refuses in a metric's, and thousands of metrics cannot be read in its UI.
        classes.csv has the figures of all classes by their names, in the labels' order.
        """
        if len(self.classes) > MOST_CLASSES:
            return {}
        each = enumerate(self.classes)
        return {f"test/{name}/{label}": value for label, of in each for name, value in of.items()}


def evaluate(model: keras.Model, test: LabelledImages) -> Evaluation:
    """Measure the model, named as in MLflow."""
    logits = softmax.predict_logits(model, test.pixels)
    seen = Predictions(test, logits.argmax(axis=1), metrics.probabilities(logits).max(axis=1))
    score = metrics.score(logits, test.labels)
    classes = metrics.per_class(seen.predicted, test.labels, logits.shape[1])
    low, high = stats.wilson_interval(int((~seen.right).sum()), len(test))
    # A key that is just "error" would make DVC report that it failed to load the file.
    values = {
        "test/error": score.error,
        "test/error_low": low,
        "test/error_high": high,
        "test/loss": score.loss,
        "test/macro_f1": sum(each["f1"] for each in classes) / len(classes),
        "test/calibration_error": stats.calibration(seen.probability, seen.right).error,
    }
    return Evaluation(seen, classes, values)
