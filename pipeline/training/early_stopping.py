"""Early stopping. Both rules see the validation error after each epoch and limit the updates that may follow."""

import math
from typing import Protocol

from pipeline.core import config


class EarlyStopping(Protocol):
    """A rule of early stopping."""

    def observe(self, updates: int, error: float) -> None:
        """Record the validation error, a fraction, after this number of updates."""

    def updates_left(self, updates: int) -> float:
        """How many updates may follow after this number of updates; infinite while the rule sets no limit."""


def from_settings(train: config.Train) -> EarlyStopping:
    """The rule that the configuration chooses."""
    if train.early_stopping == "updates":
        return UpdatePatience(train.update_patience)
    return EpochPatience(train.patience)


class EpochPatience:
    """Stop after `patience` epochs without a lower validation error."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = math.inf
        self.epochs_since_best = 0

    def observe(self, updates: int, error: float) -> None:
        """Count the epochs since the best one."""
        self.epochs_since_best = 0 if error < self.best else self.epochs_since_best + 1
        self.best = min(self.best, error)

    def updates_left(self, updates: int) -> float:
        """Zero once patience is used up."""
        return 0 if self.epochs_since_best >= self.patience else math.inf


class UpdatePatience:
    """The rule of "Classifying MNIST digits using Logistic Regression" (deeplearning.net), sgd_optimization_mnist.

    The tutorial checks its patience after every update, counted from 0, so training may stop within an epoch.
    """

    def __init__(self, settings: config.UpdatePatience) -> None:
        self.settings = settings
        self.patience: float = settings.updates
        self.best = math.inf

    def observe(self, updates: int, error: float) -> None:
        """Extend the patience where the error is clearly below the best one."""
        if error < self.best * self.settings.improvement:
            self.patience = max(self.patience, (updates - 1) * self.settings.increase)
        self.best = min(self.best, error)

    def updates_left(self, updates: int) -> float:
        """Up to and including the first update whose number, from 0, reaches the patience."""
        return math.ceil(self.patience) + 1 - updates
