"""The pictures of an evaluation, all together."""

from pathlib import Path

import numpy as np

from pipeline import statistics
from pipeline.data.labelled import LabelledImages
from pipeline.data.predictions import Predictions
from pipeline.figures import evaluation


def test_all_pictures_are_written_and_the_same_each_time(tmp_path: Path) -> None:
    """Equal bytes keep dvc.lock still."""
    random = np.random.default_rng(0)
    data = LabelledImages(random.integers(0, 256, (60, 8, 8), np.uint8), random.integers(0, 3, 60).astype(np.uint8))
    seen = Predictions(data, random.integers(0, 3, 60), random.uniform(0.4, 1, 60))
    classes = {str(label): {"precision": 0.9, "recall": 0.8, "f1": 0.85} for label in range(3)}
    epochs = np.arange(1.0, 4)
    history = {"epoch": epochs} | {
        f"{part}/{name}": 1 / epochs for part in ("train", "valid") for name in ("loss", "error")
    }
    calibrated = statistics.calibration(seen.probability, seen.right)
    for folder in ("one", "two"):
        evaluation.draw(seen, classes, calibrated, history, "digits", tmp_path / folder)
    written = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert set(written) == set(evaluation.NAMES)
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
