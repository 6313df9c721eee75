"""Predictions of a model on labelled images."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic import write_csv
from pipeline.data.images import Labels
from pipeline.model import metrics


@dataclass(frozen=True)
class Predictions:
    """Labels and predicted classes, intp (N,), and the predicted classes' probabilities, float64 (N,)."""

    labels: npt.NDArray[np.intp]
    predicted: npt.NDArray[np.intp]
    probability: npt.NDArray[np.float64]

    @classmethod
    def from_logits(cls, logits: npt.NDArray[np.float32], labels: Labels) -> "Predictions":
        """Predict the most probable classes for logits (N, classes)."""
        return cls(labels.astype(np.intp), logits.argmax(axis=1), metrics.probabilities(logits).max(axis=1))

    @classmethod
    def read(cls, path: Path) -> "Predictions":
        """Read the file that `write` wrote."""
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        labels, predicted = (np.array([int(row[name]) for row in rows], np.intp) for name in ("label", "predicted"))
        return cls(labels, predicted, np.array([float(row["probability"]) for row in rows]))

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each image is classified correctly, bool (N,)."""
        return np.equal(self.labels, self.predicted)

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """Whether each image is misclassified, bool (N,)."""
        return ~self.correct

    def write(self, path: Path) -> None:
        """Write a CSV file with one row per image. Probabilities have six digits: further ones vary by processor."""
        columns = (self.labels.tolist(), self.predicted.tolist(), [f"{value:.6g}" for value in self.probability])
        rows = ((image, *row) for image, row in enumerate(zip(*columns, strict=True)))
        write_csv(path, ("image", "label", "predicted", "probability"), rows)
