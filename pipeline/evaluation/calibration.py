"""The reliability diagram: does the accuracy of predictions match their probability?"""

from pathlib import Path

import numpy as np

from pipeline.drawing.canvas import Canvas
from pipeline.evaluation.stats import Calibration

COLOUR = "#2166ac"
WIDTH = 6.0  # inches, of a panel


def draw(bins: Calibration, title: str, path: Path) -> None:
    """Write a PNG file: accuracy over mean probability by bin, and below it the number of images by bin."""
    canvas = Canvas(7.1, 7.3, title)
    upper, lower = canvas.axes((0.8, 2.4, WIDTH, 4.0)), canvas.axes((0.8, 0.6, WIDTH, 1.5))
    number = len(bins.counts)
    middles, filled = (np.arange(number) + 0.5) / number * 100, bins.counts > 0
    width = 92 / number
    upper.bar(middles[filled], 100 * bins.accuracy[filled], width, color=COLOUR, alpha=0.4, label="bin's accuracy")
    upper.plot([0, 100], [0, 100], color="0.4", linestyle="--", label="perfectly calibrated")
    upper.plot(100 * bins.confidence, 100 * bins.accuracy, "o", color=COLOUR, label="at the mean probability")
    upper.set_ylabel("accuracy (% of the bin's images)")
    upper.set_ylim(0, 104)
    upper.set_title(f"expected calibration error {100 * bins.error:.2f} %", fontsize=11, pad=28)
    upper.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    lower.bar(middles[filled], bins.counts[filled], width, color="0.6")
    lower.set_yscale("log")
    lower.set_ylim(0.7, 6 * bins.counts.max())  # room for the numbers
    for middle, count in zip(middles[filled], bins.counts[filled], strict=True):
        lower.text(middle, count * 1.2, str(count), ha="center", fontsize=8)
    lower.set_ylabel("images")
    lower.set_xlabel("probability of the predicted class (%)")
    for axes in (upper, lower):
        axes.set_xlim(0, 100)
        axes.set_axisbelow(True)
        axes.grid(color="0.9")
    canvas.save(path)
