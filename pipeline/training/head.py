"""A head of a bank: the model to train, its result, and the state of its training."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.core import config
from pipeline.core.errors import Diverged
from pipeline.data.images import LabelledImages
from pipeline.model.metrics import Score
from pipeline.model.quiet_keras import keras
from pipeline.training import early_stopping
from pipeline.training.bank import Floats, set_head_weights
from pipeline.training.epoch_pass import Wrong


@dataclass(frozen=True)
class Epoch:
    """The scores of one epoch. `valid` is None where training stopped within the epoch."""

    number: int
    train: Score  # over the epoch's minibatches, each before its update
    valid: Score | None


@dataclass(frozen=True)
class Fit:
    """The result of training.

    It has the number and validation score of the best epoch, all epochs that were begun, and whether the weights of the
    best epoch get each validation image wrong, bool (images,).
    """

    best_epoch: int
    best: Score
    history: list[Epoch]
    wrong: Wrong = field(compare=False)  # arrays have no truth value


@dataclass(frozen=True)
class Head:
    """A model (softmax.build) with its initial weights, its data and its settings.

    `on_epoch` is called after each epoch with the epoch and the weights, float32 (classes, pixels + 1), with the bias
    of each class at the end of its row. What it raises ends the head.
    """

    model: keras.Model
    train: LabelledImages
    valid: LabelledImages
    settings: config.Train
    seed: int  # of the order of the minibatches
    on_epoch: Callable[[Epoch, Floats], Any]


class HeadState:
    """The state of a head's training. `failure` is why it ended early: it diverged, or `on_epoch` raised it."""

    def __init__(self, number: int, head: Head, weights: Floats, updates_per_epoch: int) -> None:
        self.number = number
        self.head = head
        self.best_weights = weights  # float32 (classes, pixels + 1)
        self.max_updates = head.settings.epochs * updates_per_epoch
        self.stopping = early_stopping.from_settings(head.settings)
        self.best_epoch, self.best = 0, Score(math.inf, math.inf)
        self.best_wrong = np.zeros(0, bool)
        self.history: list[Epoch] = []
        self.failure: Exception | None = None

    def updates_left(self, updates: int) -> float:
        """How many updates may follow after this number of updates."""
        cut_short = bool(self.history) and self.history[-1].valid is None
        if self.failure or cut_short:
            return 0
        return max(0, min(self.stopping.updates_left(updates), self.max_updates - updates))

    def observe(self, epoch: Epoch, weights: Floats, updates: int, wrong: Wrong | None) -> None:
        """Record an epoch, and call `on_epoch`.

        Args:
            epoch: its scores.
            weights: those after it, float32 (classes, pixels + 1).
            updates: how many updates the head has made.
            wrong: whether it gets each validation image wrong, bool (images,); None where it was not validated.
        """
        try:
            self._check_finite(epoch, weights)
            self.history.append(epoch)
            if epoch.valid is not None and wrong is not None:
                self.stopping.observe(updates, epoch.valid.error)
                if epoch.valid.error < self.best.error:
                    self.best_epoch, self.best = epoch.number, epoch.valid
                    self.best_weights, self.best_wrong = weights.copy(), wrong.copy()
            self.head.on_epoch(epoch, weights)
        except Exception as error:  # noqa: BLE001 - it ends this head, and not its neighbours
            self.failure = error

    def outcome(self) -> Fit | Exception:
        """The result, or why there is none. The model gets the weights of the best epoch."""
        set_head_weights(self.head.model, self.best_weights)
        return self.failure or Fit(self.best_epoch, self.best, self.history, self.best_wrong)

    def _check_finite(self, epoch: Epoch, weights: Floats) -> None:
        for name, score in (("training", epoch.train), ("validation", epoch.valid)):
            if score is not None and not math.isfinite(score.loss):
                raise self._diverged(f"the {name} loss is {score.loss}", epoch)
        if not np.isfinite(weights).all():
            raise self._diverged("a weight is not finite", epoch)

    def _diverged(self, what: str, epoch: Epoch) -> Diverged:
        learning_rate = self.head.settings.learning_rate
        return Diverged(f"{what} in epoch {epoch.number}: choose a train.learning_rate below {learning_rate:g}")
