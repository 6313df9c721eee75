"""Predictions as a file."""

from pathlib import Path

import numpy as np

from pipeline.data.images import LabelledImages
from pipeline.evaluation.predictions import Predictions


def test_file_has_a_row_an_image(tmp_path: Path) -> None:
    """In the images' order, probabilities with six digits: the last bits differ between processors."""
    data = LabelledImages(np.zeros((3, 2, 2), np.uint8), np.array([7, 1, 0], np.uint8))
    seen = Predictions(data, np.array([7, 2, 0]), np.array([1 / 3, 0.99999994, 0.25]))
    np.testing.assert_array_equal(seen.right, [True, False, True])
    seen.write(tmp_path / "predictions.csv")
    assert (tmp_path / "predictions.csv").read_text().splitlines() == [
        "image,label,predicted,probability",
        "0,7,7,0.333333",
        "1,1,2,1",
        "2,0,0,0.25",
    ]
