"""The gallery of mistakes: the right ones, in order, whatever their number and size."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.data.images import LabelledImages
from pipeline.evaluation import mistakes
from pipeline.evaluation.predictions import Predictions
from tests.support.pictures import pixels


def seen(wrong: int, shape: tuple[int, int] = (8, 8)) -> Predictions:
    """As many mistakes, of which later ones are more probable and brighter, among as many right predictions."""
    labels = np.zeros(2 * wrong + 2, np.uint8)
    predicted = np.arange(len(labels)) % 2
    predicted[-1] = 0
    probability = np.linspace(0.5, 0.9, len(labels))
    brightness = np.linspace(10, 240, len(labels)).astype(np.uint8)
    return Predictions(
        LabelledImages(brightness[:, None, None] * np.ones(shape, np.uint8), labels), predicted, probability
    )


def test_mistakes_come_by_falling_probability() -> None:
    """Right predictions are none, however sure; equal ones keep their order."""
    data = LabelledImages(np.zeros((5, 2, 2), np.uint8), np.array([0, 1, 2, 3, 4], np.uint8))
    found = Predictions(data, np.array([1, 1, 0, 0, 0]), np.array([0.7, 0.99, 0.9, 0.7, 0.8]))
    assert mistakes.most_confident(found).tolist() == [2, 4, 0, 3]


def test_first_mistake_stands_first(tmp_path: Path) -> None:
    """Rows of five from the top left, all on one scale of brightness: the surest, here the brightest, is white."""
    mistakes.draw(seen(7), ["0", "1"], "seven", tmp_path / "mistakes.png")
    picture = pixels(tmp_path / "mistakes.png")
    tiles = [picture[115 + row * 197, 90 + column * 155, 0] for row in range(2) for column in range(5)]
    assert tiles[0] == 255
    assert tiles[:7] == sorted(tiles[:7], reverse=True)
    assert len(set(tiles[:7])) == 7
    assert tiles[7:] == [255] * 3  # the paper


@pytest.mark.parametrize(
    ("wrong", "rows", "shape"),
    [(0, 1, (28, 28)), (3, 1, (8, 8)), (25, 5, (20, 32)), (60, 5, (32, 20)), (7, 2, (1, 1)), (7, 2, (300, 240))],
)
def test_any_number_of_mistakes_can_be_drawn(tmp_path: Path, wrong: int, rows: int, shape: tuple[int, int]) -> None:
    """None at all is told; of many, 25 are shown, at the size of the largest that fits."""
    mistakes.draw(seen(wrong, shape), ["0", "1"], "a$b_$c", tmp_path / "mistakes.png")
    picture = pixels(tmp_path / "mistakes.png")
    tall = min(1.0, shape[0] / shape[1]) * mistakes.TILE
    height = mistakes.TOP + rows * (tall + mistakes.CAPTION + mistakes.GAP)
    assert picture.shape[:2] == (pytest.approx(100 * height, abs=1), 800)
    assert (picture[60:-20] < 200).any()  # images, or the words


def test_mistakes_are_told_by_name(tmp_path: Path, written: list[Figure]) -> None:
    """In two lines, or three where a name is long; dollars are no mathematics."""
    for names, told in (
        (["$a$", "$b$"], "true $a$\npredicted $b$: 63.33 %"),
        (["Ankle boot", "T-shirt/top"], "true Ankle boot\npredicted T-shirt/top\n63.33 %"),
    ):
        mistakes.draw(seen(1), names, "names", tmp_path / "mistakes.png")
        (text,) = written[-1].axes[0].texts
        assert text.get_text() == told
        assert not text.get_parse_math()
