"""A gallery of the most confident mistakes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.drawing import typography
from pipeline.drawing.canvas import Canvas, aspect, place
from pipeline.evaluation.predictions import Predictions

COLUMNS, ROWS = 5, 5
TILE, CAPTION, GAP = 1.3, 0.42, 0.25  # inches: an image's longer side, its caption, the space between images
NAME, THIRD_LINE = 1.2, 0.16  # inches: the widest name, and a separate line for the probability
MIN_SPACE = 0.07  # inches between two captions
SIZE = 9  # points
TOP = 0.5  # inches, of the title


def most_confident(predictions: Predictions) -> npt.NDArray[np.intp]:
    """Return the indices of up to 25 misclassified images, by descending probability. The sort is stable."""
    wrong = np.flatnonzero(predictions.wrong)
    return wrong[np.argsort(-predictions.probability[wrong], kind="stable")][: COLUMNS * ROWS]


def draw(predictions: Predictions, images: npt.NDArray[np.uint8], names: Sequence[str], title: str, path: Path) -> None:
    """Write a PNG file of the most confident mistakes among images (N, height, width), with both classes."""
    mistakes = most_confident(predictions)
    images = images[mistakes]
    captions = _captions(predictions, mistakes, names)
    ratio = aspect(images.shape[1:])
    height, width = TILE * min(ratio, 1), TILE / max(ratio, 1)
    column = max([TILE + GAP, *(typography.width(text, SIZE) + MIN_SPACE for lines in captions for text in lines)])
    below = CAPTION + THIRD_LINE * any(len(lines) > 2 for lines in captions)  # noqa: PLR2004 - the third line
    rows = max(1, -(-len(mistakes) // COLUMNS))
    canvas = Canvas(COLUMNS * column + GAP, TOP + rows * (height + below + GAP), title)
    paper = canvas.paper()
    brightest = max(1, int(images.max(initial=0)))  # one scale for all images: 8x8 digits end at 240
    for number, (image, lines) in enumerate(zip(images, captions, strict=True)):
        middle = GAP / 2 + (number % COLUMNS + 0.5) * column
        bottom = canvas.height - TOP - number // COLUMNS * (height + below + GAP) - height
        place(paper, image, (middle - width / 2, bottom, width, height), cmap="gray", vmin=0, vmax=brightest)
        text = "\n".join(lines)
        paper.text(middle, bottom - 0.04, text, ha="center", va="top", fontsize=SIZE, parse_math=False)
    if not len(mistakes):
        paper.text(canvas.width / 2, canvas.height / 2, "no mistakes", ha="center", fontsize=14, color="0.4")
    canvas.save(path)


def _captions(predictions: Predictions, images: npt.NDArray[np.intp], names: Sequence[str]) -> list[list[str]]:
    """Return the lines under each image: two, or three if one of the two would be too wide."""
    true, predicted = predictions.labels[images].tolist(), predictions.predicted[images].tolist()
    short = typography.captions(names, {*true, *predicted}, NAME, SIZE)
    rows = [
        (f"true {short[label]}", f"predicted {short[guess]}", f"{100 * probability:.2f} %")
        for label, guess, probability in zip(true, predicted, predictions.probability[images], strict=True)
    ]
    fits = all(typography.width(f"{guess}: {percent}", SIZE) <= TILE + GAP - MIN_SPACE for _, guess, percent in rows)
    return [[label, f"{guess}: {percent}"] if fits else [label, guess, percent] for label, guess, percent in rows]
