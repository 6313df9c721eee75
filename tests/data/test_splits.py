"""Validation images: how many, which, and in what shares."""

import numpy as np
import pytest

from pipeline.core.config import Split
from pipeline.core.errors import UserError
from pipeline.data.splits import hold_out, split

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 60)  # sorted by class: a split in file order sees the last ones only


def test_file_order_takes_the_last_images() -> None:
    """As in the tutorial: the first 50,000 of MNIST train, the last 10,000 validate."""
    train, valid = split(LABELS, Split(validation=100, shuffle=False, seed=1))
    np.testing.assert_array_equal(np.concatenate([train, valid]), np.arange(600))
    assert len(valid) == 100


def test_shuffled_split_keeps_each_class_share_and_every_image_once() -> None:
    """Data sorted by label must not leave classes out of either part."""
    train, valid = split(LABELS, Split(validation=100, shuffle=True, seed=1))
    np.testing.assert_array_equal(np.sort(np.concatenate([train, valid])), np.arange(600))
    np.testing.assert_array_equal(np.bincount(LABELS[valid]), np.full(10, 10))


def test_share_is_a_number_of_images() -> None:
    """Data of one's own have any number of them; a whole number stays one."""
    for validation in (0.1, 60):
        train, valid = split(LABELS, Split(validation=validation, shuffle=False, seed=1))
        assert (len(train), len(valid)) == (540, 60)


def test_test_images_are_held_out_of_every_class() -> None:
    """Where there is no test set: a seeded choice, none of which is trained on."""
    left, taken = hold_out(LABELS, Split(test=0.2, seed=1))
    np.testing.assert_array_equal(np.sort(np.concatenate([left, taken])), np.arange(600))
    np.testing.assert_array_equal(np.bincount(LABELS[taken]), np.full(10, 12))
    with pytest.raises(UserError, match=r"data\.split\.test=0\.2 cannot be stratified"):
        hold_out(np.array([0, 1, 1, 1, 1, 1], np.uint8), Split(test=0.2, seed=1))


def test_shuffled_split_is_of_its_seed() -> None:
    """The same seed gives the same images, another one others."""
    first, again, other = (split(LABELS, Split(validation=100, shuffle=True, seed=seed))[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("validation", [600, 601])
def test_validation_larger_than_the_data_is_refused(validation: int) -> None:
    """No image would be left to train on."""
    with pytest.raises(UserError, match=rf"data.split.validation={validation} .* has 600 images.* at most 599"):
        split(LABELS, Split(validation=validation, shuffle=False, seed=1))


def test_too_few_images_to_stratify_are_refused() -> None:
    """Nine images cannot hold ten classes."""
    with pytest.raises(UserError, match="cannot be stratified"):
        split(LABELS, Split(validation=9, shuffle=True, seed=1))
