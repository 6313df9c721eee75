"""Which jobs of a sweep may train in one bank."""

import pytest

from pipeline.runs import command_line
from pipeline.sweep.bank_launcher import shared_settings


@pytest.mark.parametrize(
    ("jobs", "banks"),
    [
        (["model.seed=1", "model.seed=2"], 1),
        (["seed=1", "seed=2"], 2),
        (["seed=1 train.shuffle=false", "seed=2 train.shuffle=false"], 1),
        (["train.learning_rate=0.1", "train.l2=0.1", "train.update_patience.updates=9", "tracking.experiment=x"], 1),
        (["train.batch_size=48", "train.batch_size=64"], 2),
        (["model.pixel_divisor=1", "model.pixel_divisor=2"], 2),
    ],
)
def test_jobs_share_a_bank_where_they_share_a_pass(jobs: list[str], banks: int) -> None:
    """Settings of the pass over the data separate banks; settings of a head do not.

    `seed` shuffles the minibatches, so that it separates banks unless train.shuffle is false. `model.seed` does not.
    """
    assert len({shared_settings(command_line.settings(overrides.split())) for overrides in jobs}) == banks
