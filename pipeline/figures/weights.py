"""The weights of each class as a picture of the input: blue pixels speak against the class, red ones for it."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from pipeline.files import writing

# An odd number of colours: the middle one, zero's, is exactly white.
COLOURS = LinearSegmentedColormap.from_list("against_for", ["#2166ac", "white", "#b2182b"], N=255).with_extremes(
    bad="0.8"
)
TILE = 112  # pixels of a template's longer side in the image series
COLUMNS = 5
WIDTH = 6.8  # inches of a figure's image

Templates = npt.NDArray[np.float32]


def mosaic(templates: Templates) -> Templates:
    """Templates (classes, height, width) as rows of five in one image, a frame of NaN between them."""
    classes, height, width = templates.shape
    rows = math.ceil(classes / COLUMNS)
    image = np.full((rows * (height + 1) + 1, COLUMNS * (width + 1) + 1), np.nan, np.float32)
    for number, template in enumerate(templates):
        top, left = _corner(number, height, width)
        image[top : top + height, left : left + width] = template
    return image


def _corner(number: int, height: int, width: int) -> tuple[int, int]:
    return number // COLUMNS * (height + 1) + 1, number % COLUMNS * (width + 1) + 1


def series_image(templates: Templates, limit: float) -> npt.NDArray[np.uint8]:
    """One image of a series, RGB uint8 (height, width, 3), where white is 0 and full colour is |weight| >= limit.

    The scale is the same in every image, so that epochs and runs can be compared by eye.
    """
    scale = max(1, TILE // max(templates.shape[1:]))
    enlarged = mosaic(templates).repeat(scale, axis=0).repeat(scale, axis=1)
    return np.asarray(COLOURS(np.clip(enlarged / limit, -1, 1) * 0.5 + 0.5, bytes=True))[..., :3]


def draw(templates: Templates, title: str, path: Path) -> None:
    """A figure of the templates (classes, height, width) with class labels and a colour bar, as a PNG file."""
    _, height, width = templates.shape
    limit = float(np.abs(templates).max()) or 1.0
    image = mosaic(templates)
    tall = WIDTH * image.shape[0] / image.shape[1]
    wide, high = WIDTH + 1.2, tall + 0.45  # inches: beside the image a colour bar, above it a title
    figure = Figure(figsize=(wide, high), dpi=100)
    FigureCanvasAgg(figure)
    # Placed by hand: a layout engine draws everything twice.
    axes = figure.add_axes((0.1 / wide, 0.05 / high, WIDTH / wide, tall / high))
    bar = figure.add_axes(((WIDTH + 0.2) / wide, 0.05 / high, 0.15 / wide, tall / high))
    shown = axes.imshow(image, cmap=COLOURS, vmin=-limit, vmax=limit, interpolation="nearest")
    for number in range(len(templates)):
        top, left = _corner(number, height, width)
        axes.text(left + width * 0.03, top + height * 0.03, str(number), va="top", fontsize=11, weight="bold")
    axes.set_axis_off()
    axes.set_title(title, fontsize=11)
    figure.colorbar(shown, cax=bar, label="weight (white: 0)")
    with writing(path) as temporary:
        figure.savefig(temporary, format="png")
