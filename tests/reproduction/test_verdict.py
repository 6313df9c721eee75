"""Whether two trainings came to the same: to the byte, nearly, or not."""

import csv
from pathlib import Path

import pytest

from pipeline.core.atomic import sha256
from pipeline.model import keras_file, softmax
from pipeline.reproduction.verdict import first_difference, judge


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with the same model and history."""
    model = softmax.build(64, 10, 255.0, "glorot_uniform", 1)
    for name in ("was", "again"):
        keras_file.save(model, tmp_path / name / "model.keras")
        write_history(tmp_path / name, [0.5, 0.4, 0.3])
    return tmp_path / "was", tmp_path / "again"


def write_history(folder: Path, losses: list[float]) -> None:
    with (folder / "history.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["epoch", "train/loss"], *enumerate(losses, 1)])


def change(folder: Path, by: float) -> None:
    model = keras_file.load(folder / "model.keras")
    kernel, bias = model.get_weights()
    kernel[3, 3] += by
    model.set_weights([kernel, bias])
    keras_file.save(model, folder / "model.keras")


def told(folders: tuple[Path, Path], known: str | None = None) -> tuple[bool, str]:
    was, again = folders
    digest = sha256(was / "model.keras") if known is None else known
    return judge(was / "model.keras", was / "history.csv", again, digest)


def test_same_bytes_and_same_weights_are_identical(folders: tuple[Path, Path]) -> None:
    """Another Keras may write another file; the weights decide."""
    assert told(folders) == (
        True,
        f"identical: the same model to the byte, SHA-256 {sha256(folders[0] / 'model.keras')}",
    )
    assert told(folders, known="of a file that another Keras wrote")[1].startswith(
        "identical: the same weights to the bit"
    )


def test_nearly_the_same_is_told_with_its_difference(folders: tuple[Path, Path]) -> None:
    """What another kernel for the same product may come to is no failure, and not called identical."""
    change(folders[1], 5e-6)
    same, line = told(folders)
    assert same
    assert line.startswith("equal within 1e-5: the largest difference of a weight is ")


def test_another_model_is_told_with_where_it_first_differs(folders: tuple[Path, Path]) -> None:
    """By how much, and from which epoch on."""
    change(folders[1], 0.25)
    write_history(folders[1], [0.5, 0.41, 0.3])
    same, line = told(folders)
    assert not same
    assert line.startswith("different: the largest difference of a weight is 2.5e-01; ")
    assert line.endswith("; it first differs in epoch 2: train/loss 0.41 instead of 0.4")


def test_other_shapes_are_told(folders: tuple[Path, Path]) -> None:
    """Other data: there is nothing to subtract."""
    keras_file.save(softmax.build(49, 10, 255.0, "zeros", 1), folders[1] / "model.keras")
    assert told(folders) == (False, "different: the models have other shapes")


def test_histories_may_differ_in_length_only(folders: tuple[Path, Path]) -> None:
    """As where early stopping has changed."""
    was, again = (folder / "history.csv" for folder in folders)
    assert first_difference(was, again) == "all metrics of all epochs are the same"
    write_history(folders[1], [0.5, 0.4])
    assert first_difference(was, again) == "its first 2 epochs are the same, then one of them ends"
    assert [array.shape for array in keras_file.weights(folders[0] / "model.keras")] == [(64, 10), (10,)]
