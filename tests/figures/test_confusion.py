"""The confusion matrix: right numbers, right places, and readable with few and with many classes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.data.labelled import LabelledImages
from pipeline.data.predictions import Predictions
from pipeline.figures import confusion
from tests.support.pictures import pixels

LEFT, TOP, SIDE = 70, 40, 500  # pixels: where the matrix of counts is
RIGHT = 750  # where that of shares begins


def cell(picture: npt.NDArray[np.int16], left: int, place: tuple[int, int], classes: int) -> npt.NDArray[np.int16]:
    """The inside of a cell, without the frame: (height, width, 3)."""
    size = SIDE / classes
    (top, bottom), (start, end) = (
        (round(first + number * size) + 2, round(first + (number + 1) * size) - 2)
        for first, number in zip((TOP, left), place, strict=True)
    )
    return picture[top:bottom, start:end]


def test_matrix_has_true_classes_as_rows() -> None:
    """Two of class 0 taken for 2; a class that never occurs keeps its row and column."""
    data = LabelledImages(np.zeros((5, 2, 2), np.uint8), np.array([0, 0, 0, 2, 3], np.uint8))
    found = confusion.matrix(Predictions(data, np.array([0, 2, 2, 2, 0]), np.ones(5)), 4)
    np.testing.assert_array_equal(found, [[1, 0, 2, 0], [0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]])


def test_cells_are_coloured_where_they_belong(tmp_path: Path) -> None:
    """Rows downwards, columns to the right; darker is more, in counts and in shares."""
    counts = np.diag([90] * 5)
    counts[1, 3] = 30
    confusion.draw(counts, "a$b_$c", tmp_path / "confusion.png")
    picture = pixels(tmp_path / "confusion.png")
    for left in (LEFT, RIGHT):
        right, mistaken, empty = (
            np.median(cell(picture, left, place, 5)[..., 0]) for place in ((1, 1), (1, 3), (3, 1))
        )
        assert right < mistaken < empty


@pytest.mark.parametrize(("classes", "numbered"), [(10, True), (50, False)])
def test_numbers_are_written_where_there_is_room(tmp_path: Path, classes: int, numbered: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    """Of many classes, colours alone: a cell would be smaller than its number."""
    confusion.draw(np.full((classes, classes), 8), "many", tmp_path / "confusion.png")
    shades = np.ptp(cell(pixels(tmp_path / "confusion.png"), LEFT, (4, 6), classes), axis=(0, 1))
    assert (shades > 0).all() == numbered


def test_class_without_images_has_an_empty_row(tmp_path: Path) -> None:
    """And not one of NaN, with a warning."""
    confusion.draw(np.array([[3, 1], [0, 0]]), "empty", tmp_path / "confusion.png")
    assert (cell(pixels(tmp_path / "confusion.png"), RIGHT, (1, 1), 2) > 240).all()
