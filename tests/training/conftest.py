"""Fixtures: the bundled digits as training and validation sets, and settings for them."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pipeline.core.config import Train, UpdatePatience
from pipeline.data.images import LabelledImages


@pytest.fixture(scope="session")
def sets() -> tuple[LabelledImages, LabelledImages]:
    """1,000 training and 300 validation images of 8x8 pixels."""
    digits = load_digits()
    data = LabelledImages((digits.images * 15).astype(np.uint8), digits.target.astype(np.uint8))
    return data[:1000], data[1000:1300]


@pytest.fixture
def settings() -> Train:
    """Three epochs, with a batch size that does not divide 1,000."""
    return Train(
        learning_rate=0.1,
        l2=0.0,
        batch_size=48,
        epochs=3,
        early_stopping="epochs",
        patience=10,
        update_patience=UpdatePatience(updates=5000, increase=2.0, improvement=0.995),
        shuffle=True,
        drop_last=False,
        report_test=False,
    )
