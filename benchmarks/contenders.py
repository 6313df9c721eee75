"""Contenders: functions without arguments that train one epoch of softmax regression on MNIST's training images."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.core.cores import available_cores
from pipeline.core.errors import UserError
from pipeline.core.paths import PREPARED
from pipeline.data.images import LabelledImages
from pipeline.model import softmax
from pipeline.training import shares
from pipeline.training.bank import Bank, Floats
from pipeline.training.epoch_pass import EpochPass

Epoch = Callable[[], Any]
CLASSES, LEARNING_RATE = 10, 0.1
SIDE = 4096
SQUARE = tf.ones((SIDE, SIDE))
SQUARE_OPERATIONS = 2 * SIDE**3


def mnist(name: str = "train") -> LabelledImages:
    """Return the prepared images, memory-mapped: `train` or `valid`.

    Raises:
        UserError: there is no prepared data.
    """
    files = [PREPARED / f"{name}_{kind}.npy" for kind in ("images", "labels")]
    if not all(file.is_file() for file in files):
        raise UserError(f"{PREPARED} holds no prepared data: run `dvc repro preprocess`")
    return LabelledImages(*(np.load(file, mmap_mode="r") for file in files))


def model(data: LabelledImages) -> keras.Model:
    """Return a new model with the settings of conf/model/softmax.yaml."""
    return softmax.build(data.pixels.shape[1], CLASSES, 255.0, "zeros", 1)


def keras_fit(data: LabelledImages, batch_size: int, **settings: object) -> Epoch:
    """Keras' training loop on float32 pixels that are scaled beforehand. `settings` are passed to `compile`."""
    plain = keras.Sequential(
        [keras.Input(data.pixels.shape[1:]), keras.layers.Dense(CLASSES, "softmax", kernel_initializer="zeros")]
    )
    plain.compile(keras.optimizers.SGD(LEARNING_RATE), "sparse_categorical_crossentropy", **settings)
    x, y = np.asarray(data.pixels) / np.float32(255), np.asarray(data.labels)
    return lambda: plain.fit(x, y, batch_size=batch_size, epochs=1, verbose=0)


def numpy_loop(data: LabelledImages, batch_size: int) -> Epoch:
    """SGD in NumPy on float32 pixels that are scaled beforehand."""
    x, y = (np.asarray(data.pixels) / np.float32(255)), np.eye(CLASSES, dtype=np.float32)[data.labels]
    weights, bias = np.zeros((x.shape[1], CLASSES), np.float32), np.zeros(CLASSES, np.float32)
    random = np.random.default_rng(1)

    def epoch() -> Floats:
        order = random.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            logits = x[batch] @ weights + bias
            exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
            probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
            step = (probabilities - y[batch]) * (LEARNING_RATE / len(batch))  # the logits' gradient, scaled
            weights[:] -= x[batch].T @ step
            bias[:] -= step.sum(axis=0)
        return weights

    return epoch


def products(data: LabelledImages, batch_size: int, heads: int = 1) -> Epoch:
    """The two matrix products of SGD in NumPy, float32, in file order, without gathering, scaling or updates."""
    x = np.asarray(data.pixels) / np.float32(255)
    weights = np.zeros((x.shape[1], heads * CLASSES), np.float32)

    def epoch() -> None:
        for start in range(0, len(x), batch_size):
            batch = x[start : start + batch_size]
            batch.T @ (batch @ weights)

    return epoch


def bank(data: LabelledImages, batch_size: int, heads: int = 1) -> Epoch:
    """This pipeline: the compiled pass of a bank, shuffled in each epoch. Every head has its own learning rate."""
    trained = Bank.from_models([model(data)] * heads)
    passes = EpochPass(data, CLASSES, trained.scale)
    rates = np.geomspace(LEARNING_RATE, LEARNING_RATE / 10, heads).astype(np.float32)
    decays = np.zeros_like(rates)
    random = np.random.default_rng(1)

    def epoch() -> Floats:
        weights, _ = passes.run_epoch(
            tf.convert_to_tensor(trained.head_weights),
            rates,
            decays,
            random.permutation(len(data)).astype(np.int32),
            batch_size,
        )
        trained.head_weights.assign(weights)
        return np.asarray(trained.head_weights[0, :, :-1]).T

    return epoch


