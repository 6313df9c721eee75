"""Learning curves: loss and error by epoch on the training and the validation set."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from pipeline.drawing.canvas import Canvas

COLOURS = {"train": "#2166ac", "valid": "#b2182b"}
NAMES = {"train": "training", "valid": "validation"}
HEIGHT = 3.6  # inches, of a panel

History = Mapping[str, npt.NDArray[np.float64]]


def read(path: Path) -> History:
    """Read the columns of history.csv, float64 (epochs,). Epochs without validation have NaN."""
    table = np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True, deletechars=""))
    return {name: table[name] for name in table.dtype.names or ()}


def draw(history: History, title: str, path: Path) -> None:
    """Write a PNG file of loss and error, with the epoch of the lowest validation error marked."""
    canvas = Canvas(11, 4.6, title)
    loss, error = (canvas.axes((left, 0.55, 4.6, HEIGHT)) for left in (0.75, 6.15))
    best = int(np.nanargmin(history["valid/error"]))
    for axes, name, factor in ((loss, "loss", 1), (error, "error", 100)):
        for part, colour in COLOURS.items():
            values = factor * history[f"{part}/{name}"]
            axes.plot(history["epoch"], values, color=colour, marker=".", markersize=4, label=NAMES[part])
            axes.plot(history["epoch"][best], values[best], "o", color=colour, markersize=7)
        axes.axvline(history["epoch"][best], color="0.5", linestyle=":", zorder=0)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_axisbelow(True)
        axes.grid(color="0.9")
    loss.set_ylabel("mean negative log-likelihood (nats)")
    error.set_ylabel("error (% of images)")
    loss.legend()
    lowest = f"epoch {history['epoch'][best]:.0f}: {100 * history['valid/error'][best]:.2f} %"
    error.plot([], [], "o", color=COLOURS["valid"], label=f"lowest validation error,\n{lowest}")
    error.legend(handles=error.lines[-1:])
    canvas.save(path)
