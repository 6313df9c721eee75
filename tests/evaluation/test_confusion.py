"""The confusion matrix: right numbers, right places, and readable with few and with many classes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure

from pipeline.data.images import LabelledImages
from pipeline.evaluation import confusion
from pipeline.evaluation.predictions import Predictions
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
    confusion.draw(counts, list("01234"), "a$b_$c", tmp_path / "confusion.png")
    picture = pixels(tmp_path / "confusion.png")
    for left in (LEFT, RIGHT):
        right, mistaken, empty = (
            np.median(cell(picture, left, place, 5)[..., 0]) for place in ((1, 1), (1, 3), (3, 1))
        )
        assert right < mistaken < empty


@pytest.mark.parametrize(("classes", "numbered"), [(10, True), (50, False)])
def test_numbers_are_written_where_there_is_room(tmp_path: Path, classes: int, numbered: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    """Of many classes, colours alone: a cell would be smaller than its number."""
    confusion.draw(np.full((classes, classes), 8), ["x"] * classes, "many", tmp_path / "confusion.png")
    shades = np.ptp(cell(pixels(tmp_path / "confusion.png"), LEFT, (4, 6), classes), axis=(0, 1))
    assert (shades > 0).all() == numbered


def test_class_without_images_has_an_empty_row(tmp_path: Path) -> None:
    """And not one of NaN, with a warning."""
    confusion.draw(np.array([[3, 1], [0, 0]]), ["0", "1"], "empty", tmp_path / "confusion.png")
    assert (cell(pixels(tmp_path / "confusion.png"), RIGHT, (1, 1), 2) > 240).all()


def test_names_stand_at_both_axes(tmp_path: Path, written: list[Figure]) -> None:
    """Where there is room for all of them; else every so many-th."""
    for classes, every in ((3, 1), (100, 3)):
        names = [f"name_{label}$" for label in range(classes)]
        confusion.draw(np.eye(classes, dtype=np.intp), names, "names", tmp_path / "confusion.png")
        for axes in written[-1].axes[0::2]:
            for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
                assert [tick.get_text() for tick in ticks] == names[::every]


def test_mistake_among_a_thousand_classes_can_be_seen(tmp_path: Path) -> None:
    """Neighbouring cells are drawn as one, which has the largest value: an average would be next to nothing."""
    counts = np.diag([9] * 999)
    counts[700, 100] = 9
    confusion.draw(counts, [str(label) for label in range(999)], "many", tmp_path / "confusion.png")
    picture = pixels(tmp_path / "confusion.png")[TOP + 3 : TOP + SIDE - 3]
    blue = (picture[..., 2] - picture[..., 0] > 60).sum(axis=1)
    left = (picture[:, :200, 2] - picture[:, :200, 0] > 60).sum(axis=1)
    assert (blue > 0).all()  # the diagonal has no gaps
    assert 347 - 5 < np.flatnonzero(left[300:]).mean() + 300 < 347 + 5