def free_bank(data: LabelledImages, batch_size: int, heads: int) -> Epoch:
    """A bank without the promise that a head has the same bits in every bank: float32 sums, and no padding."""
    images = tf.constant(np.asarray(data.pixels)), tf.constant(np.asarray(data.labels, np.int32))
    rates = tf.constant(np.geomspace(LEARNING_RATE, LEARNING_RATE / 10, heads), tf.float32)
    parts = shares.split((tf.zeros((heads, CLASSES, data.pixels.shape[1] + 1)), rates), available_cores())
    random = np.random.default_rng(1)

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def run(weights: tf.Tensor, rates: tf.Tensor, minibatches: tf.Tensor, rest: tf.Tensor) -> tuple[tf.Tensor, ...]:
        columns = tf.transpose(tf.reshape(weights, (-1, weights.shape[-1])))

        def step(columns: tf.Tensor, minibatch: tf.Tensor) -> tuple[tf.Tensor, ...]:
            pixels, labels = (tf.gather(array, minibatch) for array in images)
            x = tf.concat([tf.cast(pixels, tf.float32) / 255, tf.ones((len(minibatch), 1))], axis=1)
            logits = tf.reshape(x @ columns, (len(minibatch), -1, CLASSES))
            onehot = tf.one_hot(labels, CLASSES)[:, None]
            loss = tf.reduce_sum(tf.reduce_logsumexp(logits, -1) - tf.reduce_sum(logits * onehot, -1), 0)
            wrong = tf.reduce_sum(tf.cast(tf.argmax(logits, -1, tf.int32) != labels[:, None], tf.int32), 0)
            error = (tf.nn.softmax(logits) - onehot) * (rates[:, None] / len(minibatch))
            return columns - tf.matmul(x, tf.reshape(error, (len(minibatch), -1)), transpose_a=True), loss, wrong

        loss, wrong = tf.zeros(len(rates)), tf.zeros(len(rates), tf.int32)
        for index in tf.range(len(minibatches)):
            columns, more_loss, more_wrong = step(columns, minibatches[index])
            loss, wrong = loss + more_loss, wrong + more_wrong
        if len(rest):
            columns, more_loss, more_wrong = step(columns, rest)
            loss, wrong = loss + more_loss, wrong + more_wrong
        return tf.reshape(tf.transpose(columns), weights.shape), loss, wrong

    def epoch() -> Floats:
        order = random.permutation(len(data)).astype(np.int32)
        whole = len(order) // batch_size * batch_size
        minibatches = tf.constant(order[:whole].reshape(-1, batch_size)), tf.constant(order[whole:])
        results = shares.call(run, parts, *minibatches)
        parts[:] = [(weights, steps) for (weights, *_), (_, steps) in zip(results, parts, strict=True)]
        return np.asarray(parts[0][0][0, :, :-1]).T

    return epoch


def jax_vmap(data: LabelledImages, batch_size: int, heads: int) -> Epoch:
    """JAX's way: one model's step, mapped over the heads, in a compiled loop over the minibatches."""
    import jax
    from jax import numpy as jnp

    x, y = jnp.asarray(np.asarray(data.pixels) / np.float32(255)), jnp.asarray(np.asarray(data.labels, np.int32))
    rates = jnp.geomspace(LEARNING_RATE, LEARNING_RATE / 10, heads)
    state = [(jnp.zeros((heads, x.shape[1], CLASSES)), jnp.zeros((heads, CLASSES)))]
    random = np.random.default_rng(1)

    def loss(model: Any, pixels: Any, labels: Any) -> Any:
        logits = pixels @ model[0] + model[1]
        return (jax.nn.logsumexp(logits, -1) - jnp.take_along_axis(logits, labels[:, None], -1)[:, 0]).mean()

    def step(model: Any, rate: Any, pixels: Any, labels: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(model, pixels, labels)
        return jax.tree.map(lambda weights, slope: weights - rate * slope, model, gradient), value

    @jax.jit  # type: ignore[untyped-decorator]  # JAX is not in the locks
    def run(models: Any, minibatches: Any, rest: Any) -> Any:
        def update(models: Any, minibatch: Any) -> Any:
            return jax.vmap(step, (0, 0, None, None))(models, rates, x[minibatch], y[minibatch])

        models, losses = jax.lax.scan(update, models, minibatches)
        return (update(models, rest)[0] if len(rest) else models), losses

    def epoch() -> Floats:
        order = random.permutation(len(data))
        whole = len(order) // batch_size * batch_size
        state[0], _ = run(state[0], order[:whole].reshape(-1, batch_size), order[whole:])
        return np.asarray(state[0][0][0])

    return epoch


def square_product() -> object:
    """TensorFlow's product of two large square matrices: the peak of arithmetic that a bank is compared with."""
    return tf.matmul(SQUARE, SQUARE).numpy()
