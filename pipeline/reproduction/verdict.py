"""Whether a model that was trained again is the one that it was."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.core.atomic import sha256

TOLERANCE = 1e-5  # of a weight: what other kernels for the same product come to


class Verdict(NamedTuple):
    """`same` where all weights are within the tolerance, and a line that tells."""

    same: bool
    told: str


def judge(model: Path, history: Path, again: Path, model_sha256: str) -> Verdict:
    """Hold a run's model file and history.csv (epochs' metrics) against the same two in the folder `again`."""
    if sha256(again / "model.keras") == model_sha256:
        return Verdict(same=True, told=f"identical: the same model to the byte, SHA-256 {model_sha256}")
    from pipeline.model import keras_file

    was, now = (keras_file.weights(path) for path in (model, again / "model.keras"))
    if [array.shape for array in was] != [array.shape for array in now]:
        return Verdict(same=False, told="different: the models have other shapes")
    if all(np.array_equal(first, second) for first, second in zip(was, now, strict=True)):
        return Verdict(same=True, told="identical: the same weights to the bit, in a file that another Keras wrote")
    largest = max(float(np.abs(first - second).max()) for first, second in zip(was, now, strict=True))
    if largest <= TOLERANCE:
        return Verdict(same=True, told=f"equal within 1e-5: the largest difference of a weight is {largest:.1e}")
    first = first_difference(history, again / "history.csv")
    return Verdict(same=False, told=f"different: the largest difference of a weight is {largest:.1e}; {first}")


def first_difference(history: Path, again: Path) -> str:
    """The first epoch and metric in which two history.csv differ."""
    was, now = (_rows(path) for path in (history, again))
    for old, new in zip(was, now, strict=False):
        for name, value in old.items():
            if new.get(name) != value:
                return f"it first differs in epoch {old['epoch']}: {name} {new.get(name)} instead of {value}"
    if len(was) != len(now):
        return f"its first {min(len(was), len(now))} epochs are the same, then one of them ends"
    return "all metrics of all epochs are the same"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
