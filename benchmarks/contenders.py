"""Contenders: functions without arguments that train one epoch of softmax regression on MNIST's training images."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.core.errors import UserError
from pipeline.core.paths import PREPARED
from pipeline.data.images import LabelledImages
from pipeline.model import softmax
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


def square_product() -> object:
    """TensorFlow's product of two large square matrices: the peak of arithmetic that a bank is compared with."""
    return tf.matmul(SQUARE, SQUARE).numpy()
