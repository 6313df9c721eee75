"""Minibatch SGD of a bank on the mean negative log-likelihood: one compiled call an epoch for all of its heads."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from pipeline import config
from pipeline.data.labelled import LabelledImages
from pipeline.errors import Diverged
from pipeline.model import early_stopping
from pipeline.model.bank import Bank, Floats
from pipeline.model.measures import Score
from pipeline.model.passes import Order, Passes

# Sums in a fixed order: the same inputs give the same bits on one machine.
tf.config.experimental.enable_op_determinism()


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


@dataclass
class _Head:
    """One head's progress."""

    number: int
    rate: float
    stopping: early_stopping.EarlyStopping
    rows: Floats  # of the best epoch
    best_epoch: int = 0
    best: Score = field(default_factory=lambda: Score(math.inf, math.inf))
    history: list[Epoch] = field(default_factory=list)
    diverged: Diverged | None = None

    def left(self, updates: int) -> float:
        """How many updates may follow after so many."""
        cut_short = bool(self.history) and self.history[-1].valid is None
        return 0 if self.diverged or cut_short else self.stopping.updates_left(updates)

    def observe(self, epoch: Epoch, rows: Floats, updates: int) -> bool:
        """Take note of an epoch and of the weights (classes, pixels + 1) after it; false where it diverged."""
        for name, found in (("training", epoch.train), ("validation", epoch.valid)):
            if found is not None and not math.isfinite(found.loss):
                self._diverge(f"the {name} loss is {found.loss}", epoch.number)
                return False
        if not np.isfinite(rows).all():
            self._diverge("a weight is not finite", epoch.number)
            return False
        self.history.append(epoch)
        if epoch.valid is not None:
            self.stopping.observe(updates, epoch.valid.error)
            if epoch.valid.error < self.best.error:
                self.best_epoch, self.best, self.rows = epoch.number, epoch.valid, rows.copy()
        return True

    def _diverge(self, what: str, epoch: int) -> None:
        self.diverged = Diverged(f"{what} in epoch {epoch}: choose a train.learning_rate below {self.rate:g}")


def fit(
    bank: Bank,
    rates: Sequence[float],
    data: tuple[LabelledImages, LabelledImages],
    settings: config.Train,
    seed: int,
    on_epoch: Callable[[int, Epoch], None],
) -> list[Fit | Diverged]:
    """Train each head at its own rate to its early stopping or the last epoch; leave its best weights in the bank.

    `data` are the training and the validation images; `on_epoch` is told a head's number and its epoch, while the bank
    has the weights after that epoch. A head's best epoch is the first with its lowest validation error. A head that
    diverges is stopped, and the error stands in its place; its neighbours are not touched by it.
    """
    train, valid = data
    valid = valid[: config.whole_batches(len(valid), settings)]
    shape = bank.shape["classes"], bank.scale
    training, validation = Passes(train, *shape), Passes(valid, *shape)
    heads = [
        _Head(number, rate, early_stopping.rule(settings), rows)
        for number, (rate, rows) in enumerate(zip(rates, bank.rows.numpy().copy(), strict=True))
    ]
    images = config.whole_batches(len(train), settings)
    whole = math.ceil(images / settings.batch_size)  # updates of an epoch
    seated = heads
    for number in range(1, settings.epochs + 1):
        before = (number - 1) * whole
        seated = _seated(seated, before)
        if not seated:
            break
        shuffled = order(len(train), settings, seed, number)[:images]
        for updates, together in _groups(seated, before, whole):
            numbers = [head.number for head in together]
            rows, trained = training.train(
                tf.gather(bank.rows, numbers),
                np.array([head.rate for head in together], np.float32),
                shuffled[: updates * settings.batch_size],
                settings.batch_size,
            )
            validated = validation.measure(rows) if updates == whole else [None] * len(together)
            bank.rows.assign(tf.tensor_scatter_nd_update(bank.rows, [[number] for number in numbers], rows))
            for head, weights, score, valid_score in zip(together, rows.numpy(), trained, validated, strict=True):
                epoch = Epoch(number, score, valid_score)
                if head.left(before) > 0 and head.observe(epoch, weights, before + updates):
                    on_epoch(head.number, epoch)
    bank.rows.assign(np.stack([head.rows for head in heads]))
    return [head.diverged or Fit(head.best_epoch, head.best, head.history) for head in heads]


def order(images: int, settings: config.Train, seed: int, epoch: int) -> Order:
    """The order of the training images in one epoch, int32 (images,): of the seed and the epoch's number alone."""
    if settings.shuffle:
        return np.random.default_rng([seed, epoch]).permutation(images).astype(np.int32)
    return np.arange(images, dtype=np.int32)


def _seated(heads: list[_Head], updates: int) -> list[_Head]:
    """The heads that the next epoch computes: once half of them have ended, only those that go on.

    Not sooner, since each number of heads is compiled anew, which takes about as long as a few epochs.
    """
    going = [head for head in heads if head.left(updates) > 0]
    return going if len(going) <= len(heads) / 2 else heads


def _groups(heads: list[_Head], before: int, whole: int) -> Iterator[tuple[int, list[_Head]]]:
    """The heads by how many updates they make in an epoch: all of it, or less where one's training ends within it.

    A head that has ended makes the whole epoch, idly, as long as it is seated.
    """
    shares = [int(min(head.left(before), whole)) or whole for head in heads]
    for share in sorted(set(shares)):
        yield share, [head for head, of_head in zip(heads, shares, strict=True) if of_head == share]
