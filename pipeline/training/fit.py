"""Minibatch SGD of a bank on the mean negative log-likelihood: one compiled call an epoch for all of its heads."""

import itertools
import math
from collections.abc import Iterator, Sequence
from itertools import repeat

import numpy as np

from pipeline.core import config, signals
from pipeline.model.quiet_keras import keras, tf
from pipeline.training.bank import Bank, Floats
from pipeline.training.chunks import Order
from pipeline.training.epoch_pass import EpochPass
from pipeline.training.head import Epoch, Fit, Head, HeadState

SHUFFLE_BLOCK = 64  # neighbouring images

# Sums in a fixed order: the same inputs give the same bits on one machine.
tf.config.experimental.enable_op_determinism()


def fit(
    heads: Sequence[Head], callbacks: Sequence[keras.callbacks.Callback] = (), max_shares: int | None = None
) -> Iterator[tuple[int, Fit | Exception]]:
    """Train each head to its early stopping or last epoch, all in one bank; leave its best weights in its model.

    Yields the number of a head and its result, or the error that ended it, as soon as it has ended. The others wait.

    The heads share what a pass over the data needs: the data, their scale, the seed, and `batch_size`, `shuffle` and
    `drop_last` of the settings; those of the first head are used. The best epoch of a head is the first one with its
    lowest validation error. A head that diverges, or whose `on_epoch` raises, ends with that error. The bits of the
    other heads do not change.

    The heads are computed in at most `max_shares` shares at the same time, by default one for each core.

    Keras callbacks get the bank as their model. Their logs are Keras' `loss`, `val_loss` and, as fractions, `error`
    and `val_error`, of the head with the lowest validation error in the epoch. `stop_training` ends all heads.
    """
    trainer = _Trainer(heads, max_shares)
    computed = trainer.unfinished
    trainer.bank.stop_training = False
    # One by one: Keras' CallbackList has an `except:` around each epoch's logs, in which a Ctrl-C gets lost.
    for callback in callbacks:
        callback.set_model(trainer.bank)
        callback.set_params({"epochs": trainer.epochs, "steps": trainer.updates_per_epoch})
        callback.on_train_begin()
    for number in itertools.count(1):
        computed = _computed(computed, trainer.updates_before(number))
        if not computed or trainer.bank.stop_training:
            break
        signals.check()
        for callback in callbacks:
            callback.on_epoch_begin(number - 1)
        logs = _logs(trainer.run_epoch(number, computed))
        for callback in callbacks:
            callback.on_epoch_end(number - 1, dict(logs))
        for state in trainer.remove_ended(trainer.updates_before(number + 1), stop=trainer.bank.stop_training):
            yield state.number, state.outcome()
    for callback in callbacks:
        callback.on_train_end()


class _Trainer:
    """A bank, the compiled passes over its data, and the states of its heads."""

    def __init__(self, heads: Sequence[Head], max_shares: int | None) -> None:
        self.shared = heads[0]
        self.bank = Bank.from_models([head.model for head in heads])
        settings, valid = self.shared.settings, self.shared.valid
        if (images := config.whole_batches(len(valid), settings)) < len(valid):
            valid = valid[:images]
        classes, scale = self.bank.shape["classes"], self.bank.scale
        self.training, self.validation = (
            EpochPass(data, classes, scale, max_shares) for data in (self.shared.train, valid)
        )
        self.images = config.whole_batches(len(self.shared.train), settings)
        self.updates_per_epoch = math.ceil(self.images / settings.batch_size)
        self.epochs = max(head.settings.epochs for head in heads)
        weights = self.bank.head_weights.numpy()
        self.unfinished = [
            HeadState(number, head, weights[number], self.updates_per_epoch) for number, head in enumerate(heads)
        ]

    def updates_before(self, epoch: int) -> int:
        """How many updates a head has made before this epoch, counted from 1."""
        return (epoch - 1) * self.updates_per_epoch

    def run_epoch(self, number: int, computed: list[HeadState]) -> list[Epoch]:
        """Train the computed heads for an epoch, counted from 1; return the scores of those that had not ended."""
        settings, before = self.shared.settings, self.updates_before(number)
        window = self.training.chunks.images_in_memory(settings.batch_size)
        shuffled = order(len(self.shared.train), window, settings, (self.shared.seed, number))[: self.images]
        epochs: list[Epoch] = []
        for updates, states in _group_by_updates(computed, before, self.updates_per_epoch):
            numbers = [state.number for state in states]
            weights, trained = self.training.run_epoch(
                tf.gather(self.bank.head_weights, numbers),
                learning_rates(states),
                decays(states),
                shuffled[: updates * settings.batch_size],
                settings.batch_size,
            )
            whole = updates == self.updates_per_epoch
            validated, wrong = self.validation.evaluate(weights) if whole else (repeat(None), repeat(None))
            indices = [[number] for number in numbers]
            self.bank.head_weights.assign(tf.tensor_scatter_nd_update(self.bank.head_weights, indices, weights))
            scores = zip(states, weights.numpy(), trained, validated, wrong, strict=False)
            for state, own, train, valid, own_wrong in scores:
                if state.updates_left(before) > 0:
                    epochs.append(Epoch(number, train, valid))
                    state.observe(epochs[-1], own, before + updates, own_wrong)
        return epochs

    def remove_ended(self, updates: int, *, stop: bool) -> list[HeadState]:
        """Remove and return the heads that end after this number of updates, or all of them with `stop`."""
        ended = [state for state in self.unfinished if stop or state.updates_left(updates) <= 0]
        self.unfinished = [state for state in self.unfinished if state not in ended]
        return ended


