"""The tutorial's early stopping, against its own loop written out."""

import numpy as np
import pytest

from pipeline.core.config import UpdatePatience as Settings
from pipeline.training.early_stopping import EpochPatience, UpdatePatience


def tutorial(errors: list[float], updates_an_epoch: int, settings: Settings) -> int:
    """How many updates the loop of sgd_optimization_mnist makes for these validation errors, one an epoch."""
    patience: float = settings.updates
    best = np.inf
    for update in range(len(errors) * updates_an_epoch):
        if (update + 1) % updates_an_epoch == 0:
            error = errors[update // updates_an_epoch]
            if error < best:
                if error < best * settings.improvement:
                    patience = max(patience, update * settings.increase)
                best = error
        if patience <= update:
            return update + 1
    return len(errors) * updates_an_epoch


@pytest.mark.parametrize("seed", range(20))
def test_update_patience_stops_where_the_tutorial_does(seed: int) -> None:
    """To the update, for falling and noisy errors."""
    random = np.random.default_rng(seed)
    errors = list(0.5 * 0.97 ** np.arange(60) + random.uniform(0, 0.05, 60))
    settings = Settings(updates=int(random.integers(50, 400)), increase=1.5, improvement=0.995)
    rule, updates = UpdatePatience(settings), 0
    for error in errors:
        now = int(min(17, rule.updates_left(updates)))
        updates += max(0, now)
        if now < 17:
            break
        rule.observe(updates, error)
    assert updates == tutorial(errors, 17, settings)


def test_epoch_patience_counts_epochs_since_the_best() -> None:
    """Equal is not better."""
    rule = EpochPatience(2)
    left = []
    for epoch, error in enumerate([0.5, 0.4, 0.4, 0.3, 0.3, 0.31], start=1):
        rule.observe(epoch, error)
        left.append(rule.updates_left(epoch))
    assert [value == 0 for value in left] == [False, False, False, False, False, True]
