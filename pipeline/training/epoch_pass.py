"""Passes of a bank over images, each one compiled call, in arithmetic that gives a head the same bits in any bank.

A product's bits depend on its shape, on which dimension is laid along the processor's vectors, and on where in it a
number stands. Here images (forward) and pixels (backward) lie along the vectors, and heads only add columns; so each of
a head's numbers is summed in the same order whatever the number of heads. Four more things are needed for that:

- The columns fill up a multiple of 16: single products of a few columns are computed by other kernels.
- No product sums over more than 4 times as many images as it has pixels: threads would share out the sum itself.
- Class sums are in float64 and sums over images are left to NumPy: XLA sums float32 by kernels of its choice.
- The gradient of the logits is laid out as (images, columns), which it would not be as a mere transpose.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline.data.images import LabelledImages
from pipeline.model.metrics import Score
from pipeline.model.quiet_keras import tf
from pipeline.training.bank import Floats
from pipeline.training.chunks import Order, Pair, Pieces

COLUMNS = 16
SLENDER = 4
BLOCK = 1000  # images of a minibatch where nothing is learned: few enough that their float32 pixels are soon let go

Sums = npt.NDArray[np.float64]


@contextmanager
def memory() -> Iterator[None]:
    """Raise Python's own MemoryError where TensorFlow has too little."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(error.message.partition(" [Op:")[0].splitlines()[0].rstrip(".")) from error


class Passes:
    """Passes over some images.

    Raises:
        MemoryError: there is too little of it.
    """

    @memory()
    def __init__(self, data: LabelledImages, classes: int, scale: float) -> None:
        self.pieces = Pieces(data)
        self.images = len(data)
        self.compiled = _Compiled.of(classes, scale)

    @memory()
    def train(
        self, rows: tf.Tensor, rates: Floats, decays: Floats, order: Order, batch_size: int
    ) -> tuple[tf.Tensor, list[Score]]:
        """Minibatch SGD over the images in this order: W <- W - decay * W - rate * gradient of the mean loss.

        Rates and decays are a number a head, float32 (heads,); a decay of 2 * rate * l2 descends the loss plus
        l2 * sum(W^2). Biases do not decay.
        Takes and returns the heads' weights, float32 (heads, classes, pixels + 1), and scores each head over the
        minibatches, each before its update; the last one is what is left of the images.
        """
        sums = np.zeros((2, len(rows)))
        for images, part in self.pieces.each(order, batch_size):
            rows, *more = self.compiled.train(rows, (rates, decays), images, *_minibatches(part, batch_size))
            sums += _sums(more)
            del images
        return rows, _scores(sums, len(order))

    @memory()
    def measure(self, rows: tf.Tensor) -> list[Score]:
        """Each head's score over all the images."""
        sums = np.zeros((2, len(rows)))
        for images, part in self.pieces.each(np.arange(self.images, dtype=np.int32), BLOCK):
            sums += _sums(self.compiled.measure(rows, images, *_minibatches(part, BLOCK)))
        return _scores(sums, self.images)


