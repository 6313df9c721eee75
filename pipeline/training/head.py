"""One head of a bank: what a job asks for, and how far its training is."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.core import config
from pipeline.core.errors import Diverged
from pipeline.data.images import LabelledImages
from pipeline.model.metrics import Score
from pipeline.model.quiet_keras import keras
from pipeline.training import early_stopping
from pipeline.training.bank import Floats, set_rows


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; `valid` is absent where training stopped before its end."""

    number: int
    train: Score  # over the epoch's minibatches, each before its update
    valid: Score | None


@dataclass(frozen=True)
class Fit:
    """The result of training: the best epoch's number and validation score, and all epochs that were begun."""

    best_epoch: int
    best: Score
    history: list[Epoch]


@dataclass(frozen=True)
class Head:
    """A model to be trained: a plain one (softmax.build) with its initial weights, its data and its settings.

    `on_epoch` is told each epoch, and the weights W after it as rows, float32 (classes, pixels).
    """

    model: keras.Model
    train: LabelledImages
    valid: LabelledImages
    settings: config.Train
    seed: int  # of the order of the minibatches
    on_epoch: Callable[[Epoch, Floats], Any]


class Progress:
    """How far a head's training is. `failure` is why it ended early: it diverged, or `on_epoch` raised it."""

    def __init__(self, number: int, head: Head, rows: Floats, updates: int) -> None:
        self.number = number
        self.head = head
        self.rows = rows  # of the best epoch, float32 (classes, pixels + 1)
        self.most = head.settings.epochs * updates
        self.stopping = early_stopping.rule(head.settings)
        self.best_epoch, self.best = 0, Score(math.inf, math.inf)
        self.history: list[Epoch] = []
        self.failure: Exception | None = None

    def left(self, updates: int) -> float:
        """How many updates may follow after so many."""
        cut_short = bool(self.history) and self.history[-1].valid is None
        if self.failure or cut_short:
            return 0
        return max(0, min(self.stopping.updates_left(updates), self.most - updates))

    def observe(self, epoch: Epoch, rows: Floats, updates: int) -> None:
        """Take note of an epoch and of the weights after it, with biases, and tell of it unless it diverged."""
        try:
            self._check(epoch, rows)
            self.history.append(epoch)
            if epoch.valid is not None:
                self.stopping.observe(updates, epoch.valid.error)
                if epoch.valid.error < self.best.error:
                    self.best_epoch, self.best, self.rows = epoch.number, epoch.valid, rows.copy()
            self.head.on_epoch(epoch, rows[:, :-1])
        except Exception as error:  # noqa: BLE001 - one head's end is not its neighbours': it is told where the head is
            self.failure = error

    def outcome(self) -> Fit | Exception:
        """What came of it; its model gets the weights of its best epoch."""
        set_rows(self.head.model, self.rows)
        return self.failure or Fit(self.best_epoch, self.best, self.history)

    def _check(self, epoch: Epoch, rows: Floats) -> None:
        for name, found in (("training", epoch.train), ("validation", epoch.valid)):
            if found is not None and not math.isfinite(found.loss):
                raise self._diverged(f"the {name} loss is {found.loss}", epoch)
        if not np.isfinite(rows).all():
            raise self._diverged("a weight is not finite", epoch)

    def _diverged(self, what: str, epoch: Epoch) -> Diverged:
        rate = self.head.settings.learning_rate
        return Diverged(f"{what} in epoch {epoch.number}: choose a train.learning_rate below {rate:g}")
