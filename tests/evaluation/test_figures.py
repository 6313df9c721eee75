"""The pictures of an evaluation, all together."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.images import LabelledImages
from pipeline.evaluation import figures
from pipeline.evaluation.predictions import Predictions

EPOCHS = np.arange(1.0, 4)
HISTORY = {"epoch": EPOCHS} | {
    f"{part}/{name}": 1 / EPOCHS for part in ("train", "valid") for name in ("loss", "error")
}
FIGURES = {"precision": 0.9, "recall": 0.8, "f1": 0.85}
HOSTILE = ["$x_{1", "50 %", "<b>&amp;</b>", "猫咪", "\udcff", "a\nb", "", "W" * 500, "\N{GRINNING FACE}", "_hidden"]


def test_all_pictures_are_written_and_the_same_each_time(tmp_path: Path) -> None:
    """Equal bytes keep dvc.lock still."""
    random = np.random.default_rng(0)
    data = LabelledImages(random.integers(0, 256, (60, 8, 8), np.uint8), random.integers(0, 3, 60).astype(np.uint8))
    seen = Predictions(data, random.integers(0, 3, 60), random.uniform(0.4, 1, 60))
    for folder in ("one", "two"):
        figures.draw(seen, [FIGURES] * 3, HISTORY, ["0", "1", "2"], "digits", tmp_path / folder)
    written = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert set(written) == set(figures.NAMES)
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("classes", "shape"), [(2, (1, 1)), (1000, (32, 200))])
def test_any_names_numbers_and_sizes_are_drawn(tmp_path: Path, classes: int, shape: tuple[int, int]) -> None:
    """Without a warning, as of letters that the font lacks, and in pictures that a screen can show."""
    names = [HOSTILE[label % len(HOSTILE)] for label in range(classes)]
    labels = (np.arange(1000) % classes).astype(np.uint16)
    seen = Predictions(
        LabelledImages(np.zeros((1000, *shape), np.uint8), labels),
        (labels.astype(np.intp) + np.arange(1000) % 3) % classes,
        np.linspace(0.6, 1, 1000),
    )
    figures.draw(seen, [FIGURES] * classes, HISTORY, names, "猫 $" * 50, tmp_path)
    for name in figures.NAMES:
        with Image.open(tmp_path / name) as image:
            assert max(image.size) <= 1800
