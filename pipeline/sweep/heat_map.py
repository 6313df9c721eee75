"""A sweep as a picture: learning rate and batch size against the lowest validation error."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pipeline.drawing import canvas

COLOURS = "viridis_r"
MAX_CELLS_WITH_NUMBERS = 200
TICKS = 6
OUTLINE = "#c00000"  # a red that none of the colours has
MAX_HORIZONTAL_LABELS = 8  # of learning rates; more are rotated

# Learning rate, batch size, validation error as a fraction, and whether it is outlined.
Point = tuple[float, int, float, bool]


def draw(points: Sequence[Point], title: str, path: Path, *, grid: bool) -> None:
    """Write a PNG file: for a grid a heat map of the best error in each cell, for a search a scatter plot.

    A cell is outlined if its best point is.
    """
    rates, sizes = (sorted({point[axis] for point in points}) for axis in (0, 1))
    width, height = max(7.0, 2.5 + 0.55 * min(len(rates), 24)), max(3.2, 1.6 + 0.45 * len(sizes))
    figure = canvas.new_figure(width, height, layout="constrained")
    axes = figure.subplots()
    best, worst = (100 * choose(error for _, _, error, _ in points) for choose in (min, max))
    # Colours end at twice the best error: a job that learned nothing would make all others look alike.
    colours = {"cmap": COLOURS, "vmin": best, "vmax": min(worst, 2 * best)}
    shown = _heat_map(axes, points, colours) if grid else _scatter(axes, points, colours)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("batch size")
    axes.set_title(title, fontsize=11, parse_math=False)
    figure.colorbar(shown, ax=axes, label="validation error (%)", extend="max" if worst > 2 * best else "neither")
    canvas.save(figure, path)


def _heat_map(axes: Axes, points: Sequence[Point], colours: dict[str, Any]) -> Any:
    rates, sizes = (sorted({point[axis] for point in points}) for axis in (0, 1))
    image = np.full((len(sizes), len(rates)), np.nan)
    outlined = np.zeros(image.shape, bool)
    for rate, size, error, outline in sorted(points, key=lambda point: -point[2]):  # the best of a cell comes last
        cell = sizes.index(size), rates.index(rate)
        image[cell], outlined[cell] = 100 * error, outline
    shown = axes.imshow(image, aspect="auto", origin="lower", **colours)
    for row, column in np.argwhere(outlined):
        axes.add_patch(Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, edgecolor=OUTLINE, linewidth=2))
    axes.set_xticks(
        range(len(rates)), [f"{rate:g}" for rate in rates], rotation=45 if len(rates) > MAX_HORIZONTAL_LABELS else 0
    )
    axes.set_yticks(range(len(sizes)), [str(size) for size in sizes])
    if image.size <= MAX_CELLS_WITH_NUMBERS:
        middle = (colours["vmin"] + colours["vmax"]) / 2
        for (row, column), error in np.ndenumerate(image):
            if np.isfinite(error):
                colour = "black" if error <= middle else "white"
                axes.text(column, row, f"{error:.2f}", ha="center", va="center", fontsize=8, color=colour)
    return shown


def _scatter(axes: Axes, points: Sequence[Point], colours: dict[str, Any]) -> Any:
    rates, sizes, errors, outlined = zip(*points, strict=True)
    edges: dict[str, Any] = {
        "edgecolors": [OUTLINE if each else "0.7" for each in outlined],
        "linewidths": 1 + np.array(outlined),
    }
    shown = axes.scatter(rates, sizes, c=[100 * error for error in errors], s=60, **edges, **colours)
    axes.set_xscale("log")
    axes.set_yscale("log", base=2)
    axes.set_yticks(sorted(set(sizes)), [str(size) for size in sorted(set(sizes))])
    axes.minorticks_off()
    rates_shown = np.geomspace(min(rates), max(rates), TICKS)  # powers of ten alone would be too few
    axes.set_xticks(rates_shown, [f"{rate:.2g}" for rate in rates_shown])
    axes.set_axisbelow(True)
    axes.grid(color="0.9")
    return shown
