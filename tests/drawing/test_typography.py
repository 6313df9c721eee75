"""Class names as figures show them: in one line, no wider than their place, and to be told apart."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.drawing import typography

SIZE = 10  # points


@pytest.mark.parametrize("text", ["Ankle boot", "WWWWWWWW", "iiiiiiii", "Οδυσσέας", "$x_{1}$ <b> 50 %"])
def test_width_is_that_of_the_drawn_text(text: str) -> None:
    """Or names would overlap: within 5 %, which is what rounding to pixels adds."""
    figure = Figure(dpi=100)
    FigureCanvasAgg(figure)
    drawn = figure.text(0, 0, text, fontsize=SIZE, parse_math=False).get_window_extent()
    assert typography.width(text, SIZE) == pytest.approx(drawn.width / 100, rel=0.05)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("T-shirt/top", "T-shirt/top"),
        ("$x_{1}$ <b>", "$x_{1}$ <b>"),
        ("two\nlines\t ", "two lines"),
        ("Labrador retriever, golden", "Labra…olden"),
        ("été ☕", "été ☕"),
        ("猫咪", "class 0"),
        ("cat 猫", "class 0"),
        ("\udcff", "class 0"),
        (" ", "class 0"),
    ],
)
def test_name_is_shown_as_text_that_fits(name: str, shown: str) -> None:
    """Where the font lacks a letter, its box would tell nobody which class it is, and matplotlib would warn."""
    (found,) = typography.captions([name], [0], 1.0, SIZE).values()
    assert found == shown
    assert typography.width(found, SIZE) <= 1


def test_shortened_names_can_be_told_apart() -> None:
    """Those that differ in the middle only, and the same name twice; and of all only those that are asked for."""
    names = ["Labrador, black, adult", "Labrador, white, adult", "Labrador, mixed, adult", "cat", "cat"]
    found = typography.captions(names, [0, 1, 3, 4], 1.0, SIZE)
    assert found == {0: "Labr…dult (0)", 1: "Labr…dult (1)", 3: "cat (3)", 4: "cat (4)"}
    assert typography.captions(names, [2, 3], 1.0, SIZE) == {2: "Labrad…adult", 3: "cat"}


def test_line_that_has_no_room_at_all_is_left_out() -> None:
    """Rather than drawn over its neighbours, or endless."""
    assert typography.line("anything", 0.01, SIZE) == "…"


@pytest.mark.parametrize(("room", "angle"), [(1.0, 0), (0.5, 45), (0.2, 90)])
def test_names_below_an_axis_are_turned_where_they_must_be(room: float, angle: int) -> None:
    """Level, aslant, or upright, with the height that this takes."""
    how, height = typography.turned(["cat", "Ankle boot"], room, SIZE)
    assert how.get("rotation", 0) == angle
    width = typography.width("Ankle boot", SIZE)
    assert height == pytest.approx({0: 0, 45: 0.7071 * width, 90: width}[angle], rel=1e-3)
