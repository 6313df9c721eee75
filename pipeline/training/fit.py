"""Minibatch SGD of a bank on the mean negative log-likelihood: one compiled call an epoch for all of its heads."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.core import config, signals
from pipeline.model.quiet_keras import keras, tf
from pipeline.training.bank import Bank, Floats
from pipeline.training.chunks import Order
from pipeline.training.epoch_pass import Passes
from pipeline.training.head import Epoch, Fit, Head, Progress

BLOCK = 64  # neighbouring images

# Sums in a fixed order: the same inputs give the same bits on one machine.
tf.config.experimental.enable_op_determinism()

Outcome = tuple[int, Fit | Exception]


def fit(heads: Sequence[Head], callbacks: Sequence[keras.callbacks.Callback] = ()) -> Iterator[Outcome]:
    """Train each head to its early stopping or last epoch, all in one bank; leave its best weights in its model.

    Yields a head's number and what became of it as soon as it has ended, while the others wait.

    The heads have in common what a pass over the data needs: the data, their scale, the seed, and `batch_size`,
    `shuffle` and `drop_last` of the settings; those of the first are used. A head's best epoch is the first with its
    lowest validation error. A head that diverges, or whose `on_epoch` raises, is stopped, and what became of it is the
    error; its neighbours are not touched by it.

    Keras' callbacks see the bank as their model. Their logs are Keras' `loss`, `val_loss` and, as fractions, `error`
    and `val_error`, of the head with the lowest validation error in the epoch; `stop_training` ends all heads.
    """
    trainer = _Trainer(heads)
    seated = list(trainer.going)
    trainer.bank.stop_training = False
    # One by one: Keras' CallbackList has an `except:` around each epoch's logs, in which a Ctrl-C gets lost.
    for callback in callbacks:
        callback.set_model(trainer.bank)
        callback.set_params({"epochs": trainer.epochs, "steps": trainer.updates})
        callback.on_train_begin()
    for number in itertools.count(1):
        seated = _seated(seated, trainer.updates_before(number))
        if not seated or trainer.bank.stop_training:
            break
        signals.check()
        for callback in callbacks:
            callback.on_epoch_begin(number - 1)
        logs = _logs(trainer.epoch(number, seated))
        for callback in callbacks:
            callback.on_epoch_end(number - 1, dict(logs))
        yield from trainer.ended(trainer.updates_before(number + 1), stop=trainer.bank.stop_training)
    for callback in callbacks:
        callback.on_train_end()


class _Trainer:
    """A bank, the compiled passes over its data, and its heads' progress."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.common = heads[0]
        self.bank = Bank.of([head.model for head in heads])
        valid = self.common.valid
        if (images := config.whole_batches(len(valid), self.common.settings)) < len(valid):
            valid = valid[:images]
        self.training, self.validation = (
            Passes(data, self.bank.shape["classes"], self.bank.scale) for data in (self.common.train, valid)
        )
        self.images = config.whole_batches(len(self.common.train), self.common.settings)
        self.updates = math.ceil(self.images / self.common.settings.batch_size)  # of an epoch
        self.epochs = max(head.settings.epochs for head in heads)
        rows = self.bank.rows.numpy()
        # Those of which the end was not told yet.
        self.going = [Progress(number, head, rows[number], self.updates) for number, head in enumerate(heads)]

    def updates_before(self, epoch: int) -> int:
        """How many updates a head has made when the epoch, from 1, begins."""
        return (epoch - 1) * self.updates

    def epoch(self, number: int, seated: list[Progress]) -> list[Epoch]:
        """Train the seated heads for an epoch, from 1, and give what it came to for those that had not ended."""
        settings, before = self.common.settings, self.updates_before(number)
        window = self.training.pieces.window(settings.batch_size)
        shuffled = order(len(self.common.train), window, settings, (self.common.seed, number))[: self.images]
        found: list[Epoch] = []
        for updates, heads in _groups(seated, before, self.updates):
            numbers = [head.number for head in heads]
            rows, trained = self.training.train(
                tf.gather(self.bank.rows, numbers),
                *_steps(heads),
                shuffled[: updates * settings.batch_size],
                settings.batch_size,
            )
            validated = self.validation.measure(rows) if updates == self.updates else [None] * len(heads)
            self.bank.rows.assign(tf.tensor_scatter_nd_update(self.bank.rows, [[each] for each in numbers], rows))
            for head, weights, score, valid_score in zip(heads, rows.numpy(), trained, validated, strict=True):
                if head.left(before) > 0:
                    found.append(Epoch(number, score, valid_score))
                    head.observe(found[-1], weights, before + updates)
        return found

    def ended(self, updates: int, *, stop: bool) -> Iterator[Outcome]:
        """What became of the heads that end after so many updates, or of all that are left."""
        for head in [head for head in self.going if stop or head.left(updates) <= 0]:
            self.going.remove(head)
            yield head.number, head.outcome()


def order(images: int, window: int, settings: config.Train, seeds: tuple[int, int]) -> Order:
    """The order of the training images in one epoch, int32 (images,); its seeds are the run's and the epoch's number.

    Where not all images are in memory at a time, `window` of them are: as whole blocks of neighbours, taken from
    anywhere and shuffled among themselves. Single images from anywhere would be a page of the file each.
    """
    everything = np.arange(images, dtype=np.int32)
    if not settings.shuffle:
        return everything
    random = np.random.default_rng(seeds)
    if images <= window:
        return random.permutation(everything)
    blocks = random.permutation(math.ceil(images / BLOCK)).astype(np.int32)
    mixed: Order = (blocks[:, None] * BLOCK + everything[:BLOCK]).ravel().astype(np.int32)
    mixed = mixed[mixed < images]
    for start in range(0, images, window):
        random.shuffle(mixed[start : start + window])
    return mixed


def _seated(heads: list[Progress], updates: int) -> list[Progress]:
    """The heads that the next epoch computes: once half of them have ended, only those that go on.

    Not sooner, since each number of heads is compiled anew, which takes about as long as a few epochs.
    """
    going = [head for head in heads if head.left(updates) > 0]
    return going if len(going) <= len(heads) / 2 else heads


def _groups(heads: list[Progress], before: int, whole: int) -> Iterator[tuple[int, list[Progress]]]:
    """The heads by how many updates they make in an epoch: all of it, or less where one's training ends within it.

    A head that has ended makes the whole epoch, idly, as long as it is seated.
    """
    shares = [int(min(head.left(before), whole)) or whole for head in heads]
    for share in sorted(set(shares)):
        yield share, [head for head, of_head in zip(heads, shares, strict=True) if of_head == share]


def _steps(heads: list[Progress]) -> tuple[Floats, Floats]:
    """How far an update goes: the heads' learning rates, and the share of a weight that L2 takes away."""
    rates = [head.head.settings.learning_rate for head in heads]
    decays = [2 * head.head.settings.learning_rate * head.head.settings.l2 for head in heads]
    with np.errstate(over="ignore"):  # beyond float32 they are infinite, and the head diverges
        return np.array(rates, np.float32), np.array(decays, np.float32)


def _logs(epochs: list[Epoch]) -> dict[str, float]:
    """Keras' names for the figures of the best of the heads' epochs; nothing where all were cut short."""
    scores = [(epoch.valid.error, epoch.valid.loss, epoch.train) for epoch in epochs if epoch.valid is not None]
    if not scores:
        return {}
    error, loss, train = min(scores, key=lambda score: score[:2])
    return {"loss": train.loss, "error": train.error, "val_loss": loss, "val_error": error}
