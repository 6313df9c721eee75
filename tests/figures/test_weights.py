"""Weight images: one scale, white zero, every template in its place."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.figures import weights

ZEROS = np.zeros((10, 28, 28), np.float32)
TOP_LEFT = (4, 4)  # a pixel of the first template at four pixels a weight, right behind the frame


def test_zero_is_white_and_signs_have_their_colours() -> None:
    """Blue speaks against a class, red for it."""
    templates = ZEROS.copy()
    templates[0, 0, :3] = 0, 5, -5
    row = weights.series_image(templates, limit=1.0)[4]
    zero, red, blue = row[4], row[8], row[12]
    assert tuple(zero) == (255, 255, 255)
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_same_weight_has_the_same_colour_in_every_image() -> None:
    """The scale does not depend on the other weights: epochs and runs can be compared."""
    templates = ZEROS.copy()
    templates[0, 0, 0] = 0.5
    alone = weights.series_image(templates, limit=1.0)[TOP_LEFT]
    templates[3, 5, 5] = 100.0
    np.testing.assert_array_equal(weights.series_image(templates, limit=1.0)[TOP_LEFT], alone)


def test_each_template_stands_in_its_place() -> None:
    """Rows of five, in the order of the classes."""
    templates = np.stack([np.full((28, 28), label, np.float32) for label in range(10)])
    mosaic = weights.mosaic(templates)
    assert mosaic.shape == (2 * 29 + 1, 5 * 29 + 1)
    for label in range(10):
        top, left = label // 5 * 29 + 1, label % 5 * 29 + 1
        assert (mosaic[top : top + 28, left : left + 28] == label).all()


def test_image_is_rgb_bytes() -> None:
    """MLflow scales float images one by one; bytes stay as they are."""
    image = weights.series_image(ZEROS[:, :8, :8], limit=1.0)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


def test_figure_is_a_readable_png_and_the_same_each_time(tmp_path: Path) -> None:
    """Also for weights that are all zero, whose scale would be empty; equal bytes keep dvc.lock still."""
    for name in ("one.png", "two.png"):
        weights.draw(ZEROS, "Weights", tmp_path / name)
    with Image.open(tmp_path / "one.png") as image:
        assert image.size[0] == 800
        assert image.size[1] > 200
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
