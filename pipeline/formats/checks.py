"""The data set in data/, checked and parsed."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic import sha256
from pipeline.core.config import MAX_CLASSES, MIN_CLASSES, Data, Files
from pipeline.core.errors import UserError
from pipeline.data.images import LabelledImages
from pipeline.formats import layouts
from pipeline.formats.layouts import IdxFiles, Layout, Pair, Stored


class Sets(NamedTuple):
    """The training set, the test set if there is one, and the classes' names in the order of the labels."""

    training: LabelledImages
    test: LabelledImages | None
    classes: list[str]


def read(data: Data, folder: Path) -> Sets:
    """The sets that stage fetch has left in `folder`.

    Raises:
        UserError: a file is missing, is not the one that the configuration names, or is not sound.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not there: run `dvc repro data.dvc`")
    layout = layouts.find(folder, "") if data.files is None else _published(data.name, data.files, folder)
    return checked(layout.read(), data, folder)


def _published(name: str, files: Files, folder: Path) -> Layout:
    four = (files.train_images, files.train_labels, files.test_images, files.test_labels)
    for file in four:
        path = folder / file.name
        if not path.is_file():
            raise UserError(f"{path} is not there: run `dvc repro data.dvc`")
        if sha256(path) != file.sha256:
            raise UserError(f"{path} is not the file that data={name} names (SHA-256): run `dvc repro data.dvc`")
    return IdxFiles(*(folder / file.name for file in four))


def checked(stored: Stored, data: Data, where: Path) -> Sets:
    """What is stored, as images that are upright and labels that count from 0.

    Raises:
        UserError: images, labels and classes do not fit together; the message names `where`.
    """
    training, test = stored.training, stored.test
    _check_pair(training, "training", data.first_label, where)
    classes = _names(stored, data, where)
    _check_classes(training.labels - data.first_label, classes, data.first_label, where)
    found = _labelled(training, data, len(classes))
    if test is None:
        return Sets(found, None, classes)
    _check_pair(test, "test", data.first_label, where)
    if test.images.shape[1:] != training.images.shape[1:]:
        raise UserError(f"{where}: training images are {_size(training)} pixels, test images {_size(test)}")
    if test.labels.max() >= len(classes) + data.first_label:
        raise UserError(f"{where}: test label {test.labels.max()} is not among the {len(classes)} classes")
    return Sets(found, _labelled(test, data, len(classes)), classes)


def _names(stored: Stored, data: Data, where: Path) -> list[str]:
    if stored.classes is not None:
        if data.classes is not None:
            raise UserError(f"{where}: data.classes must be null, as the folders of pictures name their classes")
        return stored.classes
    if data.classes is not None:
        return data.classes
    last = int(stored.training.labels.max())
    _check_number(last - data.first_label + 1, where)  # first, as any number may stand in a file
    return [str(label) for label in range(data.first_label, last + 1)]


def _check_pair(pair: Pair, name: str, first: int, where: Path) -> None:
    if len(pair.images) != len(pair.labels):
        raise UserError(f"{where}: {len(pair.images)} {name} images, and {len(pair.labels)} labels")
    if not pair.images.size:
        raise UserError(f"{where}: the {name} set is empty")
    if pair.labels.min() < first:
        raise UserError(f"{where}: {name} label {pair.labels.min()} is below data.first_label={first}")


def _check_number(classes: int, where: Path) -> None:
    if not MIN_CLASSES <= classes <= MAX_CLASSES:
        number = "one class" if classes == 1 else f"{classes} classes"
        raise UserError(f"{where} has {number}: a model tells {MIN_CLASSES} to {MAX_CLASSES} apart")


def _check_classes(labels: npt.NDArray[Any], classes: list[str], first: int, where: Path) -> None:
    _check_number(len(classes), where)
    if labels.max() >= len(classes):
        raise UserError(f"{where}: training label {labels.max() + first} is not among the {len(classes)} classes")
    empty = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
    if len(empty):
        hint = f"; do labels count from {labels.min() + first} (data.first_label)?" if empty[0] == 0 else ""
        raise UserError(f"{where}: class {classes[empty[0]]} (label {empty[0] + first}) has no training image{hint}")


def _labelled(pair: Pair, data: Data, classes: int) -> LabelledImages:
    images = pair.images.transpose(0, 2, 1) if data.transposed else pair.images
    # A byte where it suffices, as for nearly all data.
    labels = (pair.labels - data.first_label).astype(np.min_scalar_type(classes - 1))
    return LabelledImages(np.ascontiguousarray(images), labels)


def _size(pair: Pair) -> str:
    return "x".join(map(str, pair.images.shape[1:]))
