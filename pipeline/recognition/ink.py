"""Finds the digit in a grey picture and makes it like MNIST: white on black, scaled into a box, centred by mass."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from pipeline.core.errors import UserError

Grey = npt.NDArray[np.float32]

MNIST_SIDE, MNIST_BOX = 28, 20  # pixels of MNIST's images, and of the box into which their digits were scaled
MIN_STROKE = 1.8  # pixels of 28: thinner strokes are thickened; MNIST's are 2 to 4 wide
FINE = 8  # pixels for each pixel of the box, while strokes are thickened
COARSE = 32  # pixels of the longer side of the copy in which the background is estimated
BACKGROUND = 0.7  # of the longer side: less than half of a square of this width is ink
SHADOW = 0.35  # of the longer side: strokes are narrower
NOISY = 0.004  # of the range from black to white: screen drawings are more even
SMOOTHING = 1 / 300  # of the longer side: the standard deviation
MIN_CONTRAST = 0.02  # of the range from black to white
MAYBE_INK = 4  # standard deviations of the noise above which a pixel may be ink
SURELY_INK = 8  # standard deviations of the noise above which a pixel is ink
EDGE = 0.4  # of the strokes' strength: where a stroke ends in pictures that are finer than the model's
STRONG = 0.5  # of the strokes' strength: the middle of an edge
MIN_SIDE = 7  # pixels of a digit's longer side
SPECK = 0.03  # of the largest piece of ink: smaller pieces are dust


def find(grey: Grey) -> Grey:
    """The ink in a picture (height, width) of values 0..1: strokes near 1, cropped to their bounding box.

    Ink may be dark or light, on paper in a shadow, with noise and dust.

    Raises:
        UserError: there is no ink, or too little.
    """
    light = _without_shadow(_without_noise(grey))
    low, middle = np.quantile(light, (0.05, 0.25))  # even a bold digit, cropped closely, leaves that much paper
    light, noise = light - middle, float(middle - low)  # of a normal distribution, 0.97 deviations
    floor = max(MAYBE_INK * noise, MIN_CONTRAST)
    if not (light > floor).any():
        raise UserError("nothing is drawn in it")
    level = float(np.percentile(light[light > floor], 95))
    if level < SURELY_INK * noise:
        raise UserError("nothing in it stands out from its noise")
    ink: Grey = np.clip(light / level, 0, 1)
    edge = EDGE if max(grey.shape) > COARSE else 0.0
    ink[~_strokes(ink, max(edge, floor / level if noise > 0 else 0.0))] = 0
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if max(ink.shape) < MIN_SIDE:
        raise UserError(f"what is drawn in it is {max(ink.shape)} pixels large: crop it, or draw larger")
    return ink


def like_mnist(ink: Grey, side: int) -> npt.NDArray[np.uint8]:
    """An image like MNIST's from ink, uint8 (side, side).

    The ink is scaled into MNIST's box, 20 of 28 pixels, without distortion. Its centre of mass is placed in the middle,
    to whole pixels. Strokes that would become thinner than MNIST's are thickened.
    """
    box = round(side * MNIST_BOX / MNIST_SIDE)
    return _centred(_scaled(_thickened(ink, box, MIN_STROKE * side / MNIST_SIDE), box), side)


def _strokes(ink: Grey, edge: float) -> npt.NDArray[np.bool_]:
    """Which pixels belong to strokes: connected ones above `edge`, with more strong pixels than a speck has."""
    labels, count = ndimage.label(ink > edge, np.ones((3, 3)))
    strong = ndimage.sum_labels(ink > STRONG, labels, np.arange(count + 1))
    strong[0] = 0
    return np.asarray((strong >= max(1, SPECK * strong.max()))[labels])


def _without_shadow(grey: Grey) -> Grey:
    """How much lighter the ink is than its background, around 0 elsewhere; dark ink is inverted."""
    coarse, size = _with_longer_side(grey, min(COARSE, max(grey.shape))), (grey.shape[1], grey.shape[0])
    background = ndimage.median_filter(coarse, max(3, round(BACKGROUND * max(coarse.shape))), mode="nearest")
    # Ink differs most from its background; the third power makes everything else negligible.
    dark = ((grey - _resized(background, size)) ** 3).sum() < 0
    light = grey - _resized(_surface(coarse), size)
    if dark:
        light = -light
    width = max(3, round(SHADOW * max(light.shape)))
    # An opening removes light structures that are narrower than its width, strokes, and keeps the rest, with edges.
    light -= ndimage.grey_opening(light, (width, width), mode="nearest")
    return np.asarray(light, np.float32)


def _surface(grey: Grey) -> Grey:
    """The quadratic surface that fits the border of the picture; pixels of the border with ink are outliers."""
    height, width = grey.shape
    y, x = (axis.ravel() - 0.5 for axis in np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j])
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    border = np.ones(grey.shape, bool)
    rim = max(1, round(min(grey.shape) / 20))
    border[rim:-rim, rim:-rim] = False
    values, rows = grey[border], terms[border.ravel()]
    distance = np.abs(values - np.median(values))
    if np.median(distance) < NOISY:
        return np.full_like(grey, np.median(values))  # even, for example a drawing on a screen
    fitting = distance <= 2 * np.median(distance)
    for _ in range(6):
        factors = np.linalg.lstsq(rows[fitting], values[fitting])[0]
        distance = np.abs(values - rows @ factors)
        fitting = distance <= 3 * np.median(distance)
    return np.asarray((terms @ factors).reshape(grey.shape), np.float32)


def _without_noise(grey: Grey) -> Grey:
    """The picture, smoothed if neighbouring pixels differ by noise."""
    steps = np.abs(np.diff(grey, axis=1))
    if steps.size and np.median(steps) > NOISY:
        return np.asarray(ndimage.gaussian_filter(grey, SMOOTHING * max(grey.shape)))
    return grey


def _thickened(ink: Grey, box: int, min_width: float) -> Grey:
    """The ink with strokes that are at least `min_width` pixels wide after scaling into the box."""
    thin = min_width - _stroke_width(ink) * box / max(ink.shape)
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
    """The ink with a longer side of `longer` pixels and a maximum of 1."""
    scaled = np.clip(_with_longer_side(ink, longer), 0, None)
    return np.asarray(scaled / scaled.max(), np.float32)


def _centred(ink: Grey, side: int) -> npt.NDArray[np.uint8]:
    """The ink in a square, with its centre of mass within half a pixel of the square's middle."""
    corner = (
        min(max(0, round(side / 2 - centre)), side - length)
        for centre, length in zip(ndimage.center_of_mass(ink), ink.shape, strict=True)
    )
    (top, left), (height, width) = corner, ink.shape
    image = np.zeros((side, side), np.uint8)
    image[top : top + height, left : left + width] = np.round(255 * ink)
    return image


def _with_longer_side(grey: Grey, longer: int) -> Grey:
    height, width = (max(1, round(length * longer / max(grey.shape))) for length in grey.shape)
    return _resized(grey, (width, height))


def _resized(grey: Grey, size: tuple[int, int]) -> Grey:
    """A copy with this width and height; a reduced copy is averaged."""
    if size == (grey.shape[1], grey.shape[0]):
        return grey
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR))
