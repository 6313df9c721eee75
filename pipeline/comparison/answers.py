"""The classes that a model predicts for the test images."""

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.data import prepared
from pipeline.evaluation.stats import McNemar, mcnemar

if TYPE_CHECKING:
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import RunOrModel

FILE = "predictions.csv"  # an artifact of evaluated runs


@dataclass(frozen=True)
class Answers:
    """Labels and predicted classes of the first N test images, (N,) each."""

    labels: npt.NDArray[np.intp]
    predicted: npt.NDArray[np.intp]

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """Which images are misclassified, bool (N,)."""
        return np.not_equal(self.labels, self.predicted)


def evaluated(lookup: "Lookup", run: "RunOrModel") -> Answers | None:
    """The predictions that evaluate kept in the run; None if there are none."""
    path = lookup.download_artifact(run.run, FILE) if run.run else None
    if path is None:
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Answers(*(np.array([int(row[column]) for row in rows]) for column in ("label", "predicted")))


def predictions_for(lookup: "Lookup", run: "RunOrModel", config: Config) -> Answers:
    """The predictions that evaluate kept in the run, or else those of its model for the prepared test images.

    Raises:
        UserError: a run that was not evaluated was trained on other data than prepared/ holds, or has no model.
    """
    if (kept := evaluated(lookup, run)) is not None:
        return kept
    (test,) = prepared.read(config, "test")
    if run.run and run.tags.get("data.md5") != prepared.data_md5():
        raise UserError(f"{run.word} was not evaluated, and prepared/ holds other data than it was trained on")
    # TensorFlow takes seconds to import: only now that it is needed.
    from pipeline.model import keras_file, softmax

    model = keras_file.load(lookup.model_file(run))
    expected, pixels = model.input_shape[1], test.pixels.shape[1]
    if expected != pixels:
        raise UserError(f"{run.word} reads images of {expected} pixels, and those in prepared/ have {pixels}")
    return Answers(test.labels.astype(np.intp), softmax.predict_logits(model, test.pixels).argmax(axis=1))


def paired_test(first: Answers, second: Answers) -> McNemar:
    """McNemar's test on the images that both have.

    Raises:
        UserError: the images are not the same.
    """
    common = min(len(first.labels), len(second.labels))  # one run may have dropped a last, partial minibatch
    if not common or (first.labels[:common] != second.labels[:common]).any():
        raise UserError("it was tested on other images than the first")
    return mcnemar(first.wrong[:common], second.wrong[:common])
