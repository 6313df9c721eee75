"""Minibatch SGD on the mean negative log-likelihood, one compiled call an epoch."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline import config
from pipeline.data.labelled import LabelledImages
from pipeline.errors import Diverged
from pipeline.model import early_stopping, softmax
from pipeline.model.measures import Score

# Sums in a fixed order: the same inputs give the same bits on one machine.
tf.config.experimental.enable_op_determinism()

Order = npt.NDArray[np.int32]


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


def fit(
    model: keras.Model,
    train: LabelledImages,
    valid: LabelledImages,
    settings: config.Train,
    seed: int,
    on_epoch: Callable[[Epoch], None],
) -> Fit:
    """Train until early stopping or the last epoch, and leave the best epoch's weights in the model.

    The best epoch is the first with the lowest validation error.

    Raises:
        Diverged: a loss is not finite.
    """
    history: list[Epoch] = []
    best_epoch, best, weights = 0, Score(math.inf, math.inf), model.get_weights()
    for epoch in _epochs(model, train, valid[: config.whole_batches(len(valid), settings)], settings, seed):
        history.append(epoch)
        on_epoch(epoch)
        if epoch.valid is not None and epoch.valid.error < best.error:
            best_epoch, best, weights = epoch.number, epoch.valid, model.get_weights()
    model.set_weights(weights)
    return Fit(best_epoch, best, history)


def order(images: int, settings: config.Train, seed: int, epoch: int) -> Order:
    """The order of the training images in one epoch, int32 (images,): of the seed and the epoch's number alone."""
    if settings.shuffle:
        return np.random.default_rng([seed, epoch]).permutation(images).astype(np.int32)
    return np.arange(images, dtype=np.int32)


def _epochs(
    model: keras.Model, train: LabelledImages, valid: LabelledImages, settings: config.Train, seed: int
) -> Iterator[Epoch]:
    images = config.whole_batches(len(train), settings)
    updates_an_epoch = math.ceil(images / settings.batch_size)
    stopping = early_stopping.rule(settings)
    step = EpochStep(model, train, settings)
    score = Scorer(model, valid)
    updates = 0
    for number in range(1, settings.epochs + 1):
        now = min(updates_an_epoch, stopping.updates_left(updates))
        if now <= 0:
            return
        trained = step(order(len(train), settings, seed, number)[: min(images, int(now) * settings.batch_size)])
        updates += int(now)
        validated = score() if now == updates_an_epoch else None
        for name, found in (("training", trained), ("validation", validated)):
            if found is not None and not math.isfinite(found.loss):
                raise Diverged(
                    f"the {name} loss is {found.loss} in epoch {number}: "
                    f"choose a train.learning_rate below {settings.learning_rate:g}"
                )
        yield Epoch(number, trained, validated)
        if validated is None:
            return
        stopping.observe(updates, validated.error)


class EpochStep:
    """One epoch of updates, W <- W - learning_rate * gradient of a minibatch's mean loss, in one compiled function.

    Pixels stay uint8; each minibatch is gathered and scaled inside the loop, so that an epoch reads a byte a pixel.
    """

    def __init__(self, model: keras.Model, train: LabelledImages, settings: config.Train) -> None:
        self.model = model
        self.batch_size = settings.batch_size
        self.pixels = tf.constant(train.pixels)
        self.labels = tf.constant(train.labels.astype(np.int32))
        self.optimizer = keras.optimizers.SGD(float(settings.learning_rate))
        self.optimizer.build(model.trainable_variables)

    def __call__(self, rows: Order) -> Score:
        """Update once for each minibatch of the rows, the last of which may be partial."""
        whole = len(rows) // self.batch_size * self.batch_size
        loss, errors = self._run(rows[:whole].reshape(-1, self.batch_size), rows[whole:])
        return Score(float(loss) / len(rows), int(errors) / len(rows))

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def _run(self, minibatches: tf.Tensor, rest: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        loss, errors = tf.constant(0.0), tf.constant(0)
        for index in tf.range(tf.shape(minibatches)[0]):
            more_loss, more_errors = self._update(minibatches[index])
            loss, errors = loss + more_loss, errors + more_errors
        if rest.shape[0]:
            more_loss, more_errors = self._update(rest)
            loss, errors = loss + more_loss, errors + more_errors
        return loss, errors

    def _update(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            losses, wrong = _measure(self.model, tf.gather(self.pixels, rows), tf.gather(self.labels, rows))
            mean_loss = tf.reduce_mean(losses)
        weights = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(mean_loss, weights), weights)
        return tf.reduce_sum(losses), tf.reduce_sum(wrong)


class Scorer:
    """Loss and error of the model's present weights on some images."""

    def __init__(self, model: keras.Model, data: LabelledImages) -> None:
        self.model = model
        self.pixels = tf.constant(data.pixels)
        self.labels = tf.constant(data.labels.astype(np.int32))

    def __call__(self) -> Score:
        """Measure."""
        loss, errors = self._run()
        return Score(float(loss) / len(self.labels), int(errors) / len(self.labels))

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def _run(self) -> tuple[tf.Tensor, tf.Tensor]:
        losses, wrong = _measure(self.model, self.pixels, self.labels)
        return tf.reduce_sum(losses), tf.reduce_sum(wrong)


def _measure(model: keras.Model, pixels: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Each image's negative log-likelihood in nats, float32 (N,), and whether it is misclassified, int32 (N,)."""
    logits = softmax.logits(model, pixels)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return losses, tf.cast(tf.argmax(logits, 1, tf.int32) != labels, tf.int32)
