"""Ink is found on any paper and becomes an image like MNIST's."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from PIL.ImageFilter import MaxFilter

from pipeline.core.errors import UserError
from pipeline.recognition import ink
from tests.support.drawn import DARK, draw
from tests.support.seeing import difference


def test_digit_becomes_like_mnist(plain: npt.NDArray[np.uint8]) -> None:
    """White on black, 20 pixels high, with its centre of mass at the corner between the middle pixels."""
    rows, columns = np.nonzero(plain)
    assert plain.shape == (28, 28)
    assert plain.max() == 255
    assert (plain == 0).mean() > 0.5
    assert rows.max() - rows.min() + 1 == 20
    for places in (rows, columns):
        assert np.average(places, weights=plain[rows, columns]) == pytest.approx(14, abs=0.51)


def even(value: float) -> npt.NDArray[np.float32]:
    return np.full((300, 400), value, np.float32)


NOISE = np.random.default_rng(2).standard_normal((300, 400)).astype(np.float32)


@pytest.mark.parametrize("deviation", [0.0, 0.003, 0.02, 0.1])
@pytest.mark.parametrize("fall", [0.0, 0.4])
def test_blank_page_has_no_ink(deviation: float, fall: float) -> None:
    """Also if the page is noisy, or darker on one side."""
    paper = even(0.8) - fall * np.linspace(0, 1, 400, dtype=np.float32) + deviation * NOISE
    for page in (paper, 1 - paper):
        with pytest.raises(UserError, match="nothing"):
            ink.find(np.clip(page, 0, 1))


def test_lone_speck_is_no_digit() -> None:
    """Scaled up, the speck would look like a digit."""
    page = even(1)
    page[100:103, 100:103] = 0
    with pytest.raises(UserError, match="3 pixels large"):
        ink.find(page)


def grey(image: Image.Image) -> npt.NDArray[np.float32]:
    return np.asarray(image, np.float32) / np.float32(255)


def test_disturbances_are_not_ink(plain: npt.NDArray[np.uint8]) -> None:
    """Dust, pale ruled lines, noise, and a shadow with a sharp edge change the result little."""
    page = grey(DARK)
    y, x = np.mgrid[0:300, 0:300]
    dust, lines = page.copy(), page.copy()
    dust[10:13, 10:13] = dust[280:282, 5:9] = 0
    lines[20::40] = np.minimum(lines[20::40], 0.75)
    noisy = np.clip(page * 0.8 + 0.1 + 0.02 * NOISE[:, :300], 0, 1)
    for changed in (dust, lines, noisy, page * np.where(x + 0.5 * y > 210, 0.55, 0.9)):
        image = ink.like_mnist(ink.find(changed.astype(np.float32)), 28)
        assert difference(plain, image) < 0.25


def test_position_and_size_do_not_matter(plain: npt.NDArray[np.uint8]) -> None:
    """A digit in a corner of a larger picture."""
    page = Image.new("L", (1000, 700), 255)
    page.paste(DARK.resize((150, 150)), (840, 20))
    assert difference(plain, ink.like_mnist(ink.find(grey(page)), 28)) < 0.25


def test_every_stroke_of_a_digit_is_kept() -> None:
    """The top bar of a 5 that does not touch the rest."""
    page = even(0)
    page[100:200, 150:165] = page[60:70, 150:220] = 1
    assert ink.find(page).shape == (140, 70)


def test_thin_strokes_are_thickened_and_others_are_not() -> None:
    """Pen strokes are a third of a pixel wide in MNIST's box; the model expects two to four pixels."""
    thin, thick = (grey(image) for image in (draw(4, "plain", "thin"), draw(4, "plain", "white").filter(MaxFilter(9))))
    widths = []
    for page in (thin, thick):
        strokes = ink.find(page)
        widths.append(ink.like_mnist(strokes, 28).sum() / 255 / (strokes.sum() * (20 / max(strokes.shape)) ** 2))
    assert widths[0] > 3
    assert widths[1] == pytest.approx(1, abs=0.05)


def test_image_of_mnist_is_unchanged() -> None:
    """The digit is 20 pixels high and centred already."""
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 13:16] = 255
    image[4:24, 12] = image[4:24, 16] = 90
    image[4, 12:17] = image[23, 12:17] = 30
    np.testing.assert_array_equal(ink.like_mnist(ink.find(grey(Image.fromarray(image))), 28), image)


@pytest.mark.parametrize(("height", "width"), [(1, 300), (300, 1), (7, 600), (9, 9)])
def test_narrow_picture_is_processed(height: int, width: int) -> None:
    """The picture has hardly any pixels off its border."""
    page = np.zeros((height, width), np.float32)
    page[height // 3 : height // 3 + max(1, height // 5), width // 3 : width // 3 + max(1, width // 5)] = 1
    if max(height, width) > 9:
        assert ink.like_mnist(ink.find(page), 28).max() == 255
    else:
        with pytest.raises(UserError, match="1 pixels large"):
            ink.find(page)
