"""The pictures of an evaluation."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.data.predictions import Predictions
from pipeline.figures import calibration, classes, confusion, learning_curves, mistakes
from pipeline.figures.learning_curves import History
from pipeline.statistics import Calibration

NAMES = tuple(f"{name}.png" for name in ("learning_curves", "confusion", "mistakes", "calibration", "classes"))


def draw(
    seen: Predictions,
    per_class: Mapping[str, Mapping[str, float]],
    calibrated: Calibration,
    history: History,
    data: str,
    folder: Path,
) -> None:
    """Write the PNG files that `NAMES` lists; `data` is the data set's name."""
    learning_curves.draw(history, f"Loss and error by epoch: {data}", folder / "learning_curves.png")
    matrix = confusion.matrix(seen, len(per_class))
    confusion.draw(matrix, f"Test images by true and predicted class: {data}", folder / "confusion.png")
    mistakes.draw(seen, f"The most confident mistakes on test images: {data}", folder / "mistakes.png")
    calibration.draw(calibrated, f"Are predictions right as often as they say? {data}", folder / "calibration.png")
    classes.draw(per_class, f"Precision, recall and F1 of each class on test images: {data}", folder / "classes.png")
