"""The images that the model is most sure about, and wrong."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.drawing import typography
from pipeline.drawing.canvas import Canvas, aspect, place
from pipeline.evaluation.predictions import Predictions

COLUMNS, ROWS = 5, 5
TILE, CAPTION, GAP = 1.3, 0.42, 0.25  # inches: an image's longer side, the lines under it, the space between two
NAME, THIRD_LINE = 1.2, 0.16  # inches: the widest name, and the line that the probability then has for itself
APART = 0.07  # inches between the words under two images, at least
SIZE = 9  # points
TOP = 0.5  # inches of the title


def most_confident(seen: Predictions) -> npt.NDArray[np.intp]:
    """The numbers of up to 25 images that are wrong, by falling probability; equal ones in their order."""
    wrong = np.flatnonzero(~seen.right)
    return wrong[np.argsort(-seen.probability[wrong], kind="stable")][: COLUMNS * ROWS]


def draw(seen: Predictions, names: Sequence[str], title: str, path: Path) -> None:
    """A PNG file of those images with their true class, the predicted one and its probability."""
    mistakes = most_confident(seen)
    images = seen.data.images[mistakes]
    told = _told(seen, mistakes, names)
    high = aspect(images.shape[1:])
    height, width = TILE * min(high, 1), TILE / max(high, 1)
    column = max([TILE + GAP, *(typography.width(text, SIZE) + APART for texts in told for text in texts)])
    caption = CAPTION + THIRD_LINE * any(len(texts) > 2 for texts in told)  # noqa: PLR2004 - as the name says
    rows = max(1, -(-len(mistakes) // COLUMNS))
    canvas = Canvas(COLUMNS * column + GAP, TOP + rows * (height + caption + GAP), title)
    paper = canvas.paper()
    brightest = max(1, int(images.max(initial=0)))  # one scale for all: 8x8 digits end at 240
    for number, (image, texts) in enumerate(zip(images, told, strict=True)):
        middle = GAP / 2 + (number % COLUMNS + 0.5) * column
        bottom = canvas.height - TOP - number // COLUMNS * (height + caption + GAP) - height
        place(paper, image, (middle - width / 2, bottom, width, height), cmap="gray", vmin=0, vmax=brightest)
        text = "\n".join(texts)
        paper.text(middle, bottom - 0.04, text, ha="center", va="top", fontsize=SIZE, parse_math=False)
    if not len(mistakes):
        paper.text(canvas.width / 2, canvas.height / 2, "no mistakes", ha="center", fontsize=14, color="0.4")
    canvas.save(path)


def _told(seen: Predictions, images: npt.NDArray[np.intp], names: Sequence[str]) -> list[list[str]]:
    """The lines under each image: two, or three where one of them would be wider than its place."""
    true, predicted = seen.data.labels[images].tolist(), seen.predicted[images].tolist()
    named = typography.captions(names, {*true, *predicted}, NAME, SIZE)
    rows = [
        (f"true {named[label]}", f"predicted {named[answer]}", f"{100 * probability:.2f} %")
        for label, answer, probability in zip(true, predicted, seen.probability[images], strict=True)
    ]
    fits = all(typography.width(f"{answer}: {sure}", SIZE) <= TILE + GAP - APART for _, answer, sure in rows)
    return [[label, f"{answer}: {sure}"] if fits else [label, answer, sure] for label, answer, sure in rows]
