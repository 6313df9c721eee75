"""Parse and validate a data set."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic import sha256
from pipeline.core.config import MAX_CLASSES, MIN_CLASSES, Data, Files
from pipeline.core.errors import UserError
from pipeline.data.images import LabelledImages
from pipeline.formats import layouts
from pipeline.formats.layouts import IdxFiles, Layout, Pair, Stored, published_files


class Sets(NamedTuple):
    """The training set, the other sets that the data have, and the class names in the order of the labels."""

    training: LabelledImages
    validation: LabelledImages | None
    test: LabelledImages | None
    classes: list[str]


def read(data: Data, folder: Path) -> Sets:
    """Read the sets that stage fetch wrote to `folder`.

    Raises:
        UserError: a file is missing or invalid, or its SHA-256 is not the configured one.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not there: run `dvc repro data.dvc`")
    layout = layouts.detect(folder, "") if data.files is None else _verified(data.name, data.files, folder)
    return validate(layout.read(), data, folder)


def _verified(name: str, files: Files, folder: Path) -> Layout:
    for file in published_files(files):
        path = folder / file.name
        if not path.is_file():
            raise UserError(f"{path} is not there: run `dvc repro data.dvc`")
        if sha256(path) != file.sha256:
            raise UserError(f"{path} does not have the SHA-256 that data={name} names: run `dvc repro data.dvc`")
    return IdxFiles([folder / file.name for file in published_files(files)])


def validate(stored: Stored, data: Data, path: Path) -> Sets:
    """Return the stored data set with upright images and labels that count from 0.

    Raises:
        UserError: images, labels, classes and settings do not match. The message names `path`.
    """
    training = stored.training
    _check_pair(training, "training", data.first_label, path)
    classes = _class_names(stored, data, path)
    _check_classes(training.labels - data.first_label, classes, data.first_label, path)
    others = {"validation": stored.validation, "test": stored.test}
    for name, pair in others.items():
        if pair is not None:
            _check_other(pair, name, training, len(classes), data.first_label, path)
    if stored.validation is not None and data.split.validation is not None:
        raise UserError(
            f"{path} has a validation set of its own, so data.split.validation={data.split.validation} is not allowed: "
            "set data.split.validation=null to use it, or remove it from the data"
        )
    validation, test = (None if pair is None else _labelled(pair, data, len(classes)) for pair in others.values())
    return Sets(_labelled(training, data, len(classes)), validation, test, classes)


def _class_names(stored: Stored, data: Data, path: Path) -> list[str]:
    if stored.classes is not None:
        if data.classes is not None:
            raise UserError(f"{path}: data.classes must be null: the folders of pictures name the classes")
        return stored.classes
    if data.classes is not None:
        return data.classes
    last = int(stored.training.labels.max())
    _check_class_count(last - data.first_label + 1, path)  # before names are made: a file may hold any number
    return [str(label) for label in range(data.first_label, last + 1)]


def _check_pair(pair: Pair, name: str, first: int, path: Path) -> None:
    if len(pair.images) != len(pair.labels):
        raise UserError(f"{path}: {len(pair.images)} {name} images, but {len(pair.labels)} labels")
    if not pair.images.size:
        raise UserError(f"{path}: the {name} set is empty")
    if pair.labels.min() < first:
        raise UserError(f"{path}: {name} label {pair.labels.min()} is below data.first_label={first}")


def _check_other(pair: Pair, name: str, training: Pair, classes: int, first: int, path: Path) -> None:
    """Check a validation or test set against the training set."""
    _check_pair(pair, name, first, path)
    if pair.images.shape[1:] != training.images.shape[1:]:
        raise UserError(f"{path}: training images are {_size(training)} pixels, {name} images {_size(pair)}")
    if pair.labels.max() >= classes + first:
        raise UserError(f"{path}: {name} label {pair.labels.max()} is not among the {classes} classes")


def _check_class_count(classes: int, path: Path) -> None:
    if not MIN_CLASSES <= classes <= MAX_CLASSES:
        number = "one class" if classes == 1 else f"{classes} classes"
        raise UserError(f"{path} has {number}: a model needs {MIN_CLASSES} to {MAX_CLASSES} classes")


def _check_classes(labels: npt.NDArray[Any], classes: list[str], first: int, path: Path) -> None:
    _check_class_count(len(classes), path)
    if labels.max() >= len(classes):
        raise UserError(f"{path}: training label {labels.max() + first} is not among the {len(classes)} classes")
    empty = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
    if len(empty):
        hint = f"; do labels count from {labels.min() + first} (data.first_label)?" if empty[0] == 0 else ""
        raise UserError(f"{path}: class {classes[empty[0]]} (label {empty[0] + first}) has no training image{hint}")


def _labelled(pair: Pair, data: Data, classes: int) -> LabelledImages:
    images = pair.images.transpose(0, 2, 1) if data.transposed else pair.images
    # One byte is enough for up to 256 classes.
    labels = (pair.labels - data.first_label).astype(np.min_scalar_type(classes - 1))
    return LabelledImages(np.ascontiguousarray(images), labels)


def _size(pair: Pair) -> str:
    return "x".join(map(str, pair.images.shape[1:]))
