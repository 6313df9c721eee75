"""Figures whose parts are placed by hand, in inches: a layout engine draws everything twice."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.files import writing

Box = tuple[float, float, float, float]  # left, bottom, width, height


class Canvas:
    """A figure of so many inches at 100 pixels an inch, with a title over all of it."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=100)
        FigureCanvasAgg(self.figure)
        # A data set's name may hold what mathematical notation would take for its own.
        self.figure.text(0.5, 1 - 0.12 / height, title, ha="center", va="top", fontsize=12, parse_math=False)

    def axes(self, box: Box) -> Axes:
        """Axes that fill the box."""
        left, bottom, width, height = box
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))

    def save(self, path: Path) -> None:
        """Write a PNG file."""
        with writing(path) as temporary:
            self.figure.savefig(temporary, format="png")


def ticks(number: int, most: int) -> range:
    """Every class of so many, or every second, third ... one, so that at most `most` have a label."""
    return range(0, number, -(-number // most))