class _Compiled:
    """The arithmetic of a pass. Pixels stay uint8; a minibatch is gathered and scaled within the pass."""

    def __init__(self, classes: int, scale: float) -> None:
        self.classes = classes
        self.scale = scale

    @classmethod
    @functools.cache  # compiled anew for each shape, which takes as long as some epochs: once a process, for all banks
    def of(cls, classes: int, scale: float) -> Self:
        """That for so many classes."""
        return cls(classes, scale)

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def train(
        self, rows: tf.Tensor, steps: Pair, images: Pair, minibatches: tf.Tensor, rest: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        heads, columns = rows.shape[0], _columns(rows)
        unused = columns.shape[0] - heads * self.classes
        rates, decays = (tf.pad(tf.repeat(each, self.classes), [[0, unused]]) for each in steps)
        is_weight = tf.cast(tf.range(columns.shape[1]) < columns.shape[1] - 1, tf.float32)  # and not the bias
        classes = tf.pad(tf.tile(tf.range(self.classes), [heads]), [[0, unused]], constant_values=-1)

        def update(columns: tf.Tensor, minibatch: tf.Tensor) -> tuple[tf.Tensor, ...]:
            x, y = self._gather(images, minibatch)
            probabilities, losses, wrong = self._forward(columns, heads, x, y)
            probabilities = tf.pad(tf.reshape(probabilities, (heads * self.classes, -1)), [[0, unused], [0, 0]])
            onehot = tf.cast(classes[None] == y[:, None], tf.float32)
            gradient = (tf.transpose(probabilities) - onehot) * (rates / minibatch.shape[0])
            columns -= decays[:, None] * is_weight * columns
            block = SLENDER * x.shape[1]
            for start in range(0, minibatch.shape[0], block):
                part = slice(start, start + block)
                columns -= tf.matmul(gradient[part], x[part], transpose_a=True)
            return columns, losses, wrong

        columns, *totals = _loop(update, columns, heads, minibatches, rest)
        return tf.reshape(columns[: heads * self.classes], rows.shape), *totals

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def measure(self, rows: tf.Tensor, images: Pair, minibatches: tf.Tensor, rest: tf.Tensor) -> tuple[tf.Tensor, ...]:
        heads = rows.shape[0]

        def measure(columns: tf.Tensor, minibatch: tf.Tensor) -> tuple[tf.Tensor, ...]:
            _, losses, wrong = self._forward(columns, heads, *self._gather(images, minibatch))
            return columns, losses, wrong

        return _loop(measure, _columns(rows), heads, minibatches, rest)[1:]

    def _gather(self, images: Pair, minibatch: tf.Tensor) -> Pair:
        """Inputs, float32 (images, pixels + 1), and labels, int32 (images,); the bias is the weight of a constant 1."""
        pixels, labels = images
        scaled = tf.cast(tf.gather(pixels, minibatch), tf.float32) * self.scale
        return tf.concat([scaled, tf.ones((minibatch.shape[0], 1))], axis=1), tf.gather(labels, minibatch)

    def _forward(self, columns: tf.Tensor, heads: int, x: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Probabilities (heads, classes, images), and losses and errors (heads, images)."""
        classes = tf.range(self.classes)[:, None]
        logits = tf.matmul(columns, x, transpose_b=True)[: heads * self.classes]
        logits = tf.reshape(logits, (heads, self.classes, -1))
        top = tf.reduce_max(logits, axis=1, keepdims=True)
        exponentials = tf.exp(logits - top)
        total = tf.cast(tf.reduce_sum(tf.cast(exponentials, tf.float64), axis=1, keepdims=True), tf.float32)
        of_label = tf.reduce_sum(tf.where(classes == labels[None], logits, 0), axis=1)  # exact: one number and zeros
        losses = tf.math.log(total[:, 0]) + top[:, 0] - of_label
        predicted = tf.reduce_min(tf.where(logits == top, classes, self.classes), axis=1)  # the first of equal ones
        return exponentials / total, losses, tf.cast(predicted != labels, tf.int32)


def _loop(
    turn: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]],
    columns: tf.Tensor,
    heads: int,
    minibatches: tf.Tensor,
    rest: tf.Tensor,
) -> tuple[tf.Tensor, ...]:
    """Columns after all turns; losses in nats and errors, (heads, images), summed by place; the same of the rest."""
    loss, errors = tf.zeros((heads, minibatches.shape[1])), tf.zeros((heads, minibatches.shape[1]), tf.int32)
    for index in tf.range(tf.shape(minibatches)[0]):
        columns, more_loss, more_errors = turn(columns, minibatches[index])
        loss, errors = loss + more_loss, errors + more_errors
    rest_loss, rest_errors = tf.zeros((heads, 0)), tf.zeros((heads, 0), tf.int32)
    if rest.shape[0]:
        columns, rest_loss, rest_errors = turn(columns, rest)
    return columns, loss, errors, rest_loss, rest_errors


def _columns(rows: tf.Tensor) -> tf.Tensor:
    """The heads' rows one below the other, filled up with zeros."""
    flat = tf.reshape(rows, (-1, rows.shape[-1]))
    return tf.pad(flat, [[0, -flat.shape[0] % COLUMNS], [0, 0]])


def _minibatches(order: Order, size: int) -> tuple[Order, Order]:
    """Whole minibatches (minibatches, size), and the images left over."""
    size = min(size, len(order))  # the compiled loop needs a turn
    whole = len(order) // size * size
    return order[:whole].reshape(-1, size), order[whole:]


def _sums(totals: Iterable[tf.Tensor]) -> Sums:
    """Losses and errors of each head, (2, heads)."""
    loss, errors, rest_loss, rest_errors = (np.asarray(total).astype(np.float64).sum(axis=1) for total in totals)
    return np.stack([loss + rest_loss, errors + rest_errors])


def _scores(sums: Sums, images: int) -> list[Score]:
    return [Score(float(loss) / images, float(errors) / images) for loss, errors in sums.T]
