"""The classes that a model predicts for the test images."""

from typing import TYPE_CHECKING

from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.data import prepared
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.stats import McNemar, mcnemar
from pipeline.model import keras_file

if TYPE_CHECKING:
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import RunOrModel

FILE = "predictions.csv"  # an artifact of evaluated runs


def evaluated(lookup: "Lookup", run: "RunOrModel") -> Predictions | None:
    """The predictions that evaluate kept in the run; None if there are none."""
    path = lookup.download_artifact(run.run, FILE) if run.run else None
    return None if path is None else Predictions.read(path)


def predictions_for(lookup: "Lookup", run: "RunOrModel", config: Config) -> Predictions:
    """The predictions that evaluate kept in the run, or else those of its model for the prepared test images.

    Raises:
        UserError: a run that was not evaluated was trained on other data than prepared/ holds, or has no model.
    """
    if (kept := evaluated(lookup, run)) is not None:
        return kept
    (test,) = prepared.read(config, "test")
    if run.run and run.tags.get("data.md5") != prepared.data_md5():
        raise UserError(f"{run.word} was not evaluated, and prepared/ holds other data than it was trained on")
    model = keras_file.read(lookup.model_file(run))
    pixels = test.pixels.shape[1]
    if model.pixels != pixels:
        raise UserError(f"{run.word} reads images of {model.pixels} pixels, and those in prepared/ have {pixels}")
    return Predictions.from_logits(model.logits(test.pixels), test.labels)


def paired_test(first: Predictions, second: Predictions) -> McNemar:
    """McNemar's test on the images that both have.

    Raises:
        UserError: the images are not the same.
    """
    common = min(len(first.labels), len(second.labels))  # one run may have dropped a last, partial minibatch
    if not common or (first.labels[:common] != second.labels[:common]).any():
        raise UserError("it was tested on other images than the first")
    return mcnemar(first.wrong[:common], second.wrong[:common])
