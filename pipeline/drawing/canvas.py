"""Figures with a fixed layout in inches. A layout engine would draw everything twice."""

from pathlib import Path
from typing import Any, Literal

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
MAX_ASPECT = 8  # of a drawn image: a longer one is drawn wider, to be visible

Box = tuple[float, float, float, float]  # left, bottom, width, height


def new_figure(width: float, height: float, *, dpi: int = DPI, layout: Literal["constrained"] | None = None) -> Figure:
    """An empty figure, which needs no display: its size in inches, and its pixels per inch."""
    figure = Figure(figsize=(width, height), dpi=dpi, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG file."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png")


class Canvas:
    """A figure, its size in inches, at 100 pixels an inch, with a title that is shortened to the figure's width."""

    def __init__(self, width: float, height: float, title: str = "") -> None:
        self.width, self.height = width, height
        self.figure = new_figure(width, height)
        # parse_math: the name of a data set may contain dollar signs.
        self._title = self.figure.text(
            0.5, 1 - 0.12 / height, "", ha="center", va="top", fontsize=TITLE, parse_math=False
        )
        self.set_title(title)

    def set_title(self, title: str) -> None:
        """Change the title."""
        self._title.set_text(typography.line(title, self.width - 0.2, TITLE))

    def axes(self, box: Box) -> Axes:
        """Add axes that fill the box."""
        left, bottom, width, height = box
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))

    def paper(self) -> Axes:
        """Add axes over the whole figure, in inches, for many images: one axes per image would be slow to draw."""
        axes = self.axes((0, 0, self.width, self.height))
        axes.set(xlim=(0, self.width), ylim=(0, self.height))
        axes.set_autoscale_on(False)
        axes.set_axis_off()
        return axes

    def save(self, path: Path) -> None:
        """Write a PNG file."""
        save(self.figure, path)


def place(paper: Axes, image: npt.NDArray[Any], box: Box, **colours: Any) -> AxesImage:
    """Draw the image (height, width) into the box. If it has more pixels than the box, neighbours are averaged."""
    left, bottom, width, height = box
    finer = np.any(np.array(image.shape) > DPI * np.array([height, width]))
    interpolation = "antialiased" if finer else "nearest"
    extent = (left, left + width, bottom, bottom + height)
    return paper.imshow(image, aspect="auto", interpolation=interpolation, extent=extent, **colours)


def aspect(shape: tuple[int, ...]) -> float:
    """Return the ratio of height to width at which an image (height, width) is drawn."""
    height, width = shape
    return min(max(height / width, 1 / MAX_ASPECT), MAX_ASPECT)


def ticks(classes: int, max_ticks: int) -> range:
    """Return every n-th label of the classes, with the smallest n that gives at most `max_ticks` labels."""
    return range(0, classes, -(-classes // max_ticks))
