"""Draw pictures of handwritten digits from strokes: three hands and three styles."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Hand = Literal["plain", "slanted", "round"]
Style = Literal["thin", "white", "photo"]

# Strokes of the digits 0 to 9, separated by "/". A stroke is a smooth curve through points "xy" of a 10x10 grid, whose
# origin is at the top left. A repeated point makes a corner.
HANDS: dict[Hand, tuple[str, ...]] = {
    "plain": (
        "40 13 16 49 76 73 40",
        "50 49",
        "12 30 60 72 55 19 19 79",
        "11 40 72 44 44 76 49 17",
        "40 06 06 86 / 63 69",
        "70 20 20 14 14 44 76 49 18",
        "60 24 16 39 67 45 17",
        "10 80 80 39",
        "40 12 44 77 49 17 44 72 40",
        "72 40 13 35 72 72 69",
    ),
    "slanted": (
        "60 33 16 29 56 83 60 50",
        "42 70 70 39",
        "33 60 82 55 09 09 38 79",
        "31 60 82 54 54 66 39 08",
        "50 15 15 75 / 72 49",
        "40 24 24 54 66 39 08 / 40 90",
        "70 34 17 39 56 45 18",
        "20 90 90 39 / 35 75",
        "80 50 32 54 56 29 07 44 82 80",
        "82 60 33 45 82 82 66 39",
    ),
    "round": (
        "40 04 19 59 94 60 30",
        "22 50 50 59 / 29 89",
        "02 30 80 74 09 17 48 99",
        "01 50 82 44 44 86 49 07",
        "20 05 05 95 / 70 69",
        "20 14 14 54 86 59 07 / 20 80",
        "70 24 06 39 88 65 15",
        "11 10 80 80 55 49",
        "50 11 44 87 49 07 44 82 50",
        "82 40 02 25 83 81 81 79",
    ),
}
SIDE = 300  # pixels of a picture's side
GRID_HEIGHT, GRID_WIDTH = 180, 120  # pixels


def draw(digit: int, hand: Hand, style: Style, seed: int = 0) -> Image.Image:
    """Draw a grey picture, 300 pixels wide and high.

    The styles are a thin pen on white, white on black, and a noisy photo of paper with a shadow (depends on `seed`).
    """
    width = {"thin": 3, "white": 16, "photo": 12}[style]
    ink = _strokes(HANDS[hand][digit], width)
    if style == "thin":
        return Image.fromarray(255 - ink)
    return Image.fromarray(ink) if style == "white" else _photo(ink, np.random.default_rng(seed))


def _strokes(strokes: str, width: int) -> npt.NDArray[np.uint8]:
    """Return ink, uint8 (300, 300), 255 on the strokes. It is drawn at four times the size to smooth the edges."""
    large = Image.new("L", (4 * SIDE, 4 * SIDE))
    pen = ImageDraw.Draw(large)
    for stroke in strokes.split("/"):
        points = np.array([[int(point[0]), int(point[1])] for point in stroke.split()], np.float64) / 9
        corner = np.array([(SIDE - GRID_WIDTH) / 2, (SIDE - GRID_HEIGHT) / 2])
        curve = 4 * (_curve(points) * (GRID_WIDTH, GRID_HEIGHT) + corner)
        pen.line([tuple(point) for point in curve.tolist()], 255, 4 * width, "curve")
        for x, y in curve[[0, -1]]:
            pen.ellipse((x - 2 * width, y - 2 * width, x + 2 * width, y + 2 * width), 255)
    return np.asarray(large.resize((SIDE, SIDE), Image.Resampling.BOX))


def _curve(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return points (24 (N - 1), 2) of a Catmull-Rom spline through points (N, 2)."""
    before, start, end, after = (np.pad(points, ((1, 1), (0, 0)), "edge")[i : len(points) - 1 + i] for i in range(4))
    t = np.linspace(0, 1, 24)[:, None, None]
    curve = (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    ) / 2
    return curve.transpose(1, 0, 2).reshape(-1, 2)


def _photo(ink: npt.NDArray[np.uint8], generator: np.random.Generator) -> Image.Image:
    """Return ink on grey paper as a camera sees it: rotated by up to 6 degrees, blurred, unevenly lit, with noise."""
    rotated = Image.fromarray(ink).rotate(generator.uniform(-6, 6), Image.Resampling.BICUBIC)
    blurred = np.asarray(rotated.filter(ImageFilter.GaussianBlur(1.5))) / 255
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    shadow = 1 / (1 + np.exp(-15 * (x + y - generator.uniform(0.8, 1.3))))
    paper = 0.8 - 0.2 * x - 0.25 * shadow
    noise = generator.standard_normal(ink.shape) * 0.03
    return Image.fromarray((255 * np.clip(paper * (1 - 0.7 * blurred) + noise, 0, 1)).astype(np.uint8))


DARK = draw(3, "round", "thin")  # on white
LIGHT = draw(3, "round", "white")  # on black
