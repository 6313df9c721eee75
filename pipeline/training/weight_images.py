"""The weights of each class as a picture of the input: blue pixels speak against the class, red ones for it."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from pipeline.drawing import typography
from pipeline.drawing.canvas import Canvas, aspect, place

# An odd number of colours: the middle one, zero's, is exactly white.
COLOURS = LinearSegmentedColormap.from_list("against_for", ["#2166ac", "white", "#b2182b"], N=255).with_extremes(
    bad="0.8"
)
MOST = 100  # classes that are shown: more could not be told apart, and a series would fill the disk
COLUMNS = 5  # of ten square images, as of all that are no more than 25
SERIES = 560  # pixels of an image of the series, without frames, and at most half of it for a template's height
FRAME = 4  # pixels between two of its templates
WIDTH = 6.8  # inches of a figure's image
GAP = 0.05  # inches between two of its templates
NARROWEST = 0.9  # inches of a column
TALLEST = 3.4  # inches of a template
LOWEST = 1.5  # inches of a figure's image: those of the colour bar's words
NAME = 0.2  # inches of a name over its template
SHORT = 2  # letters of a name that may stand in its template's corner

Templates = npt.NDArray[np.float32]


def shown(classes: int) -> str:
    """Which of so many classes the pictures show, in words."""
    return "each class" if classes <= MOST else f"the first {MOST} of {classes} classes"


def series_image(templates: Templates, limit: float) -> npt.NDArray[np.uint8]:
    """One image of a series, RGB uint8 (height, width, 3), where white is 0 and full colour is |weight| >= limit.

    The scale is the same in every image, so that epochs and runs can be compared by eye. Of templates (classes, height,
    width) the first 100 are shown, in rows, and large ones are reduced: the image has less than a megapixel.
    """
    templates = templates[:MOST]
    columns = _columns(len(templates), templates.shape[1:])
    image = mosaic(_resized(templates, (SERIES // 2, SERIES // columns)), columns)
    return np.asarray(COLOURS(np.clip(image / limit, -1, 1) * 0.5 + 0.5, bytes=True))[..., :3]


def mosaic(templates: Templates, columns: int) -> Templates:
    """Templates (classes, height, width) as rows of one image, a frame of NaN between them."""
    classes, height, width = templates.shape
    rows = math.ceil(classes / columns)
    image = np.full((rows * (height + FRAME) + FRAME, columns * (width + FRAME) + FRAME), np.nan, np.float32)
    for number, template in enumerate(templates):
        top, left = number // columns * (height + FRAME) + FRAME, number % columns * (width + FRAME) + FRAME
        image[top : top + height, left : left + width] = template
    return image


def _columns(classes: int, shape: tuple[int, ...]) -> int:
    """So many that the whole has about the same shape for wide images as for tall ones."""
    square = max(COLUMNS, math.ceil(math.sqrt(classes)))
    return min(classes, max(1, round(square * math.sqrt(aspect(shape)))))


def _resized(templates: Templates, room: tuple[int, int]) -> Templates:
    """Templates with at most so many pixels (height, width): a whole number of them for each weight, or their means."""
    width, slope = templates.shape[2], aspect(templates.shape[1:])
    most = min(room[1], int(room[0] / slope))
    wide = most // width * width or most
    size = wide, round(wide * slope)
    return np.stack([np.asarray(Image.fromarray(each).resize(size, Image.Resampling.BOX)) for each in templates])


def draw(templates: Templates, names: Sequence[str], title: str, path: Path) -> None:
    """A figure of the first 100 templates (classes, height, width) with their names and a colour bar, as a PNG file."""
    templates = templates[:MOST]
    limit = float(np.abs(templates).max()) or 1.0
    columns = _columns(len(templates), templates.shape[1:])
    whole = max(WIDTH, NARROWEST * columns)
    width = (whole - GAP) / columns - GAP
    height = min(width * aspect(templates.shape[1:]), TALLEST)
    size = 11 if columns <= COLUMNS else 8  # points
    named = typography.captions(names, range(len(templates)), width, size)
    above = NAME if max(map(len, named.values())) > SHORT else 0.0
    tall = max(LOWEST, math.ceil(len(templates) / columns) * (height + above + GAP) + GAP)
    canvas = Canvas(whole + 1.2, tall + 0.45, title)  # beside the image a colour bar, above it a title
    paper = canvas.paper()
    paper.fill_between([0.1, 0.1 + whole], 0.05, 0.05 + tall, color=COLOURS(np.nan), linewidth=0, zorder=-1)
    for number, template in enumerate(templates):
        row, column = divmod(number, columns)
        left, top = 0.1 + GAP + column * (width + GAP), 0.05 + tall - GAP - row * (height + above + GAP)
        box = (left, top - above - height, height / aspect(template.shape), height)
        image = place(paper, template, box, cmap=COLOURS, vmin=-limit, vmax=limit)
        if above:
            paper.text(left, top - 0.45 * above, named[number], va="center_baseline", fontsize=size, parse_math=False)
        else:
            paper.text(left + 0.04, top - 0.04, named[number], va="top", fontsize=11, weight="bold", parse_math=False)
    canvas.figure.colorbar(image, cax=canvas.axes((whole + 0.2, 0.05, 0.15, tall)), label="weight (white: 0)")
    canvas.save(path)
