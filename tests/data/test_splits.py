"""Sizes and contents of training, validation and test sets."""

import numpy as np
import pytest

from pipeline.core.config import Split
from pipeline.core.errors import UserError
from pipeline.data.splits import hold_out, split

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 60)  # sorted by class, the worst case for a split in file order


def test_file_order_takes_the_last_images() -> None:
    """As in the tutorial: MNIST's last 10,000 training images validate."""
    train, valid = split(LABELS, Split(validation=100, shuffle=False, seed=1))
    np.testing.assert_array_equal(np.concatenate([train, valid]), np.arange(600))
    assert len(valid) == 100


def test_shuffled_split_is_stratified_and_complete() -> None:
    """Both parts have all classes, even if the data are sorted by label."""
    train, valid = split(LABELS, Split(validation=100, shuffle=True, seed=1))
    np.testing.assert_array_equal(np.sort(np.concatenate([train, valid])), np.arange(600))
    np.testing.assert_array_equal(np.bincount(LABELS[valid]), np.full(10, 10))


def test_validation_size_is_a_fraction_or_a_number() -> None:
    """A float is a fraction of the training set, an integer a number of images."""
    for validation in (0.1, 60):
        train, valid = split(LABELS, Split(validation=validation, shuffle=False, seed=1))
        assert (len(train), len(valid)) == (540, 60)


def test_without_a_size_a_fifth_validates() -> None:
    """Where data.split.validation is null, and the data have no validation set."""
    for shuffle in (False, True):
        pair = [split(LABELS, Split(validation=size, shuffle=shuffle, seed=1)) for size in (None, 0.2)]
        np.testing.assert_array_equal(pair[0][1], pair[1][1])


def test_held_out_test_set_is_stratified() -> None:
    """If the data have no test set, a part of the training images becomes one."""
    rest, test = hold_out(LABELS, Split(test=0.2, seed=1))
    np.testing.assert_array_equal(np.sort(np.concatenate([rest, test])), np.arange(600))
    np.testing.assert_array_equal(np.bincount(LABELS[test]), np.full(10, 12))
    with pytest.raises(UserError, match=r"data\.split\.test=0\.2 cannot be stratified"):
        hold_out(np.array([0, 1, 1, 1, 1, 1], np.uint8), Split(test=0.2, seed=1))


def test_shuffled_split_depends_on_its_seed() -> None:
    """Equal seeds give equal splits, other seeds other splits."""
    first, again, other = (split(LABELS, Split(validation=100, shuffle=True, seed=seed))[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("validation", [600, 601])
def test_validation_set_larger_than_the_data_is_refused(validation: int) -> None:
    """No image would remain for training."""
    with pytest.raises(UserError, match=rf"data.split.validation={validation} .* has 600 images.* at most 599"):
        split(LABELS, Split(validation=validation, shuffle=False, seed=1))


def test_too_few_images_to_stratify_are_refused() -> None:
    """A validation set of nine images cannot have ten classes."""
    with pytest.raises(UserError, match="cannot be stratified"):
        split(LABELS, Split(validation=9, shuffle=True, seed=1))
