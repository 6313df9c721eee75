"""Early stopping: the update rule against the tutorial's loop, and the epoch rule."""

import numpy as np
import pytest

from pipeline.core.config import UpdatePatience as Settings
from pipeline.training.early_stopping import EpochPatience, UpdatePatience


def tutorial_updates(errors: list[float], updates_per_epoch: int, settings: Settings) -> int:
    """Return the number of updates that the loop of sgd_optimization_mnist makes for one validation error per epoch."""
    patience: float = settings.updates
    best = np.inf
    for update in range(len(errors) * updates_per_epoch):
        if (update + 1) % updates_per_epoch == 0:
            error = errors[update // updates_per_epoch]
            if error < best:
                if error < best * settings.improvement:
                    patience = max(patience, update * settings.increase)
                best = error
        if patience <= update:
            return update + 1
    return len(errors) * updates_per_epoch


@pytest.mark.parametrize("seed", range(20))
def test_update_patience_stops_where_the_tutorial_does(seed: int) -> None:
    """Our rule and the tutorial's loop stop at the same update for falling, noisy errors."""
    random = np.random.default_rng(seed)
    errors = list(0.5 * 0.97 ** np.arange(60) + random.uniform(0, 0.05, 60))
    settings = Settings(updates=int(random.integers(50, 400)), increase=1.5, improvement=0.995)
    rule, updates = UpdatePatience(settings), 0
    for error in errors:
        epoch_updates = int(min(17, rule.updates_left(updates)))
        updates += max(0, epoch_updates)
        if epoch_updates < 17:
            break
        rule.observe(updates, error)
    assert updates == tutorial_updates(errors, 17, settings)


def test_epoch_patience_counts_epochs_since_the_best() -> None:
    """Training stops after `patience` epochs without a lower error. An equal error is no improvement."""
    rule = EpochPatience(2)
    updates_left = []
    for epoch, error in enumerate([0.5, 0.4, 0.4, 0.3, 0.3, 0.31], start=1):
        rule.observe(epoch, error)
        updates_left.append(rule.updates_left(epoch))
    assert [value == 0 for value in updates_left] == [False, False, False, False, False, True]
