"""Predictions and their file."""

from pathlib import Path

import numpy as np

from pipeline.evaluation.predictions import Predictions


def test_file_has_one_row_per_image(tmp_path: Path) -> None:
    """With six digits of the probabilities, because the last bits differ between processors."""
    predictions = Predictions(np.array([7, 1, 0]), np.array([7, 2, 0]), np.array([1 / 3, 0.99999994, 0.25]))
    np.testing.assert_array_equal(predictions.correct, [True, False, True])
    predictions.write(tmp_path / "predictions.csv")
    assert (tmp_path / "predictions.csv").read_text().splitlines() == [
        "image,label,predicted,probability",
        "0,7,7,0.333333",
        "1,1,2,1",
        "2,0,0,0.25",
    ]
    read = Predictions.read(tmp_path / "predictions.csv")
    np.testing.assert_array_equal(read.labels, predictions.labels)
    np.testing.assert_array_equal(read.wrong, [False, True, False])
    np.testing.assert_allclose(read.probability, predictions.probability, rtol=1e-5)
