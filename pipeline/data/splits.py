"""Training and validation sets."""

import numpy as np
import numpy.typing as npt

from pipeline.config import Split
from pipeline.errors import UserError


def split(labels: npt.NDArray[np.uint8], how: Split) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Row numbers of the training and of the validation images.

    In file order, the validation images are the last ones, as in the tutorial; shuffled, they are a seeded choice in
    which each class keeps its share.

    Raises:
        UserError: the data are too few for that many validation images.
    """
    rows = np.arange(len(labels))
    if how.validation >= len(labels):
        raise UserError(
            f"data.split.validation={how.validation} is not allowed: the training set has {len(labels)} images, "
            f"so it must be at most {len(labels) - 1}"
        )
    if not how.shuffle:
        return rows[: -how.validation], rows[-how.validation :]
    from sklearn.model_selection import train_test_split  # seconds to import

    try:
        train, valid = train_test_split(rows, test_size=how.validation, stratify=labels, random_state=how.seed)
    except ValueError as error:
        raise UserError(f"data.split.validation={how.validation} cannot be stratified: {error}") from error
    return train, valid
