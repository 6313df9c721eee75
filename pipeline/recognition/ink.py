"""Digits in grey pictures, made like MNIST: white ink on black, scaled into a box, centred by mass."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from pipeline.core.errors import UserError

Grey = npt.NDArray[np.float32]

MNIST_SIDE, MNIST_BOX = 28, 20  # pixels of MNIST's images, and of the box into which their digits were scaled
THINNEST = 1.8  # pixels of 28: thinner strokes are thickened; MNIST's are 2 to 4 wide
FINE = 8  # pixels that strokes are thickened at for each pixel of the box
COARSE = 32  # pixels of the longer side of a copy on which dark is told from light
AROUND = 0.7  # of the longer side: in squares so wide, less than half is ink
SHADOW = 0.35  # of the longer side: what is wider is no stroke
NOISY = 0.004  # of the range from black to white: what is drawn on a screen is more even
GRAIN = 1 / 300  # of the longer side: standard deviation of the smoothing
FAINTEST = 0.02  # of the range from black to white
ABOVE_NOISE = 4  # standard deviations at which a pixel may be ink
CLEAR = 8  # standard deviations at which it is
EDGE = 0.4  # of the strokes' strength: where a stroke ends in pictures that are finer than the model's
STRONG = 0.5  # of the strokes' strength: the middle of an edge
SMALLEST = 7  # pixels of a digit's longer side
SPECK = 0.03  # of the largest piece of ink: what is smaller is dust


def find(grey: Grey) -> Grey:
    """The ink in a picture (height, width) of values 0..1: strokes near 1, in the smallest rectangle that holds them.

    Ink may be dark or light, on paper in a shadow, with noise and dust.

    Raises:
        UserError: there is none, or next to none.
    """
    light = _without_shadow(_without_noise(grey))
    low, middle = np.quantile(light, (0.05, 0.25))  # even a bold digit, cropped closely, leaves so much paper
    light, noise = light - middle, float(middle - low)  # of a normal distribution, 0.97 deviations
    floor = max(ABOVE_NOISE * noise, FAINTEST)
    if not (light > floor).any():
        raise UserError("nothing is drawn in it")
    level = float(np.percentile(light[light > floor], 95))
    if level < CLEAR * noise:
        raise UserError("nothing in it stands out from its noise")
    ink: Grey = np.clip(light / level, 0, 1)
    edge = EDGE if max(grey.shape) > COARSE else 0.0
    ink[~_pieces(ink, max(edge, floor / level if noise > 0 else 0.0))] = 0
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if max(ink.shape) < SMALLEST:
        raise UserError(f"what is drawn in it is {max(ink.shape)} pixels large: crop it, or draw larger")
    return ink


def like_mnist(ink: Grey, side: int) -> npt.NDArray[np.uint8]:
    """Ink as an image of MNIST's kind, uint8 (side, side).

    It is scaled into MNIST's box, 20 of 28 pixels, with its shape kept, and placed with its centre of mass in the
    middle, to whole pixels. Strokes that would come out thinner than MNIST's are thickened.
    """
    box = round(side * MNIST_BOX / MNIST_SIDE)
    return _placed(_scaled(_thickened(ink, box, THINNEST * side / MNIST_SIDE), box), side)


def _pieces(ink: Grey, edge: float) -> npt.NDArray[np.bool_]:
    """Where the strokes are: connected pixels above `edge`, with as many strong ones as no speck has."""
    labels, count = ndimage.label(ink > edge, np.ones((3, 3)))
    strong = ndimage.sum_labels(ink > STRONG, labels, np.arange(count + 1))
    strong[0] = 0
    return np.asarray((strong >= max(1, SPECK * strong.max()))[labels])


def _without_shadow(grey: Grey) -> Grey:
    """How much lighter the ink is than what surrounds it, around 0 elsewhere; dark ink is inverted."""
    coarse, size = _reduced(grey), (grey.shape[1], grey.shape[0])
    around = ndimage.median_filter(coarse, max(3, round(AROUND * max(coarse.shape))), mode="nearest")
    # Ink differs most from what is around it; the third power lets little else count.
    dark = ((grey - _resized(around, size)) ** 3).sum() < 0
    light = grey - _resized(_surface(coarse), size)
    if dark:
        light = -light
    width = max(3, round(SHADOW * max(light.shape)))
    # An opening takes away what is light and narrower than its width, strokes, and leaves the rest, edges included.
    light -= ndimage.grey_opening(light, (width, width), mode="nearest")
    return np.asarray(light, np.float32)


def _surface(grey: Grey) -> Grey:
    """The surface of second degree that fits the border but for where ink touches it."""
    height, width = grey.shape
    y, x = (axis.ravel() - 0.5 for axis in np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j])
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    border = np.ones(grey.shape, bool)
    rim = max(1, round(min(grey.shape) / 20))
    border[rim:-rim, rim:-rim] = False
    values, rows = grey[border], terms[border.ravel()]
    distance = np.abs(values - np.median(values))
    if np.median(distance) < NOISY:
        return np.full_like(grey, np.median(values))  # even, as in all that is drawn on a screen
    fitting = distance <= 2 * np.median(distance)
    for _ in range(6):
        factors = np.linalg.lstsq(rows[fitting], values[fitting])[0]
        distance = np.abs(values - rows @ factors)
        fitting = distance <= 3 * np.median(distance)
    return np.asarray((terms @ factors).reshape(grey.shape), np.float32)


def _without_noise(grey: Grey) -> Grey:
    """The picture, smoothed where neighbours differ as noise does."""
    steps = np.abs(np.diff(grey, axis=1))
    if steps.size and np.median(steps) > NOISY:
        return np.asarray(ndimage.gaussian_filter(grey, GRAIN * max(grey.shape)))
    return grey


def _thickened(ink: Grey, box: int, thinnest: float) -> Grey:
    """The ink with strokes that are `thinnest` pixels wide, or wider, once it is scaled into the box."""
    thin = thinnest - _stroke_width(ink) * box / max(ink.shape)
    if thin <= 0:
        return ink
    fine = _scaled(ink, FINE * box)
    radius = thin / 2 * FINE
    fine = np.pad(fine, int(np.ceil(radius)))
    wider = np.clip(radius + 1 - ndimage.distance_transform_edt(fine < STRONG), 0, 1)
    return np.asarray(np.maximum(fine, wider), np.float32)


def _stroke_width(ink: Grey) -> float:
    """The strokes' mean width in pixels: twice the ink's area over the length of its outline."""
    padded = np.pad(ink, 1)
    outline = np.hypot(np.diff(padded, axis=0)[:, :-1], np.diff(padded, axis=1)[:-1]).sum()
    return float(2 * ink.sum() / outline)


def _scaled(ink: Grey, longer: int) -> Grey:
    """The ink with a longer side of so many pixels, strongest at 1."""
    factor = longer / max(ink.shape)
    height, width = (max(1, round(length * factor)) for length in ink.shape)
    scaled = np.clip(_resized(ink, (width, height)), 0, None)
    return np.asarray(scaled / scaled.max(), np.float32)


def _placed(ink: Grey, side: int) -> npt.NDArray[np.uint8]:
    """The ink in a square, its centre of mass at the corner between the four middle pixels, or within half a pixel."""
    corner = (
        min(max(0, round(side / 2 - centre)), side - length)
        for centre, length in zip(ndimage.center_of_mass(ink), ink.shape, strict=True)
    )
    (top, left), (height, width) = corner, ink.shape
    image = np.zeros((side, side), np.uint8)
    image[top : top + height, left : left + width] = np.round(255 * ink)
    return image


def _reduced(grey: Grey) -> Grey:
    """A copy whose longer side is at most COARSE pixels."""
    factor = min(1.0, COARSE / max(grey.shape))
    height, width = (max(1, round(length * factor)) for length in grey.shape)
    return _resized(grey, (width, height))


def _resized(grey: Grey, size: tuple[int, int]) -> Grey:
    """A copy of another width and height; what is reduced is averaged."""
    if size == (grey.shape[1], grey.shape[0]):
        return grey
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR))
