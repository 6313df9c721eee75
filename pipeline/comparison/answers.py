"""What a model said of each test image."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.data import prepared
from pipeline.evaluation.stats import McNemar, mcnemar

if TYPE_CHECKING:
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import Subject

FILE = "predictions.csv"  # of a run that was evaluated


@dataclass(frozen=True)
class Answers:
    """Labels and predicted classes, (N,) each, of the first N test images."""

    labels: npt.NDArray[np.intp]
    predicted: npt.NDArray[np.intp]

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """Which images are misclassified, bool (N,)."""
        return np.not_equal(self.labels, self.predicted)


def read(path: Path) -> Answers:
    """The file that evaluate wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Answers(*(np.array([int(row[column]) for row in rows]) for column in ("label", "predicted")))


def of(lookup: "Lookup", subject: "Subject", config: Config) -> Answers:
    """Those that the run was evaluated with, or else those of its model on the prepared test set.

    Raises:
        UserError: it was not evaluated, and prepared/ holds other data than it was trained on, or it has no model.
    """
    path = lookup.artifact(subject.run, FILE) if subject.run else None
    if path is not None:
        return read(path)
    (test,) = prepared.read(config, "test")
    if subject.run and subject.tags.get("data.md5") != prepared.data_md5():
        raise UserError(f"{subject.word} was not evaluated, and prepared/ holds other data than it was trained on")
    # TensorFlow takes seconds to import: only now that it is needed.
    from pipeline.model import keras_file, softmax

    model = keras_file.load(lookup.model_file(subject))
    if model.input_shape[1] != test.pixels.shape[1]:
        raise UserError(
            f"{subject.word} reads images of {model.input_shape[1]} pixels, and those in prepared/ have "
            f"{test.pixels.shape[1]}"
        )
    return Answers(test.labels.astype(np.intp), softmax.predict_logits(model, test.pixels).argmax(axis=1))


def paired(first: Answers, second: Answers) -> McNemar:
    """McNemar's test on the images that both have seen.

    Raises:
        UserError: these are not the same images.
    """
    both = min(len(first.labels), len(second.labels))  # one may have left out a last, partial minibatch
    if not both or (first.labels[:both] != second.labels[:both]).any():
        raise UserError("it was tested on other images than the first")
    return mcnemar(first.wrong[:both], second.wrong[:both])
