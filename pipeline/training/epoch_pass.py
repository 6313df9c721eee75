"""Passes of a bank over images, each one compiled call.

A head has the same bits in a bank of any size. The bits of a product depend on its shape, on the dimension that lies
along the processor's vectors, and on the position of a number in it. Here images (forward) and pixels (backward) lie
along the vectors, and heads only add columns. So each number of a head is summed in the same order whatever the number
of heads. Four more things are needed for that:

- The columns fill up a multiple of 16: other kernels compute single products of a few columns.
- No product sums over more than 4 times as many images as it has pixels: threads would divide the sum itself.
- Class sums are in float64, and NumPy sums over images: XLA sums float32 with kernels of its choice.
- The gradient of the logits is laid out as (images, columns). A mere transpose would not do that.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.core.cores import available_cores
from pipeline.data.images import LabelledImages
from pipeline.model.metrics import Score
from pipeline.model.quiet_keras import tf
from pipeline.training import shares
from pipeline.training.bank import Floats
from pipeline.training.chunks import Chunks, Order, Pair

COLUMN_MULTIPLE = 16
MAX_SUM_RATIO = 4  # images that a product sums over, per pixel
EVALUATION_BATCH = 1000  # images; their float32 pixels take little memory

Sums = npt.NDArray[np.float64]
Wrong = npt.NDArray[np.bool_]


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn TensorFlow's ResourceExhaustedError into Python's MemoryError."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(error.message.partition(" [Op:")[0].splitlines()[0].rstrip(".")) from error


class EpochPass:
    """Passes of a bank over a data set.

    Raises:
        MemoryError: there is not enough memory.
    """

    @memory_errors()
    def __init__(self, data: LabelledImages, classes: int, scale: float, max_shares: int | None = None) -> None:
        """`max_shares` is the number of cores by default."""
        self.chunks = Chunks(data)
        self.images = len(data)
        self.compiled = _Compiled.for_shape(classes, scale)
        self.max_shares = max_shares or available_cores()

    @memory_errors()
    def run_epoch(
        self, weights: tf.Tensor, learning_rates: Floats, decays: Floats, order: Order, batch_size: int
    ) -> tuple[tf.Tensor, list[Score]]:
        """Minibatch SGD over the images in this order: W <- W - decay * W - learning rate * gradient of the mean loss.

        Learning rates and decays are float32 (heads,). A decay of 2 * learning rate * l2 descends the loss plus
        l2 * sum(W^2). Biases do not decay. The last minibatch holds the remaining images.

        Returns the new weights, float32 (heads, classes, pixels + 1) as the old ones, and the score of each head over
        the minibatches, each before its update.
        """
        sums = np.zeros((2, len(weights)))
        parts = shares.split((weights, learning_rates, decays), self.max_shares)
        for images, part in self.chunks.iterate(order, batch_size):
            results = shares.call(self.compiled.run_epoch, parts, images, *_minibatches(part, batch_size))
            parts = [(new, *steps) for (new, *_), (_, *steps) in zip(results, parts, strict=True)]
            sums += _sums([totals for _, *totals in results], len(weights))
            del images
        return tf.concat([new for new, *_ in parts], axis=0)[: len(weights)], _scores(sums, len(order))

    @memory_errors()
    def evaluate(self, weights: tf.Tensor) -> tuple[list[Score], Wrong]:
        """The score of each head over all images, and whether it gets each image wrong, bool (heads, images)."""
        losses, wrong = np.zeros(len(weights)), []
        parts = shares.split([weights], self.max_shares)
        for images, part in self.chunks.iterate(np.arange(self.images, dtype=np.int32), EVALUATION_BATCH):
            results = shares.call(self.compiled.evaluate, parts, images, *_minibatches(part, EVALUATION_BATCH))
            loss, rest_loss, whole, rest = (each[: len(weights)] for each in _joined(results))
            losses += _sum(loss) + _sum(rest_loss)
            wrong += [whole.reshape(len(weights), -1), rest]
        all_wrong = np.concatenate(wrong, axis=1)
        return _scores(np.stack([losses, all_wrong.sum(axis=1)]), self.images), all_wrong


class _Compiled:
    """The arithmetic of a pass. Pixels stay uint8; the pass gathers and scales each minibatch."""

    def __init__(self, classes: int, scale: float) -> None:
        self.classes = classes
        self.scale = scale

    @classmethod
    @functools.cache  # compiling for a shape takes as long as some epochs: once a process, for all banks
    def for_shape(cls, classes: int, scale: float) -> Self:
        """The arithmetic for this number of classes."""
        return cls(classes, scale)

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def run_epoch(
        self,
        weights: tf.Tensor,
        learning_rates: tf.Tensor,
        decays: tf.Tensor,
        images: Pair,
        minibatches: tf.Tensor,
        rest: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        heads, columns = weights.shape[0], _flat_weights(weights)
        unused = columns.shape[0] - heads * self.classes
        rates, decays = (tf.pad(tf.repeat(each, self.classes), [[0, unused]]) for each in (learning_rates, decays))
        is_weight = tf.cast(tf.range(columns.shape[1]) < columns.shape[1] - 1, tf.float32)  # and not the bias
        classes = tf.pad(tf.tile(tf.range(self.classes), [heads]), [[0, unused]], constant_values=-1)

        def update(columns: tf.Tensor, minibatch: tf.Tensor) -> tuple[tf.Tensor, ...]:
            x, y = self._gather(images, minibatch)
            probabilities, losses, wrong = self._forward(columns, heads, x, y)
            probabilities = tf.pad(tf.reshape(probabilities, (heads * self.classes, -1)), [[0, unused], [0, 0]])
            onehot = tf.cast(classes[None] == y[:, None], tf.float32)
            scaled_error = (tf.transpose(probabilities) - onehot) * (rates / minibatch.shape[0])
            columns -= decays[:, None] * is_weight * columns
            block = MAX_SUM_RATIO * x.shape[1]
            for start in range(0, minibatch.shape[0], block):
                rows = slice(start, start + block)
                # The SGD update: the matrix product is the gradient times the learning rate.
                columns -= tf.matmul(scaled_error[rows], x[rows], transpose_a=True)
            return columns, losses, wrong

        columns, *totals = _loop(update, columns, heads, minibatches, rest)
        return tf.reshape(columns[: heads * self.classes], weights.shape), *totals

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def evaluate(
        self, weights: tf.Tensor, images: Pair, minibatches: tf.Tensor, rest: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """Losses summed over the whole minibatches by position, and those of the rest; then which images are wrong.

        Shapes: (heads, position) and (heads, rest), both twice, but (heads, minibatches, position) for wrong images.
        """
        heads, columns = weights.shape[0], _flat_weights(weights)
        number, size = minibatches.shape
        loss, wrong = tf.zeros((heads, size)), tf.TensorArray(tf.int32, number, element_shape=(heads, size))
        for index in tf.range(tf.shape(minibatches)[0]):
            _, more_loss, more_wrong = self._forward(columns, heads, *self._gather(images, minibatches[index]))
            loss, wrong = loss + more_loss, wrong.write(index, more_wrong)
        rest_loss, rest_wrong = tf.zeros((heads, 0)), tf.zeros((heads, 0), tf.int32)
        if rest.shape[0]:
            _, rest_loss, rest_wrong = self._forward(columns, heads, *self._gather(images, rest))
        return loss, rest_loss, tf.cast(tf.transpose(wrong.stack(), [1, 0, 2]), tf.bool), tf.cast(rest_wrong, tf.bool)

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
        label_logits = tf.reduce_sum(
            tf.where(classes == labels[None], logits, 0), axis=1
        )  # exact: one number and zeros
        losses = tf.math.log(total[:, 0]) + top[:, 0] - label_logits
        predicted = tf.reduce_min(tf.where(logits == top, classes, self.classes), axis=1)  # the first of equal ones
        return exponentials / total, losses, tf.cast(predicted != labels, tf.int32)


def _loop(
    step: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]],
    columns: tf.Tensor,
    heads: int,
    minibatches: tf.Tensor,
    rest: tf.Tensor,
) -> tuple[tf.Tensor, ...]:
    """Call `step` with each minibatch and with the remaining images.

    Returns the columns after the last step, then losses in nats and errors (heads, images), summed over the whole
    minibatches by position, then losses and errors of the remaining images.
    """
    loss, errors = tf.zeros((heads, minibatches.shape[1])), tf.zeros((heads, minibatches.shape[1]), tf.int32)
    for index in tf.range(tf.shape(minibatches)[0]):
        columns, more_loss, more_errors = step(columns, minibatches[index])
        loss, errors = loss + more_loss, errors + more_errors
    rest_loss, rest_errors = tf.zeros((heads, 0)), tf.zeros((heads, 0), tf.int32)
    if rest.shape[0]:
        columns, rest_loss, rest_errors = step(columns, rest)
    return columns, loss, errors, rest_loss, rest_errors


def _flat_weights(weights: tf.Tensor) -> tf.Tensor:
    """The weights of all heads as (columns, pixels + 1): a column of the product for each class, padded with zeros."""
    flat = tf.reshape(weights, (-1, weights.shape[-1]))
    return tf.pad(flat, [[0, -flat.shape[0] % COLUMN_MULTIPLE], [0, 0]])


def _minibatches(order: Order, size: int) -> Pair:
    """Whole minibatches (minibatches, size), and the remaining images."""
    size = min(size, len(order))  # the compiled loop needs one iteration
    whole = len(order) // size * size
    return tf.constant(order[:whole].reshape(-1, size)), tf.constant(order[whole:])


def _sums(results: Iterable[Sequence[tf.Tensor]], heads: int) -> Sums:
    """Sums of losses and errors of each head, (2, heads), from the totals of the shares."""
    loss, errors, rest_loss, rest_errors = (_sum(total[:heads]) for total in _joined(results))
    return np.stack([loss + rest_loss, errors + rest_errors])


def _joined(results: Iterable[Sequence[tf.Tensor]]) -> Iterator[npt.NDArray[Any]]:
    """The arrays (heads, ...) of all heads, from those of the shares."""
    return (np.concatenate([np.asarray(each) for each in part]) for part in zip(*results, strict=True))


def _sum(totals: npt.NDArray[Any]) -> Sums:
    return np.asarray(totals.astype(np.float64).sum(axis=1))


def _scores(sums: Sums, images: int) -> list[Score]:
    return [Score(float(loss) / images, float(errors) / images) for loss, errors in sums.T]
