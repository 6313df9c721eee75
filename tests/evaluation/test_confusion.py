"""The confusion matrix: correct counts and positions, and readable with few and with many classes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure

from pipeline.evaluation import confusion
from pipeline.evaluation.predictions import Predictions
from tests.support.pictures import pixels

LEFT, TOP, SIDE = 70, 40, 500  # pixels: position and size of the matrix of counts
RIGHT = 750  # pixels: the left edge of the matrix of shares


def cell(picture: npt.NDArray[np.int16], left: int, position: tuple[int, int], classes: int) -> npt.NDArray[np.int16]:
    """Return the pixels inside a cell, without the frame: (height, width, 3)."""
    size = SIDE / classes
    (top, bottom), (start, end) = (
        (round(first + number * size) + 2, round(first + (number + 1) * size) - 2)
        for first, number in zip((TOP, left), position, strict=True)
    )
    return picture[top:bottom, start:end]


def test_matrix_has_true_classes_as_rows() -> None:
    """A class that never occurs keeps its row and column."""
    predictions = Predictions(np.array([0, 0, 0, 2, 3]), np.array([0, 2, 2, 2, 0]), np.ones(5))
    counts = confusion.matrix(predictions, 4)
    assert counts.tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]]


def test_cells_have_the_right_position_and_colour(tmp_path: Path) -> None:
    """Rows go down, columns to the right, and larger values are darker, in counts and in shares."""
    counts = np.diag([90] * 5)
    counts[1, 3] = 30
    confusion.draw(counts, list("01234"), "a$b_$c", tmp_path / "confusion.png")
    picture = pixels(tmp_path / "confusion.png")
    for left in (LEFT, RIGHT):
        correct, wrong, empty = (
            np.median(cell(picture, left, position, 5)[..., 0]) for position in ((1, 1), (1, 3), (3, 1))
        )
        assert correct < wrong < empty


@pytest.mark.parametrize(("classes", "numbered"), [(10, True), (50, False)])
def test_numbers_are_written_if_there_is_room(tmp_path: Path, classes: int, numbered: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """With many classes, a cell is smaller than its number."""
    confusion.draw(np.full((classes, classes), 8), ["x"] * classes, "many", tmp_path / "confusion.png")
    shades = np.ptp(cell(pixels(tmp_path / "confusion.png"), LEFT, (4, 6), classes), axis=(0, 1))
    assert (shades > 0).all() == numbered


def test_class_without_images_has_an_empty_row(tmp_path: Path) -> None:
    """It has no NaN, and causes no warning."""
    confusion.draw(np.array([[3, 1], [0, 0]]), ["0", "1"], "empty", tmp_path / "confusion.png")
    assert (cell(pixels(tmp_path / "confusion.png"), RIGHT, (1, 1), 2) > 240).all()


def test_both_axes_have_class_names(tmp_path: Path, written: list[Figure]) -> None:
    """All names if there is room, else every n-th."""
    for classes, step in ((3, 1), (100, 3)):
        names = [f"name_{label}$" for label in range(classes)]
        confusion.draw(np.eye(classes, dtype=np.intp), names, "names", tmp_path / "confusion.png")
        for axes in written[-1].axes[0::2]:
            for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
                assert [tick.get_text() for tick in ticks] == names[::step]


def test_mistake_among_a_thousand_classes_is_visible(tmp_path: Path) -> None:
    """Neighbouring cells are drawn as one with the largest value. An average would be invisible."""
    counts = np.diag([9] * 999)
    counts[700, 100] = 9
    confusion.draw(counts, [str(label) for label in range(999)], "many", tmp_path / "confusion.png")
    picture = pixels(tmp_path / "confusion.png")[TOP + 3 : TOP + SIDE - 3]
    blue = (picture[..., 2] - picture[..., 0] > 60).sum(axis=1)
    left = (picture[:, :200, 2] - picture[:, :200, 0] > 60).sum(axis=1)
    assert (blue > 0).all()  # the diagonal has no gaps
    assert 347 - 5 < np.flatnonzero(left[300:]).mean() + 300 < 347 + 5
