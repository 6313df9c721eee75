"""Class names in figures: in one line, within a width, and distinct."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.drawing import typography

SIZE = 10  # points


@pytest.mark.parametrize("text", ["Ankle boot", "WWWWWWWW", "iiiiiiii", "Οδυσσέας", "$x_{1}$ <b> 50 %"])
def test_width_is_the_width_of_the_drawn_text(text: str) -> None:
    """Within 5 %, because of rounding to pixels."""
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
def test_caption_fits_and_has_only_characters_of_the_font(name: str, shown: str) -> None:
    """For a missing character, matplotlib would draw a box and warn."""
    (caption,) = typography.captions([name], [0], 1.0, SIZE).values()
    assert caption == shown
    assert typography.width(caption, SIZE) <= 1


def test_shortened_captions_are_distinct() -> None:
    """Also for names that differ only in the middle, and for equal names."""
    names = ["Labrador, black, adult", "Labrador, white, adult", "Labrador, mixed, adult", "cat", "cat"]
    captions = typography.captions(names, [0, 1, 3, 4], 1.0, SIZE)
    assert captions == {0: "Labr…dult (0)", 1: "Labr…dult (1)", 3: "cat (3)", 4: "cat (4)"}
    assert typography.captions(names, [2, 3], 1.0, SIZE) == {2: "Labrad…adult", 3: "cat"}


def test_line_without_any_room_is_an_ellipsis() -> None:
    """It does not overlap its neighbours."""
    assert typography.line("anything", 0.01, SIZE) == "…"


@pytest.mark.parametrize(("spacing", "angle"), [(1.0, 0), (0.5, 45), (0.2, 90)])
def test_tick_labels_are_rotated_if_necessary(spacing: float, angle: int) -> None:
    """By 45 or 90 degrees, with the extra height that this needs."""
    properties, height = typography.rotate_ticks(["cat", "Ankle boot"], spacing, SIZE)
    assert properties.get("rotation", 0) == angle
    width = typography.width("Ankle boot", SIZE)
    assert height == pytest.approx({0: 0, 45: 0.7071 * width, 90: width}[angle], rel=1e-3)
