"""What a model said of each test image."""

from typing import TYPE_CHECKING

from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.data import prepared
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.stats import McNemar, mcnemar

if TYPE_CHECKING:
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import Subject

FILE = "predictions.csv"  # of a run that was evaluated


def of(lookup: "Lookup", subject: "Subject", config: Config) -> Predictions:
    """Those that the run was evaluated with, or else those of its model on the prepared test set.

    Raises:
        UserError: it was not evaluated, and prepared/ holds other data than it was trained on, or it has no model.
    """
    path = lookup.artifact(subject.run, FILE) if subject.run else None
    if path is not None:
        return Predictions.read(path)
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
    return Predictions.from_logits(softmax.predict_logits(model, test.pixels), test.labels)


def paired(first: Predictions, second: Predictions) -> McNemar:
    """McNemar's test on the images that both have seen.

    Raises:
        UserError: these are not the same images.
    """
    both = min(len(first.labels), len(second.labels))  # one may have left out a last, partial minibatch
    if not both or (first.labels[:both] != second.labels[:both]).any():
        raise UserError("it was tested on other images than the first")
    return mcnemar(first.wrong[:both], second.wrong[:both])
