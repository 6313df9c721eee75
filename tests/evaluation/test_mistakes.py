"""The gallery of mistakes: selection and order, for any number and size of images."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure

from pipeline.evaluation import mistakes
from pipeline.evaluation.predictions import Predictions
from tests.support.pictures import pixels


def made(wrong: int, shape: tuple[int, int] = (8, 8)) -> tuple[Predictions, npt.NDArray[np.uint8]]:
    """Make predictions and images, alternately correct and wrong. Probability and brightness rise."""
    labels = np.zeros(2 * wrong + 2, np.intp)
    predicted = np.arange(len(labels)) % 2
    predicted[-1] = 0
    probability = np.linspace(0.5, 0.9, len(labels))
    brightness = np.linspace(10, 240, len(labels)).astype(np.uint8)
    return Predictions(labels, predicted, probability), brightness[:, None, None] * np.ones(shape, np.uint8)


def test_mistakes_are_sorted_by_descending_probability() -> None:
    """Equal probabilities keep their order."""
    predictions = Predictions(np.arange(5), np.array([1, 1, 0, 0, 0]), np.array([0.7, 0.99, 0.9, 0.7, 0.8]))
    assert mistakes.most_confident(predictions).tolist() == [2, 4, 0, 3]


def test_mistakes_fill_rows_of_five(tmp_path: Path) -> None:
    """From the top left, on one scale of brightness: the most confident, here the brightest, is white."""
    mistakes.draw(*made(7), ["0", "1"], "seven", tmp_path / "mistakes.png")
    picture = pixels(tmp_path / "mistakes.png")
    tiles = [picture[115 + row * 197, 90 + column * 155, 0] for row in range(2) for column in range(5)]
    assert tiles[0] == 255
    assert tiles[:7] == sorted(tiles[:7], reverse=True)
    assert len(set(tiles[:7])) == 7
    assert tiles[7:] == [255] * 3  # the background


@pytest.mark.parametrize(
    ("wrong", "rows", "shape"),
    [(0, 1, (28, 28)), (3, 1, (8, 8)), (25, 5, (20, 32)), (60, 5, (32, 20)), (7, 2, (1, 1)), (7, 2, (300, 240))],
)
def test_any_number_of_mistakes_can_be_drawn(tmp_path: Path, wrong: int, rows: int, shape: tuple[int, int]) -> None:
    """With no mistakes, the figure says so. With many, it shows 25."""
    mistakes.draw(*made(wrong, shape), ["0", "1"], "a$b_$c", tmp_path / "mistakes.png")
    picture = pixels(tmp_path / "mistakes.png")
    image_height = min(1.0, shape[0] / shape[1]) * mistakes.TILE
    height = mistakes.TOP + rows * (image_height + mistakes.CAPTION + mistakes.GAP)
    assert picture.shape[:2] == (pytest.approx(100 * height, abs=1), 800)
    assert (picture[60:-20] < 200).any()  # images, or the text


def test_captions_have_class_names(tmp_path: Path, written: list[Figure]) -> None:
    """In two lines, or three if a name is long. Dollar signs are text."""
    for names, caption in (
        (["$a$", "$b$"], "true $a$\npredicted $b$: 63.33 %"),
        (["Ankle boot", "T-shirt/top"], "true Ankle boot\npredicted T-shirt/top\n63.33 %"),
    ):
        mistakes.draw(*made(1), names, "names", tmp_path / "mistakes.png")
        (text,) = written[-1].axes[0].texts
        assert text.get_text() == caption
        assert not text.get_parse_math()
