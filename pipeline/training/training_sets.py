"""The data of a training job, and the checks of the settings against it. Imports neither TensorFlow nor MLflow."""

from typing import NamedTuple

from pipeline.core.config import Config, check_batch_size, check_update_patience
from pipeline.data import prepared
from pipeline.data.images import LabelledImages


class TrainingSets(NamedTuple):
    """The prepared sets, the names of the classes in the order of the labels, and DVC's MD5 of data/."""

    train: LabelledImages
    valid: LabelledImages
    test: LabelledImages
    class_names: list[str]
    data_md5: str


def read(config: Config) -> TrainingSets:
    """Read prepared/.

    Raises:
        UserError: prepared/ is missing or holds other data, or a setting does not fit the data.
    """
    train, valid, test = prepared.read(config, "train", "valid", "test")
    check_batch_size(config.train, training=len(train))
    if config.train.drop_last:
        check_batch_size(config.train, validation=len(valid), test=len(test))
    check_update_patience(config.train, len(train))
    return TrainingSets(train, valid, test, prepared.classes(config), prepared.data_md5())
