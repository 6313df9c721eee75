"""Weight images: one scale, white zero, every template in its place."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pipeline.training import weight_images

ZEROS = np.zeros((10, 28, 28), np.float32)
TOP_LEFT = (4, 4)  # a pixel of the first template at four pixels a weight, right behind the frame


def test_zero_is_white_and_signs_have_their_colours() -> None:
    """Blue speaks against a class, red for it."""
    templates = ZEROS.copy()
    templates[0, 0, :3] = 0, 5, -5
    row = weight_images.series_image(templates, limit=1.0)[4]
    zero, red, blue = row[4], row[8], row[12]
    assert tuple(zero) == (255, 255, 255)
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_same_weight_has_the_same_colour_in_every_image() -> None:
    """The scale does not depend on the other weights: epochs and runs can be compared."""
    templates = ZEROS.copy()
    templates[0, 0, 0] = 0.5
    alone = weight_images.series_image(templates, limit=1.0)[TOP_LEFT]
    templates[3, 5, 5] = 100.0
    np.testing.assert_array_equal(weight_images.series_image(templates, limit=1.0)[TOP_LEFT], alone)


def test_each_template_stands_in_its_place() -> None:
    """Rows of five, in the order of the classes."""
    templates = np.stack([np.full((28, 28), label, np.float32) for label in range(10)])
    mosaic = weight_images.mosaic(templates, 5)
    assert mosaic.shape == (2 * 32 + 4, 5 * 32 + 4)
    for label in range(10):
        top, left = label // 5 * 32 + 4, label % 5 * 32 + 4
        assert (mosaic[top : top + 28, left : left + 28] == label).all()


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (32, 200), (200, 32), (300, 300), (1, 1000), (1000, 1)])
@pytest.mark.parametrize("classes", [2, 26, 1000])
def test_image_is_small_but_can_be_seen(classes: int, shape: tuple[int, int]) -> None:
    """Each epoch may have one; of a thousand classes the first 100 are in it."""
    image = weight_images.series_image(np.ones((classes, *shape), np.float32), limit=1.0)
    assert 40 <= min(image.shape[:2]) <= max(image.shape[:2]) < 1200
    red = (image[..., 0] > image[..., 2].astype(int) + 50).mean()
    assert red > 0.4  # the rest are frames, and what is left of the last row
    assert weight_images.shown(classes) == ("each class" if classes <= 100 else "the first 100 of 1000 classes")


def test_large_templates_are_averaged() -> None:
    """Every so many-th weight alone would be chance."""
    templates = np.zeros((10, 1120, 1120), np.float32)
    templates[:, ::10, ::10] = 100
    image = weight_images.series_image(templates, limit=1.0)
    assert image.shape == (2 * 116 + 4, 5 * 116 + 4, 3)
    assert tuple(image[50, 50]) == tuple(weight_images.series_image(np.ones((10, 1, 1), np.float32), 1.0)[50, 50])


def test_names_stand_over_the_templates(tmp_path: Path, written: list[Figure]) -> None:
    """As text, whatever is in it; in the corner only where they are as short as digits."""
    for names in (list("0123456789"), ["T-shirt/top", "$x_1$", *"23456789"]):
        weight_images.draw(ZEROS, names, "Weights", tmp_path / "weights.png")
        paper = written[-1].axes[0]
        assert [text.get_text() for text in paper.texts] == names
        assert not any(text.get_parse_math() for text in paper.texts)
        inside = [
            image.get_extent()[2] < text.get_position()[1] < image.get_extent()[3]
            for text, image in zip(paper.texts, paper.images, strict=True)
        ]
        assert inside == [len(names[0]) == 1] * 10


def test_image_is_rgb_bytes() -> None:
    """MLflow scales float images one by one; bytes stay as they are."""
    image = weight_images.series_image(ZEROS[:, :8, :8], limit=1.0)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


def test_figure_is_a_readable_png_and_the_same_each_time(tmp_path: Path) -> None:
    """Also for weights that are all zero, whose scale would be empty; equal bytes keep dvc.lock still."""
    for name in ("one.png", "two.png"):
        weight_images.draw(ZEROS, list("0123456789"), "Weights", tmp_path / name)
    with Image.open(tmp_path / "one.png") as image:
        assert image.size[0] == 800
        assert image.size[1] > 200
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
