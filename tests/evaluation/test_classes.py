"""The bar chart of metrics by class."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from pipeline.evaluation import classes
from tests.support.pictures import pixels

BOTTOM, UNIT = 420, 330 / 106  # pixels: the position of 0 %, and the height of 1 %


def figures(number: int) -> list[dict[str, float]]:
    return [{"precision": 1.0, "recall": 0.5, "f1": 2 / 3} for _ in range(number)]


def names(number: int) -> list[str]:
    return [str(label) for label in range(number)]


def count_pixels(picture: npt.NDArray[np.int16], colour: str) -> npt.NDArray[np.intp]:
    """Count the pixels of the colour in each row."""
    matches: npt.NDArray[np.bool_] = abs(picture - np.round(255 * np.array(to_rgb(colour)))) < 3
    return np.asarray(matches.all(axis=2).sum(axis=1))


@pytest.mark.parametrize("number", [2, 10, 120])
def test_heights_of_bars_are_the_metrics(tmp_path: Path, number: int) -> None:
    """Each metric has a separate colour, for few classes and for many."""
    classes.draw(figures(number), names(number), "a$b_$c", tmp_path / "classes.png")
    picture = pixels(tmp_path / "classes.png")
    for name, value in figures(1)[0].items():
        counts = count_pixels(picture[92:419], classes.COLOURS[name])
        top = np.flatnonzero(counts > counts.max() / 2).min()  # the written numbers have some such pixels too
        assert 92 + top == pytest.approx(BOTTOM - 100 * value * UNIT, abs=2)


def test_metrics_of_zero_have_no_bars(tmp_path: Path) -> None:
    """And do not break the axis."""
    nothing = [dict.fromkeys(classes.COLOURS, 0.0)]
    classes.draw(nothing, names(1), "nothing", tmp_path / "classes.png")
    picture = pixels(tmp_path / "classes.png")
    assert not count_pixels(picture[92:419], classes.COLOURS["recall"]).any()
    assert count_pixels(picture[:92], classes.COLOURS["recall"]).any()  # the legend has it


def test_worst_of_many_classes_are_shown_with_names(tmp_path: Path, written: list[Figure]) -> None:
    """The lowest F1 comes first. A thousand bars would be illegible."""
    many = [{"precision": 1.0, "recall": 1.0, "f1": label * 7 % 120 / 120} for label in range(120)]
    assert [label * 7 % 120 for label in classes.lowest(many)] == list(range(50))
    assert classes.describe_shown(120) == "the 50 of 120 classes with the lowest F1"
    classes.draw(many, [f"${label}" for label in range(120)], "120", tmp_path / "classes.png")
    ticks = [tick.get_text() for tick in written[-1].axes[0].get_xticklabels()]
    assert ticks == [f"${label}" for label in classes.lowest(many)]
    assert classes.lowest(many[:50]) == list(range(50))
