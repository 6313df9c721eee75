"""Weight images: the colour scale, the order of the templates, and their sizes."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pipeline.training import weight_images

ZEROS = np.zeros((10, 28, 28), np.float32)
TOP_LEFT = (4, 4)  # the first pixel of the first template, beside its frame; a weight has four pixels


def test_zero_is_white_and_signs_have_their_colours() -> None:
    """Negative weights are blue, positive weights are red, and zero is white."""
    templates = ZEROS.copy()
    templates[0, 0, :3] = 0, 5, -5
    row = weight_images.series_image(templates, limit=1.0)[4]
    zero, red, blue = row[4], row[8], row[12]
    assert tuple(zero) == (255, 255, 255)
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_same_weight_has_the_same_colour_in_every_image() -> None:
    """The colour scale does not depend on the other weights, so that images of epochs and runs can be compared."""
    templates = ZEROS.copy()
    templates[0, 0, 0] = 0.5
    alone = weight_images.series_image(templates, limit=1.0)[TOP_LEFT]
    templates[3, 5, 5] = 100.0
    np.testing.assert_array_equal(weight_images.series_image(templates, limit=1.0)[TOP_LEFT], alone)


def test_mosaic_has_the_templates_in_the_order_of_the_classes() -> None:
    """The mosaic has five templates per row."""
    templates = np.stack([np.full((28, 28), label, np.float32) for label in range(10)])
    mosaic = weight_images.mosaic(templates, 5)
    assert mosaic.shape == (2 * 32 + 4, 5 * 32 + 4)
    for label in range(10):
        top, left = label // 5 * 32 + 4, label % 5 * 32 + 4
        assert (mosaic[top : top + 28, left : left + 28] == label).all()


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (32, 200), (200, 32), (300, 300), (1, 1000), (1000, 1)])
@pytest.mark.parametrize("classes", [2, 26, 1000])
def test_image_size_is_limited(classes: int, shape: tuple[int, int]) -> None:
    """An image has 40 to 1,200 pixels on each side for every template shape. It shows at most 100 classes."""
    image = weight_images.series_image(np.ones((classes, *shape), np.float32), limit=1.0)
    assert 40 <= min(image.shape[:2]) <= max(image.shape[:2]) < 1200
    red = (image[..., 0] > image[..., 2].astype(int) + 50).mean()
    assert red > 0.4  # the rest are frames and the empty places of the last row
    assert weight_images.shown(classes) == ("each class" if classes <= 100 else "the first 100 of 1000 classes")


def test_large_templates_are_averaged() -> None:
    """Templates larger than their place are scaled down by averages, not by picking single weights."""
    templates = np.zeros((10, 1120, 1120), np.float32)
    templates[:, ::10, ::10] = 100
    image = weight_images.series_image(templates, limit=1.0)
    assert image.shape == (2 * 116 + 4, 5 * 116 + 4, 3)
    assert tuple(image[50, 50]) == tuple(weight_images.series_image(np.ones((10, 1, 1), np.float32), 1.0)[50, 50])


def test_templates_have_their_class_names(tmp_path: Path, written: list[Figure]) -> None:
    """Names are drawn as plain text, never as formulas. Single characters stand in the corner, longer names above."""
    for names in (list("0123456789"), ["T-shirt/top", "$x_1$", *"23456789"]):
        weight_images.draw(ZEROS, names, "Weights", tmp_path / "weights.png")
        axes = written[-1].axes[0]
        assert [text.get_text() for text in axes.texts] == names
        assert not any(text.get_parse_math() for text in axes.texts)
        inside = [
            image.get_extent()[2] < text.get_position()[1] < image.get_extent()[3]
            for text, image in zip(axes.texts, axes.images, strict=True)
        ]
        assert inside == [len(names[0]) == 1] * 10


def test_image_is_rgb_bytes() -> None:
    """MLflow rescales each float image, but logs uint8 images unchanged."""
    image = weight_images.series_image(ZEROS[:, :8, :8], limit=1.0)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


def test_figure_is_a_reproducible_png(tmp_path: Path) -> None:
    """Equal weights give equal bytes, so that dvc.lock does not change. All-zero weights can be drawn too."""
    for name in ("one.png", "two.png"):
        weight_images.draw(ZEROS, list("0123456789"), "Weights", tmp_path / name)
    with Image.open(tmp_path / "one.png") as image:
        assert image.size[0] == 800
        assert image.size[1] > 200
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
