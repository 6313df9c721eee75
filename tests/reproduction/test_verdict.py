"""Verdicts on two trainings: identical, equal within the tolerance, or different."""

import csv
from pathlib import Path

import keras
import pytest

from pipeline.core.atomic import sha256
from pipeline.model import keras_file, softmax
from pipeline.reproduction.verdict import Verdict, first_difference, judge


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with the same model and history."""
    model = softmax.build(64, 10, 255.0, "glorot_uniform", 1)
    for name in ("old", "again"):
        keras_file.save(model, tmp_path / name / "model.keras")
        write_history(tmp_path / name, [0.5, 0.4, 0.3])
    return tmp_path / "old", tmp_path / "again"


def write_history(folder: Path, losses: list[float]) -> None:
    with (folder / "history.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["epoch", "train/loss"], *enumerate(losses, 1)])


def change(folder: Path, by: float) -> None:
    model = keras.models.load_model(folder / "model.keras")
    kernel, bias = model.get_weights()
    kernel[3, 3] += by
    model.set_weights([kernel, bias])
    keras_file.save(model, folder / "model.keras")


def verdict(folders: tuple[Path, Path], digest: str | None = None) -> Verdict:
    old, again = folders
    return judge(old / "model.keras", old / "history.csv", again, digest or sha256(old / "model.keras"))


def test_same_bytes_and_same_weights_are_identical(folders: tuple[Path, Path]) -> None:
    """The weights decide: another Keras may write another file."""
    digest = sha256(folders[0] / "model.keras")
    assert verdict(folders) == (True, f"identical: the same model to the byte, SHA-256 {digest}", 0.0)
    other_file = verdict(folders, "of another file")
    assert other_file.message.startswith("identical: the same weights to the bit")
    assert other_file.largest_difference == 0


def test_small_difference_is_equal_within_the_tolerance(folders: tuple[Path, Path]) -> None:
    """Other kernels for the same product may differ so much: no failure, but not identical."""
    change(folders[1], 5e-6)
    same, line, largest = verdict(folders)
    assert same
    assert line.startswith("equal within 1e-5: the largest difference of a weight is ")
    assert largest == pytest.approx(5e-6, rel=0.01)


def test_another_model_is_different_from_an_epoch_on(folders: tuple[Path, Path]) -> None:
    """The message has the largest difference, and the first epoch and metric that differ."""
    change(folders[1], 0.25)
    write_history(folders[1], [0.5, 0.41, 0.3])
    same, line, largest = verdict(folders)
    assert not same
    assert largest == pytest.approx(0.25)
    assert line.startswith("different: the largest difference of a weight is 2.5e-01; ")
    assert line.endswith("; it first differs in epoch 2: train/loss 0.41 instead of 0.4")


def test_other_shapes_are_different(folders: tuple[Path, Path]) -> None:
    """The models were trained on other data."""
    keras_file.save(softmax.build(49, 10, 255.0, "zeros", 1), folders[1] / "model.keras")
    assert verdict(folders) == (False, "different: the models have other shapes", None)


def test_histories_may_differ_only_in_length(folders: tuple[Path, Path]) -> None:
    """For example, if early stopping has changed."""
    old, again = folders
    assert first_difference(old / "history.csv", again) == "all metrics of all epochs are the same"
    write_history(again, [0.5, 0.4])
    assert first_difference(old / "history.csv", again) == "its first 2 epochs are the same, then one of them ends"
