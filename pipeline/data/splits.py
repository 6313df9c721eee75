"""Training, validation and test sets."""

import numpy as np
import numpy.typing as npt

from pipeline.core.config import Split
from pipeline.core.errors import UserError
from pipeline.data.images import Labels

Rows = npt.NDArray[np.intp]


def split(labels: Labels, how: Split) -> tuple[Rows, Rows]:
    """Row numbers of the training and of the validation images.

    In file order, the validation images are the last ones, as in the tutorial; shuffled, they are a seeded choice in
    which each class keeps its share.

    Raises:
        UserError: the data are too few for that many validation images.
    """
    rows = np.arange(len(labels))
    number = how.validation if isinstance(how.validation, int) else max(1, round(how.validation * len(labels)))
    if number >= len(labels):
        raise UserError(
            f"data.split.validation={how.validation} is not allowed: the training set has {len(labels)} images, "
            f"so it must be at most {len(labels) - 1}"
        )
    if not how.shuffle:
        return rows[:-number], rows[-number:]
    return _stratified(labels, number, how.seed, f"data.split.validation={how.validation}")


def hold_out(labels: Labels, how: Split) -> tuple[Rows, Rows]:
    """Row numbers of what is left and of the test images, a seeded choice in which each class keeps its share.

    Raises:
        UserError: the data are too few.
    """
    number = max(1, round(how.test * len(labels)))
    return _stratified(labels, number, how.seed, f"data.split.test={how.test}")


def _stratified(labels: Labels, number: int, seed: int, setting: str) -> tuple[Rows, Rows]:
    from sklearn.model_selection import train_test_split  # seconds to import

    try:
        left, taken = train_test_split(np.arange(len(labels)), test_size=number, stratify=labels, random_state=seed)
    except ValueError as error:
        raise UserError(f"{setting} cannot be stratified: {error}") from error
    return left, taken
