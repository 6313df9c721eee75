"""When training stops. Both rules see the validation error after each epoch and say how many updates are left."""

import math
from typing import Protocol

from pipeline.core import config


class EarlyStopping(Protocol):
    """A rule of early stopping."""

    def observe(self, updates: int, error: float) -> None:
        """Take note of the validation error, a fraction, after so many updates."""

    def updates_left(self, updates: int) -> float:
        """How many updates may follow after so many; infinite where the rule sets no end yet."""


def rule(train: config.Train) -> EarlyStopping:
    """The rule that the configuration asks for."""
    if train.early_stopping == "updates":
        return UpdatePatience(train.update_patience)
    return EpochPatience(train.patience)


class EpochPatience:
    """Stop after `patience` epochs without a better validation error."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = math.inf
        self.stale = 0

    def observe(self, updates: int, error: float) -> None:
        """Count the epochs since the best one."""
        self.stale = 0 if error < self.best else self.stale + 1
        self.best = min(self.best, error)

    def updates_left(self, updates: int) -> float:
        """None once patience is used up."""
        return 0 if self.stale >= self.patience else math.inf


class UpdatePatience:
    """The rule of "Classifying MNIST digits using Logistic Regression" (deeplearning.net), sgd_optimization_mnist.

    It looks at its patience after every update, counted from 0, so training may stop within an epoch.
    """

    def __init__(self, settings: config.UpdatePatience) -> None:
        self.settings = settings
        self.patience: float = settings.updates
        self.best = math.inf

    def observe(self, updates: int, error: float) -> None:
        """Extend the patience when the error is clearly better than the best."""
        if error < self.best * self.settings.improvement:
            self.patience = max(self.patience, (updates - 1) * self.settings.increase)
        self.best = min(self.best, error)

    def updates_left(self, updates: int) -> float:
        """Up to and including the first update whose number, from 0, reaches the patience."""
        return math.ceil(self.patience) + 1 - updates
