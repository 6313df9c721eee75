"""The weights of each class as an image: red pixels are evidence for the class, blue ones against it."""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from pipeline.drawing import typography
from pipeline.drawing.canvas import Canvas, aspect, place

# An odd number of colours: the middle one, for zero, is exactly white.
COLOURS = LinearSegmentedColormap.from_list("against_for", ["#2166ac", "white", "#b2182b"], N=255).with_extremes(
    bad="0.8"
)
MAX_CLASSES = 100  # that are shown: more are too small to see, and a series would fill the disk
COLUMNS = 5  # of up to 25 square images
SERIES_PIXELS = 560  # width of an image of the series without frames; a template has at most half of it in height
FRAME = 4  # pixels between two templates
WIDTH = 6.8  # inches of the image in a figure
GAP = 0.05  # inches between two templates
MIN_COLUMN_WIDTH = 0.9  # inches
MAX_TEMPLATE_HEIGHT = 3.4  # inches
MIN_HEIGHT = 1.5  # inches of the image in a figure: the label of the colour bar needs them
NAME = 0.2  # inches of a name above its template
MAX_CORNER_NAME = 2  # characters of a name that stands in the corner of its template

Templates = npt.NDArray[np.float32]


def shown(classes: int) -> str:
    """Which of the classes the images show, in words."""
    return "each class" if classes <= MAX_CLASSES else f"the first {MAX_CLASSES} of {classes} classes"


def series_image(templates: Templates, limit: float) -> npt.NDArray[np.uint8]:
    """One image of a series, RGB uint8 (height, width, 3), where white is 0 and full colour is |weight| >= limit.

    The scale is the same in every image, so that epochs and runs can be compared by eye. The image shows the first 100
    templates (classes, height, width) in rows, and scales large ones down: it has less than a megapixel.
    """
    templates = templates[:MAX_CLASSES]
    columns = _columns(len(templates), templates.shape[1:])
    image = mosaic(_resized(templates, (SERIES_PIXELS // 2, SERIES_PIXELS // columns)), columns)
    return np.asarray(COLOURS(np.clip(image / limit, -1, 1) * 0.5 + 0.5, bytes=True))[..., :3]


def mosaic(templates: Templates, columns: int) -> Templates:
    """Templates (classes, height, width) in rows of one image, with a frame of NaN between them."""
    classes, height, width = templates.shape
    rows = math.ceil(classes / columns)
    image = np.full((rows * (height + FRAME) + FRAME, columns * (width + FRAME) + FRAME), np.nan, np.float32)
    for number, template in enumerate(templates):
        top, left = number // columns * (height + FRAME) + FRAME, number % columns * (width + FRAME) + FRAME
        image[top : top + height, left : left + width] = template
    return image


def _columns(classes: int, shape: tuple[int, ...]) -> int:
    """The number of columns that gives the whole about the same shape for wide templates as for tall ones."""
    square = max(COLUMNS, math.ceil(math.sqrt(classes)))
    return min(classes, max(1, round(square * math.sqrt(aspect(shape)))))


def _resized(templates: Templates, room: tuple[int, int]) -> Templates:
    """Resize templates to at most `room` pixels (height, width).

    A weight gets a whole number of pixels, or a pixel the mean of several weights.
    """
    width, slope = templates.shape[2], aspect(templates.shape[1:])
    max_width = min(room[1], int(room[0] / slope))
    new_width = max_width // width * width or max_width
    size = new_width, round(new_width * slope)
    return np.stack([np.asarray(Image.fromarray(each).resize(size, Image.Resampling.BOX)) for each in templates])


def draw(templates: Templates, names: Sequence[str], title: str, path: Path) -> None:
    """Write a PNG file of the first 100 templates (classes, height, width) with their names and a colour bar."""
    _Figure.with_names(tuple(names[:MAX_CLASSES]), templates.shape[1:]).draw(templates[:MAX_CLASSES], title, path)


class _Figure:
    """A figure of templates. All jobs of a sweep draw into one: to make a figure takes as long as to draw it."""

    def __init__(self, names: Sequence[str], shape: tuple[int, ...]) -> None:
        columns = _columns(len(names), shape)
        whole = max(WIDTH, MIN_COLUMN_WIDTH * columns)
        width = (whole - GAP) / columns - GAP
        height = min(width * aspect(shape), MAX_TEMPLATE_HEIGHT)
        size = 11 if columns <= COLUMNS else 8  # points
        captions = typography.captions(names, range(len(names)), width, size)
        above = NAME if max(map(len, captions.values())) > MAX_CORNER_NAME else 0.0
        tall = max(MIN_HEIGHT, math.ceil(len(names) / columns) * (height + above + GAP) + GAP)
        self.canvas = Canvas(whole + 1.2, tall + 0.45)  # beside the image a colour bar, above it a title
        paper = self.canvas.paper()
        paper.fill_between([0.1, 0.1 + whole], 0.05, 0.05 + tall, color=COLOURS(np.nan), linewidth=0, zorder=-1)
        self.images = []
        for number, name in enumerate(captions.values()):
            row, column = divmod(number, columns)
            left, top = 0.1 + GAP + column * (width + GAP), 0.05 + tall - GAP - row * (height + above + GAP)
            box = (left, top - above - height, height / aspect(shape), height)
            self.images.append(place(paper, np.zeros(shape), box, cmap=COLOURS, vmin=-1, vmax=1))
            if above:
                paper.text(left, top - 0.45 * above, name, va="center_baseline", fontsize=size, parse_math=False)
            else:
                paper.text(left + 0.04, top - 0.04, name, va="top", fontsize=11, weight="bold", parse_math=False)
        bar = self.canvas.axes((whole + 0.2, 0.05, 0.15, tall))
        self.canvas.figure.colorbar(self.images[-1], cax=bar, label="weight (white: 0)")
        bar.xaxis.set_visible(False)  # it has no ticks, and takes a fifth of the time

    @classmethod
    @functools.lru_cache(maxsize=1)
    def with_names(cls, names: tuple[str, ...], shape: tuple[int, ...]) -> Self:
        """The figure for classes with these names and templates of this shape (height, width)."""
        return cls(names, shape)

    def draw(self, templates: Templates, title: str, path: Path) -> None:
        """Write a PNG file of these templates."""
        limit = float(np.abs(templates).max()) or 1.0
        for image, template in zip(self.images, templates, strict=True):
            image.set_data(template)
            image.set_clim(-limit, limit)  # of the last image: the colour bar follows it
        self.canvas.set_title(title)
        self.canvas.save(path)
