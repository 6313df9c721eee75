"""The reliability diagram."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation import calibration
from pipeline.evaluation.stats import calibration as measured
from tests.support.pictures import pixels

BOTTOM, UNIT = 490, 400 / 104  # pixels: where 0 % is, and how tall 1 % is


@pytest.mark.parametrize("right", [0.2, 0.5, 0.9])
def test_bar_is_as_tall_as_the_bin_is_right(tmp_path: Path, right: float) -> None:
    """100 images with a probability of 96 %."""
    found = measured(np.full(100, 0.96), np.arange(100) < 100 * right, bins=10)
    calibration.draw(found, "a$b_$c", tmp_path / "calibration.png")
    picture = pixels(tmp_path / "calibration.png")
    column = picture[91:489, 80 + 546]  # in the last bin, beside the dot
    blue = np.flatnonzero(column[:, 2] - column[:, 0] > 30)
    assert 91 + blue.min() == pytest.approx(BOTTOM - 100 * right * UNIT, abs=2)


def test_bins_without_images_are_empty(tmp_path: Path) -> None:
    """NaN is not drawn."""
    found = measured(np.full(100, 0.96), np.arange(100) < 50)
    calibration.draw(found, "one bin", tmp_path / "calibration.png")
    picture = pixels(tmp_path / "calibration.png")[92:668, 82:600]
    assert not (picture[..., 2] - picture[..., 0] > 30).any()
