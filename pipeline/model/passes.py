"""Passes of a bank over images, each one compiled call, in arithmetic that gives a head the same bits in any bank.

A product's bits depend on its shape, on which dimension is laid along the processor's vectors, and on where in it a
number stands. Here images (forward) and pixels (backward) lie along the vectors, and heads only add columns; so each of
a head's numbers is summed in the same order whatever the number of heads. Four more things are needed for that:

- The columns fill up a multiple of 16: single products of a few columns are computed by other kernels.
- No product sums over more than 4 times as many images as it has pixels: threads would share out the sum itself.
- Class sums are in float64 and sums over images are left to NumPy: XLA sums float32 by kernels of its choice.
- The gradient of the logits is laid out as (images, columns), which it would not be as a mere transpose.
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline.data.labelled import LabelledImages
from pipeline.model.measures import Score

COLUMNS = 16
SLENDER = 4
BLOCK = 1000  # images of a minibatch where nothing is learned: few enough that their float32 pixels are soon let go

Order = npt.NDArray[np.int32]
Totals = tuple[tf.Tensor, tf.Tensor]  # losses in nats, float32, and errors, int32, each (heads, images)


class Passes:
    """Compiled passes over some images. Pixels stay uint8; a minibatch is gathered and scaled within the pass."""

    def __init__(self, data: LabelledImages, classes: int, divisor: float) -> None:
        self.pixels = tf.constant(data.pixels)
        self.labels = tf.constant(data.labels.astype(np.int32))
        self.classes = classes
        self.divisor = divisor

    def train(
        self, rows: tf.Tensor, rates: npt.NDArray[np.float32], order: Order, batch_size: int
    ) -> tuple[tf.Tensor, list[Score]]:
        """Minibatch SGD, W <- W - rate * gradient of the minibatch's mean loss, over the images in this order.

        Takes and returns the heads' weights, float32 (heads, classes, pixels + 1), and scores each head over the
        minibatches, each before its update; the last one is what is left of the images.
        """
        rows, *totals = self._train(rows, rates, *_minibatches(order, batch_size))
        return rows, _scores(totals, len(order))

    def measure(self, rows: tf.Tensor) -> list[Score]:
        """Each head's score over all the images."""
        everything = np.arange(len(self.labels), dtype=np.int32)
        return _scores(self._measure(rows, *_minibatches(everything, BLOCK)), len(everything))

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def _train(
        self, rows: tf.Tensor, rates: tf.Tensor, minibatches: tf.Tensor, rest: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        shape = rows.shape
        columns, rates = _columns(rows), tf.repeat(rates, self.classes)
        rates = tf.pad(rates, [[0, columns.shape[0] - rates.shape[0]]])
        loss, errors = _zeros(shape[0], minibatches.shape[1])
        for index in tf.range(tf.shape(minibatches)[0]):
            columns, more_loss, more_errors = self._update(columns, rates, shape[0], minibatches[index])
            loss, errors = loss + more_loss, errors + more_errors
        rest_loss, rest_errors = _zeros(shape[0], 0)
        if rest.shape[0]:
            columns, rest_loss, rest_errors = self._update(columns, rates, shape[0], rest)
        rows = tf.reshape(columns[: shape[0] * self.classes], shape)
        return rows, loss, errors, rest_loss, rest_errors

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def _measure(self, rows: tf.Tensor, minibatches: tf.Tensor, rest: tf.Tensor) -> tuple[tf.Tensor, ...]:
        heads, columns = rows.shape[0], _columns(rows)
        loss, errors = _zeros(heads, minibatches.shape[1])
        for index in tf.range(tf.shape(minibatches)[0]):
            more_loss, more_errors = self._forward(columns, heads, minibatches[index])[2:]
            loss, errors = loss + more_loss, errors + more_errors
        rest_loss, rest_errors = _zeros(heads, 0)
        if rest.shape[0]:
            rest_loss, rest_errors = self._forward(columns, heads, rest)[2:]
        return loss, errors, rest_loss, rest_errors

    def _update(self, columns: tf.Tensor, rates: tf.Tensor, heads: int, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        x, probabilities, losses, wrong = self._forward(columns, heads, images)
        unused = columns.shape[0] - heads * self.classes
        classes = tf.pad(tf.tile(tf.range(self.classes), [heads]), [[0, unused]], constant_values=-1)
        onehot = tf.cast(classes[None] == tf.gather(self.labels, images)[:, None], tf.float32)
        probabilities = tf.pad(tf.reshape(probabilities, (heads * self.classes, -1)), [[0, unused], [0, 0]])
        gradient = (tf.transpose(probabilities) - onehot) * (rates / images.shape[0])
        block = SLENDER * x.shape[1]
        for start in range(0, images.shape[0], block):
            part = slice(start, start + block)
            columns -= tf.matmul(gradient[part], x[part], transpose_a=True)
        return columns, losses, wrong

    def _forward(self, columns: tf.Tensor, heads: int, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Inputs (images, pixels + 1), probabilities (heads, classes, images), losses and errors (heads, images)."""
        scaled = tf.cast(tf.gather(self.pixels, images), tf.float32) * (1 / self.divisor)
        x = tf.concat([scaled, tf.ones((images.shape[0], 1))], axis=1)  # the bias is the weight of a constant 1
        labels = tf.gather(self.labels, images)
        classes = tf.range(self.classes)[:, None]
        logits = tf.matmul(columns, x, transpose_b=True)[: heads * self.classes]
        logits = tf.reshape(logits, (heads, self.classes, -1))
        top = tf.reduce_max(logits, axis=1, keepdims=True)
        exponentials = tf.exp(logits - top)
        total = tf.cast(tf.reduce_sum(tf.cast(exponentials, tf.float64), axis=1, keepdims=True), tf.float32)
        of_label = tf.reduce_sum(tf.where(classes == labels[None], logits, 0), axis=1)  # exact: one number and zeros
        losses = tf.math.log(total[:, 0]) + top[:, 0] - of_label
        predicted = tf.reduce_min(tf.where(logits == top, classes, self.classes), axis=1)  # the first of equal ones
        return x, exponentials / total, losses, tf.cast(predicted != labels, tf.int32)


def _columns(rows: tf.Tensor) -> tf.Tensor:
    """The heads' rows one below the other, filled up with zeros."""
    flat = tf.reshape(rows, (-1, rows.shape[-1]))
    return tf.pad(flat, [[0, -flat.shape[0] % COLUMNS], [0, 0]])


def _minibatches(order: Order, size: int) -> tuple[Order, Order]:
    """Whole minibatches (minibatches, size), and the images left over."""
    size = min(size, len(order))  # the compiled loop needs a turn
    whole = len(order) // size * size
    return order[:whole].reshape(-1, size), order[whole:]


def _zeros(heads: int, images: int) -> Totals:
    return tf.zeros((heads, images)), tf.zeros((heads, images), tf.int32)


def _scores(totals: tuple[tf.Tensor, ...] | list[tf.Tensor], images: int) -> list[Score]:
    loss, errors, rest_loss, rest_errors = (np.asarray(total).astype(np.float64).sum(axis=1) for total in totals)
    return [
        Score(float(one) / images, float(other) / images)
        for one, other in zip(loss + rest_loss, errors + rest_errors, strict=True)
    ]
