"""All figures of an evaluation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.evaluation import calibration, classes, confusion, learning_curves, mistakes, stats
from pipeline.evaluation.evaluate_model import Evaluation
from pipeline.evaluation.learning_curves import History

NAMES = tuple(f"{name}.png" for name in ("learning_curves", "confusion", "mistakes", "calibration", "classes"))


def draw(
    evaluation: Evaluation,
    images: npt.NDArray[np.uint8],
    history: History,
    names: Sequence[str],
    data: str,
    folder: Path,
) -> None:
    """Write the PNG files in `NAMES`. `names` are the class names, `data` is the name of the data set."""
    predictions, per_class, _ = evaluation
    learning_curves.draw(history, f"Loss and error by epoch: {data}", folder / "learning_curves.png")
    matrix = confusion.matrix(predictions, len(per_class))
    confusion.draw(matrix, names, f"Test images by true and predicted class: {data}", folder / "confusion.png")
    title = f"The most confident mistakes on test images: {data}"
    mistakes.draw(predictions, images, names, title, folder / "mistakes.png")
    calibrated = stats.calibration(predictions.probability, predictions.correct)
    calibration.draw(calibrated, f"Are predictions right as often as they say? {data}", folder / "calibration.png")
    title = f"Precision, recall and F1 of {classes.describe_shown(len(per_class))} on test images: {data}"
    classes.draw(per_class, names, title, folder / "classes.png")
