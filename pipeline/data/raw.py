"""The published files in data/, checked and parsed."""

from pathlib import Path

from pipeline.config import Data, File
from pipeline.data import idx
from pipeline.data.labelled import LabelledImages
from pipeline.errors import UserError
from pipeline.files import sha256


def read(data: Data, folder: Path) -> tuple[LabelledImages, LabelledImages]:
    """The training and the test set.

    Raises:
        UserError: a file is missing, is not the one that the configuration names, or is no sound IDX file.
    """
    training = _pair(data, folder, data.files.train_images, data.files.train_labels)
    test = _pair(data, folder, data.files.test_images, data.files.test_labels)
    if training.images.shape[1:] != test.images.shape[1:]:
        raise UserError(f"{folder}: training images are {_size(training)} pixels, test images {_size(test)}")
    return training, test


def _pair(data: Data, folder: Path, images: File, labels: File) -> LabelledImages:
    for file in (images, labels):
        path = folder / file.name
        if path.is_file() and sha256(path) != file.sha256:
            raise UserError(f"{path} is not the file that data={data.name} names (SHA-256): run `dvc repro data.dvc`")
    pair = LabelledImages(idx.read(folder / images.name, 3), idx.read(folder / labels.name, 1))
    if len(pair.images) != len(pair.labels):
        raise UserError(
            f"{folder}: {images.name} has {len(pair.images)} images, {labels.name} has {len(pair.labels)} labels"
        )
    return pair


def _size(data: LabelledImages) -> str:
    return "x".join(map(str, data.images.shape[1:]))
