"""The learning curves."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation import learning_curves
from tests.support.pictures import pixels

HEADER = "epoch,train/loss,train/error,valid/loss,valid/error\n"


def test_history_is_read_as_columns(tmp_path: Path) -> None:
    """An epoch without validation has NaN. A single epoch is also read as columns."""
    file = tmp_path / "history.csv"
    file.write_text(HEADER + "1,0.5,0.1,0.4,0.09\n2,0.3,0.08,,\n")
    history = learning_curves.read(file)
    np.testing.assert_array_equal(history["epoch"], [1, 2])
    np.testing.assert_array_equal(history["valid/error"], [0.09, np.nan])
    file.write_text(HEADER + "1,0.5,0.1,0.4,0.09\n")
    assert learning_curves.read(file)["train/loss"].tolist() == [0.5]


@pytest.mark.parametrize("best", [1, 5, 10])
def test_best_epoch_is_marked(tmp_path: Path, best: int) -> None:
    """The first one with the lowest validation error. Epochs without validation, as the last here, are ignored."""
    epochs = np.arange(1.0, 12)
    valid = 0.2 + 0.01 * abs(epochs - best)
    valid[-1] = np.nan
    history = {"epoch": epochs, "train/loss": 1 / epochs, "train/error": 0.1 / epochs, "valid/loss": 5 * valid}
    learning_curves.draw(history | {"valid/error": valid}, "a$b_$c", tmp_path / "curves.png")
    grey = (abs(pixels(tmp_path / "curves.png")[60:400, 80:530] - 128) < 12).all(axis=2).sum(axis=0)
    expected = 75 + 460 * (1 + 20 * (best - 1) / 10) / 22  # the axis has a margin of a 22nd at both ends
    assert 80 + grey.argmax() == pytest.approx(expected, abs=2)


def test_single_epoch_is_visible(tmp_path: Path) -> None:
    """As points: a line through one point is invisible."""
    history = {"epoch": np.ones(1)} | {
        f"{part}/{name}": np.ones(1) for part in ("train", "valid") for name in ("loss", "error")
    }
    learning_curves.draw(history, "one", tmp_path / "curves.png")
    picture = pixels(tmp_path / "curves.png")
    assert (picture[..., 0] - picture[..., 2] > 100).any()
