"""The pictures of an evaluation."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.evaluation import calibration, classes, confusion, learning_curves, mistakes, stats
from pipeline.evaluation.classes import PerClass
from pipeline.evaluation.learning_curves import History
from pipeline.evaluation.predictions import Predictions

NAMES = tuple(f"{name}.png" for name in ("learning_curves", "confusion", "mistakes", "calibration", "classes"))


def draw(
    seen: Predictions,
    per_class: PerClass,
    history: History,
    names: Sequence[str],
    data: str,
    folder: Path,
) -> None:
    """Write the PNG files that `NAMES` lists; `names` are those of the classes, `data` that of the data set."""
    learning_curves.draw(history, f"Loss and error by epoch: {data}", folder / "learning_curves.png")
    matrix = confusion.matrix(seen, len(per_class))
    confusion.draw(matrix, names, f"Test images by true and predicted class: {data}", folder / "confusion.png")
    mistakes.draw(seen, names, f"The most confident mistakes on test images: {data}", folder / "mistakes.png")
    calibrated = stats.calibration(seen.probability, seen.right)
    calibration.draw(calibrated, f"Are predictions right as often as they say? {data}", folder / "calibration.png")
    title = f"Precision, recall and F1 of {classes.shown(len(per_class))} on test images: {data}"
    classes.draw(per_class, names, title, folder / "classes.png")
