"""The confusion matrix: which class is taken for which."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.image import AxesImage

from pipeline.data.predictions import Predictions
from pipeline.figures.canvas import Canvas, ticks

COLOURS = "Blues"
SIDE = 5.0  # inches of a matrix
MOST_NUMBERED = 15  # classes; of more, the numbers in the cells could not be read
MOST_TICKS = 20
DARK = 0.36  # of the largest value: from there on a cell's number is white
SHARES = "% of the true class"

Counts = npt.NDArray[np.intp]


def matrix(seen: Predictions, classes: int) -> Counts:
    """How many images of each true class (rows) were predicted as each class (columns): (classes, classes)."""
    pairs = seen.data.labels.astype(np.intp) * classes + seen.predicted
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def draw(counts: Counts, title: str, path: Path) -> None:
    """A PNG file of the matrix, as counts and as shares of each row."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = 100 * counts / np.maximum(totals, 1)  # a class without images has an empty row
    canvas = Canvas(13.6, 6.0, title)
    for left, values, name, number in ((0.7, counts, "images", "{:.0f}"), (7.5, shares, SHARES, "{:.1f}")):
        shown = _matrix(canvas.axes((left, 0.6, SIDE, SIDE)), values, number)
        bar = canvas.axes((left + SIDE + 0.15, 0.6, 0.15, SIDE))
        canvas.figure.colorbar(shown, cax=bar, label=name)
    canvas.save(path)


def _matrix(axes: Axes, values: npt.NDArray[Any], number: str) -> AxesImage:
    # The square root: most mistakes are a few per cent of their row, and would look like none.
    shown = axes.imshow(values, cmap=COLOURS, norm=PowerNorm(0.5, 0, max(1, values.max())))
    classes = len(values)
    if classes <= MOST_NUMBERED:
        size = min(9, 90 / classes)  # points
        for (row, column), value in np.ndenumerate(values):
            if value:
                colour = "white" if value > DARK * values.max() else "black"
                axes.text(column, row, number.format(value), ha="center", va="center", fontsize=size, color=colour)
    axes.set_xticks(ticks(classes, MOST_TICKS))
    axes.set_yticks(ticks(classes, MOST_TICKS))
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    return shown
