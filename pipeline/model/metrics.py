"""Metrics of predictions, in NumPy, SciPy and scikit-learn."""

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
    """Return precision, recall and F1 as fractions, one dict per class in the order of the labels."""
    from sklearn.metrics import precision_recall_fscore_support

    names = ("precision", "recall", "f1")
    columns = precision_recall_fscore_support(labels, predicted, labels=range(classes), zero_division=0.0)
    return [
        {name: float(column[label]) for name, column in zip(names, columns, strict=False)} for label in range(classes)
    ]
