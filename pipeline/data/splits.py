"""Training, validation and test sets."""

import numpy as np
import numpy.typing as npt

from pipeline.core.config import Split
from pipeline.core.errors import UserError
from pipeline.data.images import Labels

Rows = npt.NDArray[np.intp]

VALIDATION_SHARE = 0.2  # of the training images, where data.split.validation is null


def split(labels: Labels, settings: Split) -> tuple[Rows, Rows]:
    """Return the row numbers of the training and of the validation images.

    Without shuffling, the last images validate, as in the Theano tutorial. With shuffling, the choice is seeded and
    stratified: each class keeps its share.

    Raises:
        UserError: the training set is too small for the validation set.
    """
    validation = VALIDATION_SHARE if settings.validation is None else settings.validation
    number = validation if isinstance(validation, int) else max(1, round(validation * len(labels)))
    if number >= len(labels):
        raise UserError(
            f"data.split.validation={validation} is not allowed: the training set has {len(labels)} images, "
            f"so it must be at most {len(labels) - 1}"
        )
    if settings.shuffle:
        return _stratified(labels, number, settings.seed, f"data.split.validation={validation}")
    rows = np.arange(len(labels))
    return rows[:-number], rows[-number:]


def hold_out(labels: Labels, settings: Split) -> tuple[Rows, Rows]:
    """Return the row numbers of the remaining and of the test images: a seeded, stratified choice.

    Raises:
        UserError: a class has too few images.
    """
    number = max(1, round(settings.test * len(labels)))
    return _stratified(labels, number, settings.seed, f"data.split.test={settings.test}")


def _stratified(labels: Labels, number: int, seed: int, setting: str) -> tuple[Rows, Rows]:
    from sklearn.model_selection import train_test_split  # seconds to import

    try:
        rest, held_out = train_test_split(np.arange(len(labels)), test_size=number, stratify=labels, random_state=seed)
    except ValueError as error:
        raise UserError(f"{setting} cannot be stratified: {error}") from error
    return rest, held_out
