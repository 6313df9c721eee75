"""The bars of each class."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from pipeline.evaluation import classes
from tests.support.pictures import pixels

BOTTOM, UNIT = 420, 330 / 106  # pixels: where 0 % is, and how tall 1 % is


def figures(number: int) -> list[dict[str, float]]:
    return [{"precision": 1.0, "recall": 0.5, "f1": 2 / 3} for _ in range(number)]


def names(number: int) -> list[str]:
    return [str(label) for label in range(number)]


def of_colour(picture: npt.NDArray[np.int16], colour: str) -> npt.NDArray[np.intp]:
    """How many pixels of each row have the colour."""
    near: npt.NDArray[np.bool_] = abs(picture - np.round(255 * np.array(to_rgb(colour)))) < 3
    return np.asarray(near.all(axis=2).sum(axis=1))


@pytest.mark.parametrize("number", [2, 10, 120])
def test_bars_are_as_tall_as_their_figures(tmp_path: Path, number: int) -> None:
    """Each measure in its colour, for few classes and for many."""
    classes.draw(figures(number), names(number), "a$b_$c", tmp_path / "classes.png")
    picture = pixels(tmp_path / "classes.png")
    for name, value in figures(1)[0].items():
        found = of_colour(picture[92:419], classes.COLOURS[name])
        top = np.flatnonzero(found > found.max() / 2).min()  # numbers have some such pixels too
        assert 92 + top == pytest.approx(BOTTOM - 100 * value * UNIT, abs=2)


def test_class_that_is_never_right_has_no_bars(tmp_path: Path) -> None:
    """All zeros are drawn as nothing, and do not break the axis."""
    nothing = [dict.fromkeys(classes.COLOURS, 0.0)]
    classes.draw(nothing, names(1), "nothing", tmp_path / "classes.png")
    picture = pixels(tmp_path / "classes.png")
    assert not of_colour(picture[92:419], classes.COLOURS["recall"]).any()
    assert of_colour(picture[:92], classes.COLOURS["recall"]).any()  # the legend has it


def test_of_many_classes_the_worst_are_shown_by_name(tmp_path: Path, written: list[Figure]) -> None:
    """The lowest F1 first; a thousand bars could not be told apart."""
    many = [{"precision": 1.0, "recall": 1.0, "f1": label * 7 % 120 / 120} for label in range(120)]
    assert [label * 7 % 120 for label in classes.lowest(many)] == list(range(50))
    assert classes.shown(120) == "the 50 of 120 classes with the lowest F1"
    classes.draw(many, [f"${label}" for label in range(120)], "120", tmp_path / "classes.png")
    ticks = [tick.get_text() for tick in written[-1].axes[0].get_xticklabels()]
    assert ticks == [f"${label}" for label in classes.lowest(many)]
    assert classes.lowest(many[:50]) == list(range(50))
