"""The confusion matrix."""

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
SIDE = 5.0  # inches, of a matrix
MAX_CELLS = 250  # in a row: smaller cells would be invisible
MAX_NUMBERED = 15  # with more classes, numbers in the cells would be illegible
MAX_TICKS = 40
MAX_LARGE_TICKS = 20  # with more, tick labels are smaller
NAME = 1.2  # inches, of the widest name
DARK = 0.36  # of the largest value: above it, a cell's number is white
SHARES = "% of the true class"

Counts = npt.NDArray[np.intp]


def matrix(predictions: Predictions, classes: int) -> Counts:
    """Count the images of each true class (rows) that are predicted as each class (columns): (classes, classes)."""
    pairs = predictions.labels * classes + predictions.predicted
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def draw(counts: Counts, names: Sequence[str], title: str, path: Path) -> None:
    """Write a PNG file of the matrix, as counts and as shares of each row.

    With more than 250 classes, blocks of neighbouring cells are drawn as one cell with their largest value.
    """
    totals = counts.sum(axis=1, keepdims=True)
    shares = 100 * counts / np.maximum(totals, 1)  # a class without images has an empty row
    block = -(-len(counts) // MAX_CELLS)
    note = f" (largest of {block} x {block} cells)" if block > 1 else ""
    labels = ticks(len(counts), MAX_TICKS)
    size = 10 if len(labels) <= MAX_LARGE_TICKS else 7  # points
    captions = list(typography.captions(names, labels, NAME, size).values())
    rotation, below = typography.rotate_ticks(captions, SIDE / len(labels), size)
    beside = max(0.0, max(typography.width(name, size) for name in captions) - 0.2)
    canvas = Canvas(13.6 + 2 * beside, 6.0 + below, title)
    for left, values, name, form in ((0.7, counts, "images", "{:.0f}"), (7.5 + beside, shares, SHARES, "{:.1f}")):
        axes = canvas.axes((left + beside, 0.6 + below, SIDE, SIDE))
        image = _draw_matrix(axes, values, block, form)
        axes.set_xticks(labels, captions, fontsize=size, parse_math=False, **rotation)
        axes.set_yticks(labels, captions, fontsize=size, parse_math=False)
        bar = canvas.axes((left + beside + SIDE + 0.15, 0.6 + below, 0.15, SIDE))
        canvas.figure.colorbar(image, cax=bar, label=name + note)
    canvas.save(path)


def _draw_matrix(axes: Axes, values: npt.NDArray[Any], block: int, form: str) -> AxesImage:
    classes = len(values)
    starts = range(0, classes, block)
    cells = np.maximum.reduceat(np.maximum.reduceat(values, starts, axis=0), starts, axis=1)
    end = block * len(starts) - 0.5
    # The square root makes mistakes visible: most are a few per cent of their row.
    norm = PowerNorm(0.5, 0, max(1, values.max()))
    image = axes.imshow(cells, cmap=COLOURS, norm=norm, extent=(-0.5, end, end, -0.5), interpolation="nearest")
    if classes <= MAX_NUMBERED:
        size = min(9, 90 / classes)  # points
        for (row, column), value in np.ndenumerate(values):
            if value:
                colour = "white" if value > DARK * values.max() else "black"
                axes.text(column, row, form.format(value), ha="center", va="center", fontsize=size, color=colour)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    return image
