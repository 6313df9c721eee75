"""Figures whose parts are placed by hand, in inches: a layout engine draws everything twice."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from pipeline.core.atomic import atomic_write
from pipeline.drawing import typography

DPI = 100
TITLE = 12  # points
SLIMMEST = 8  # times as long as wide: a slimmer image is drawn wider, or nobody could see it

Box = tuple[float, float, float, float]  # left, bottom, width, height


class Canvas:
    """A figure of so many inches at 100 pixels an inch, with a title over all of it, shortened where it is wider."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=DPI)
        FigureCanvasAgg(self.figure)
        # A data set's name may hold what mathematical notation would take for its own.
        text = typography.line(title, width - 0.2, TITLE)
        self.figure.text(0.5, 1 - 0.12 / height, text, ha="center", va="top", fontsize=TITLE, parse_math=False)

    def axes(self, box: Box) -> Axes:
        """Axes that fill the box."""
        left, bottom, width, height = box
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))

    def paper(self) -> Axes:
        """Axes over all of the figure, in inches, for many images: axes of their own would take long to draw."""
        axes = self.axes((0, 0, self.width, self.height))
        axes.set(xlim=(0, self.width), ylim=(0, self.height))
        axes.set_autoscale_on(False)
        axes.set_axis_off()
        return axes

    def save(self, path: Path) -> None:
        """Write a PNG file."""
        with atomic_write(path) as temporary:
            self.figure.savefig(temporary, format="png")


def place(paper: Axes, image: npt.NDArray[Any], box: Box, **colours: Any) -> AxesImage:
    """Draw the image (height, width) into the box; where it has more pixels than the box, neighbours are averaged."""
    left, bottom, width, height = box
    finer = np.any(np.array(image.shape) > DPI * np.array([height, width]))
    how = "antialiased" if finer else "nearest"
    extent = (left, left + width, bottom, bottom + height)
    return paper.imshow(image, aspect="auto", interpolation=how, extent=extent, **colours)


def aspect(shape: tuple[int, ...]) -> float:
    """The height of an image (height, width) over its width, as it is drawn."""
    height, width = shape
    return min(max(height / width, 1 / SLIMMEST), SLIMMEST)


def ticks(number: int, most: int) -> range:
    """Every class of so many, or every second, third ... one, so that at most `most` have a label."""
    return range(0, number, -(-number // most))
