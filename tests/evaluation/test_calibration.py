"""The reliability diagram."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation import calibration, stats
from tests.support.pictures import pixels

BOTTOM, UNIT = 490, 400 / 104  # pixels: the position of 0 %, and the height of 1 %


@pytest.mark.parametrize("accuracy", [0.2, 0.5, 0.9])
def test_height_of_a_bar_is_the_accuracy_of_the_bin(tmp_path: Path, accuracy: float) -> None:
    """For 100 images with a probability of 96 %."""
    bins = stats.calibration(np.full(100, 0.96), np.arange(100) < 100 * accuracy, bins=10)
    calibration.draw(bins, "a$b_$c", tmp_path / "calibration.png")
    picture = pixels(tmp_path / "calibration.png")
    column = picture[91:489, 80 + 546]  # in the last bin, beside the dot
    blue = np.flatnonzero(column[:, 2] - column[:, 0] > 30)
    assert 91 + blue.min() == pytest.approx(BOTTOM - 100 * accuracy * UNIT, abs=2)


def test_empty_bins_have_no_bars(tmp_path: Path) -> None:
    """NaN is not drawn."""
    bins = stats.calibration(np.full(100, 0.96), np.arange(100) < 50)
    calibration.draw(bins, "one bin", tmp_path / "calibration.png")
    picture = pixels(tmp_path / "calibration.png")[92:668, 82:600]
    assert not (picture[..., 2] - picture[..., 0] > 30).any()
