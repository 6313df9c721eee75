"""Whether a model that was trained again equals the first one."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.core.atomic import sha256
from pipeline.model import keras_file

TOLERANCE = 1e-5  # of a weight: other kernels for the same product differ by no more


class Verdict(NamedTuple):
    """`same` if all weights are equal within the tolerance; `message` ends a sentence about the run.

    `largest_difference` is that of a weight; None if the models have other shapes.
    """

    same: bool
    message: str
    largest_difference: float | None


def judge(model: Path, history: Path, again: Path, model_sha256: str) -> Verdict:
    """Compare a run's model file and history.csv (metrics by epoch) with those in the folder `again`."""
    if sha256(again / "model.keras") == model_sha256:
        message = f"identical: the same model to the byte, SHA-256 {model_sha256}"
        return Verdict(same=True, message=message, largest_difference=0.0)
    old, new = ((read.kernel, read.bias) for read in map(keras_file.read, (model, again / "model.keras")))
    if [array.shape for array in old] != [array.shape for array in new]:
        return Verdict(same=False, message="different: the models have other shapes", largest_difference=None)
    if all(np.array_equal(first, second) for first, second in zip(old, new, strict=True)):
        message = "identical: the same weights to the bit, in a file that another Keras wrote"
        return Verdict(same=True, message=message, largest_difference=0.0)
    largest = max(float(np.abs(first - second).max()) for first, second in zip(old, new, strict=True))
    if largest <= TOLERANCE:
        message = f"equal within 1e-5: the largest difference of a weight is {largest:.1e}"
        return Verdict(same=True, message=message, largest_difference=largest)
    message = f"different: the largest difference of a weight is {largest:.1e}; {first_difference(history, again)}"
    return Verdict(same=False, message=message, largest_difference=largest)


def first_difference(history: Path, again: Path) -> str:
    """The first epoch and metric in which two history.csv differ; `again` is the folder of the second."""
    old, new = (_rows(path) for path in (history, again / "history.csv"))
    for old_row, new_row in zip(old, new, strict=False):
        for name, value in old_row.items():
            if new_row.get(name) != value:
                return f"it first differs in epoch {old_row['epoch']}: {name} {new_row.get(name)} instead of {value}"
    if len(old) != len(new):
        return f"its first {min(len(old), len(new))} epochs are the same, then one of them ends"
    return "all metrics of all epochs are the same"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
