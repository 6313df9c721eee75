"""The confusion matrix: which class is taken for which."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.image import AxesImage

from pipeline.drawing import typography
from pipeline.drawing.canvas import Canvas, ticks
from pipeline.evaluation.predictions import Predictions

COLOURS = "Blues"
SIDE = 5.0  # inches of a matrix
MOST_CELLS = 250  # in a row: a smaller cell could not be seen
MOST_NUMBERED = 15  # classes; of more, the numbers in the cells could not be read
MOST_TICKS = 40
MOST_LARGE = 20  # ticks that have room for usual letters
NAME = 1.2  # inches of the widest name
DARK = 0.36  # of the largest value: from there on a cell's number is white
SHARES = "% of the true class"

Counts = npt.NDArray[np.intp]


def matrix(seen: Predictions, classes: int) -> Counts:
    """How many images of each true class (rows) were predicted as each class (columns): (classes, classes)."""
    pairs = seen.data.labels.astype(np.intp) * classes + seen.predicted
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def draw(counts: Counts, names: Sequence[str], title: str, path: Path) -> None:
    """A PNG file of the matrix, as counts and as shares of each row.

    Of more than 250 classes, neighbouring cells are drawn as one, with the largest of their values.
    """
    totals = counts.sum(axis=1, keepdims=True)
    shares = 100 * counts / np.maximum(totals, 1)  # a class without images has an empty row
    joined = -(-len(counts) // MOST_CELLS)
    told = f" (largest of {joined} x {joined} cells)" if joined > 1 else ""
    labels = ticks(len(counts), MOST_TICKS)
    size = 10 if len(labels) <= MOST_LARGE else 7  # points
    named = list(typography.captions(names, labels, NAME, size).values())
    turned, below = typography.turned(named, SIDE / len(labels), size)
    beside = max(0.0, max(typography.width(name, size) for name in named) - 0.2)
    canvas = Canvas(13.6 + 2 * beside, 6.0 + below, title)
    for left, values, name, number in ((0.7, counts, "images", "{:.0f}"), (7.5 + beside, shares, SHARES, "{:.1f}")):
        axes = canvas.axes((left + beside, 0.6 + below, SIDE, SIDE))
        shown = _matrix(axes, values, joined, number)
        axes.set_xticks(labels, named, fontsize=size, parse_math=False, **turned)
        axes.set_yticks(labels, named, fontsize=size, parse_math=False)
        bar = canvas.axes((left + beside + SIDE + 0.15, 0.6 + below, 0.15, SIDE))
        canvas.figure.colorbar(shown, cax=bar, label=name + told)
    canvas.save(path)


def _matrix(axes: Axes, values: npt.NDArray[Any], joined: int, number: str) -> AxesImage:
    classes = len(values)
    starts = range(0, classes, joined)
    cells = np.maximum.reduceat(np.maximum.reduceat(values, starts, axis=0), starts, axis=1)
    end = joined * len(starts) - 0.5
    # The square root: most mistakes are a few per cent of their row, and would look like none.
    norm = PowerNorm(0.5, 0, max(1, values.max()))
    shown = axes.imshow(cells, cmap=COLOURS, norm=norm, extent=(-0.5, end, end, -0.5), interpolation="nearest")
    if classes <= MOST_NUMBERED:
        size = min(9, 90 / classes)  # points
        for (row, column), value in np.ndenumerate(values):
            if value:
                colour = "white" if value > DARK * values.max() else "black"
                axes.text(column, row, number.format(value), ha="center", va="center", fontsize=size, color=colour)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    return shown
