"""Metrics of predictions, in NumPy and SciPy."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.data.images import Labels


@dataclass(frozen=True)
class Score:
    """Mean negative log-likelihood in nats, and error rate as a fraction, over a set of images."""

    loss: float
    error: float


def score(logits: npt.NDArray[np.float32], labels: Labels) -> Score:
    """Return loss and error of logits (N, classes) for labels (N,). Computed in float64 without overflow."""
    wide = logits.astype(np.float64)
    top = wide.max(axis=1)
    log_sum = top + np.log(np.exp(wide - top[:, None]).sum(axis=1))
    losses = log_sum - wide[np.arange(len(labels)), labels]
    return Score(float(losses.mean()), float((wide.argmax(axis=1) != labels).mean()))


def probabilities(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the softmax of logits (N, classes), float64 (N, classes)."""
    from scipy.special import softmax

    return np.asarray(softmax(logits.astype(np.float64), axis=1))


def per_class(predicted: npt.NDArray[np.intp], labels: Labels, classes: int) -> list[dict[str, float]]:
    """Return precision, recall and F1 as fractions, one dict per class in the order of the labels.

    A ratio is 0 if its denominator is 0, for example the precision of a class that is never predicted. scikit-learn
    gives the same numbers, but takes a second to import.
    """
    correct = np.bincount(labels[predicted == labels], minlength=classes)
    predictions, images = (np.bincount(each, minlength=classes) for each in (predicted, labels))
    columns = {
        "precision": correct / np.maximum(predictions, 1),
        "recall": correct / np.maximum(images, 1),
        "f1": 2 * correct / np.maximum(predictions + images, 1),
    }
    return [{name: float(column[label]) for name, column in columns.items()} for label in range(classes)]
