"""The images that the model is most sure about, and wrong."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.predictions import Predictions
from pipeline.figures.canvas import Canvas

COLUMNS, ROWS = 5, 5
TILE, CAPTION, GAP = 1.3, 0.42, 0.25  # inches: an image's longer side, the lines under it, the space between two
TOP = 0.5  # inches of the title


def most_confident(seen: Predictions) -> npt.NDArray[np.intp]:
    """The numbers of up to 25 images that are wrong, by falling probability; equal ones in their order."""
    wrong = np.flatnonzero(~seen.right)
    return wrong[np.argsort(-seen.probability[wrong], kind="stable")][: COLUMNS * ROWS]


def draw(seen: Predictions, title: str, path: Path) -> None:
    """A PNG file of those images with their true class, the predicted one and its probability."""
    mistakes = most_confident(seen)
    images = seen.data.images[mistakes]
    height, width = TILE * np.array(images.shape[1:]) / max(images.shape[1:])
    rows = max(1, -(-len(mistakes) // COLUMNS))
    canvas = Canvas(COLUMNS * (TILE + GAP) + GAP, TOP + rows * (height + CAPTION + GAP), title)
    axes = canvas.axes((0, 0, canvas.width, canvas.height))  # one for all, in inches: axes take long to draw
    axes.set_axis_off()
    brightest = max(1, int(images.max(initial=0)))  # one scale for all: 8x8 digits end at 240
    for number, (which, image) in enumerate(zip(mistakes, images, strict=True)):
        middle = GAP + (number % COLUMNS) * (TILE + GAP) + TILE / 2
        top = canvas.height - TOP - number // COLUMNS * (height + CAPTION + GAP)
        extent = (middle - width / 2, middle + width / 2, top - height, top)
        axes.imshow(image, "gray", aspect="auto", interpolation="nearest", vmin=0, vmax=brightest, extent=extent)
        told = (
            f"true {seen.data.labels[which]}\npredicted {seen.predicted[which]}: {100 * seen.probability[which]:.2f} %"
        )
        axes.text(middle, top - height - 0.04, told, ha="center", va="top", fontsize=9)
    axes.set(xlim=(0, canvas.width), ylim=(0, canvas.height))
    if not len(mistakes):
        axes.text(canvas.width / 2, canvas.height / 2, "no mistakes", ha="center", fontsize=14, color="0.4")
    canvas.save(path)