def order(images: int, window: int, settings: config.Train, seeds: tuple[int, int]) -> Order:
    """The order of the training images in one epoch, int32 (images,); the seeds are the run's and the epoch's number.

    Where not all images fit in memory, `window` of them do. They are whole blocks of neighbours, taken from anywhere
    and shuffled among themselves: single images from anywhere would each read a page of the file.
    """
    everything = np.arange(images, dtype=np.int32)
    if not settings.shuffle:
        return everything
    random = np.random.default_rng(seeds)
    if images <= window:
        return random.permutation(everything)
    blocks = random.permutation(math.ceil(images / SHUFFLE_BLOCK)).astype(np.int32)
    mixed: Order = (blocks[:, None] * SHUFFLE_BLOCK + everything[:SHUFFLE_BLOCK]).ravel().astype(np.int32)
    mixed = mixed[mixed < images]
    for start in range(0, images, window):
        random.shuffle(mixed[start : start + window])
    return mixed


def learning_rates(states: list[HeadState]) -> Floats:
    """The learning rates of the heads, float32 (heads,). One beyond float32 is infinite, and the head diverges."""
    with np.errstate(over="ignore"):
        return np.array([state.head.settings.learning_rate for state in states], np.float32)


def decays(states: list[HeadState]) -> Floats:
    """The fraction of its weights that L2 takes from each head in an update, float32 (heads,)."""
    settings = (state.head.settings for state in states)
    with np.errstate(over="ignore"):
        return np.array([2 * train.learning_rate * train.l2 for train in settings], np.float32)


def _computed(states: list[HeadState], updates: int) -> list[HeadState]:
    """The heads that the next epoch computes: only unfinished ones, once half of them have ended.

    Not sooner: each number of heads is compiled anew, which takes about as long as a few epochs.
    """
    unfinished = [state for state in states if state.updates_left(updates) > 0]
    return unfinished if len(unfinished) <= len(states) / 2 else states


def _group_by_updates(states: list[HeadState], before: int, whole: int) -> Iterator[tuple[int, list[HeadState]]]:
    """The heads by their number of updates in an epoch: the whole epoch, or less where training ends within it.

    A head that has ended is computed for a whole epoch, in vain.
    """
    left = [state.updates_left(before) for state in states]
    updates = [int(min(number, whole)) if number > 0 else whole for number in left]
    for number in sorted(set(updates)):
        yield number, [state for state, own in zip(states, updates, strict=True) if own == number]


def _logs(epochs: list[Epoch]) -> dict[str, float]:
    """Keras' names for the scores of the best of the heads' epochs; empty where all epochs were cut short."""
    scores = [(epoch.valid.error, epoch.valid.loss, epoch.train) for epoch in epochs if epoch.valid is not None]
    if not scores:
        return {}
    error, loss, train = min(scores, key=lambda score: score[:2])
    return {"loss": train.loss, "error": train.error, "val_loss": loss, "val_error": error}
