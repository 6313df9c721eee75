"""All figures of an evaluation."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.evaluation import figures
from pipeline.evaluation.evaluate_model import Evaluation
from pipeline.evaluation.predictions import Predictions

EPOCHS = np.arange(1.0, 4)
HISTORY = {"epoch": EPOCHS} | {
    f"{part}/{name}": 1 / EPOCHS for part in ("train", "valid") for name in ("loss", "error")
}
FIGURES = {"precision": 0.9, "recall": 0.8, "f1": 0.85}
HOSTILE = ["$x_{1", "50 %", "<b>&amp;</b>", "猫咪", "\udcff", "a\nb", "", "W" * 500, "\N{GRINNING FACE}", "_hidden"]


def test_all_figures_are_written_and_reproducible(tmp_path: Path) -> None:
    """dvc.lock does not change with equal bytes."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60, 8, 8), np.uint8)
    predictions = Predictions(random.integers(0, 3, 60), random.integers(0, 3, 60), random.uniform(0.4, 1, 60))
    evaluation = Evaluation(predictions, [FIGURES] * 3, {})
    for folder in ("one", "two"):
        figures.draw(evaluation, images, HISTORY, ["0", "1", "2"], "digits", tmp_path / folder)
    written = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert set(written) == set(figures.NAMES)
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("classes", "shape"), [(2, (1, 1)), (1000, (32, 200))])
def test_any_names_class_counts_and_image_sizes_are_drawn(tmp_path: Path, classes: int, shape: tuple[int, int]) -> None:
    """Without warnings, as for characters that the font lacks, and in figures that fit a screen."""
    names = [HOSTILE[label % len(HOSTILE)] for label in range(classes)]
    labels = np.arange(1000) % classes
    predictions = Predictions(labels, (labels + np.arange(1000) % 3) % classes, np.linspace(0.6, 1, 1000))
    evaluation = Evaluation(predictions, [FIGURES] * classes, {})
    figures.draw(evaluation, np.zeros((1000, *shape), np.uint8), HISTORY, names, "猫 $" * 50, tmp_path)
    for name in figures.NAMES:
        with Image.open(tmp_path / name) as image:
            assert max(image.size) <= 1800
