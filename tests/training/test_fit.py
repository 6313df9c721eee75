"""Training follows the formulas, the settings and the seed, and stops by the early-stopping rules."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.core.config import Train
from pipeline.core.errors import Diverged
from pipeline.data.images import LabelledImages
from pipeline.model import softmax
from pipeline.model.metrics import score
from pipeline.training import chunks
from pipeline.training import fit as fitting
from pipeline.training.epoch_pass import memory_errors
from pipeline.training.head import Fit, Head
from tests.support.reference import SoftmaxRegression

Sets = tuple[LabelledImages, LabelledImages]


def fit(sets: Sets, settings: Train, seed: int = 1) -> tuple[keras.Model, Fit]:
    """Train one model; raise what its head failed with."""
    model = softmax.build(64, 10, 255.0, "zeros", seed)
    ((_, result),) = fitting.fit([Head(model, *sets, settings, seed, lambda *_: None)])
    if isinstance(result, Exception):
        raise result
    return model, result


@pytest.mark.parametrize("l2", [0.0, 0.02])
def test_curves_and_weights_equal_an_independent_implementation(sets: Sets, settings: Train, l2: float) -> None:
    """Training equals SGD in NumPy, float64: losses to 1e-5, errors exactly, with a partial last minibatch."""
    settings = dataclasses.replace(settings, l2=l2)
    model, result = fit(sets, settings)
    reference = SoftmaxRegression(np.zeros((64, 10)), np.zeros(10))
    (x, y), (valid_x, valid_y) = ((data.pixels / 255, data.labels) for data in sets)
    best = (np.inf, reference.weights)
    for epoch in result.history:
        order = fitting.order(len(y), len(y), settings, (1, epoch.number))
        loss, error = reference.epoch(x[order], y[order], settings.batch_size, settings.learning_rate, l2)
        valid_loss, valid_errors = reference.measure(valid_x, valid_y)
        assert epoch.valid is not None
        assert epoch.train.loss == pytest.approx(loss, rel=1e-5)
        assert epoch.train.error == pytest.approx(error)
        assert epoch.valid.loss == pytest.approx(valid_loss / len(valid_y), rel=1e-5)
        assert epoch.valid.error == pytest.approx(valid_errors / len(valid_y))
        if valid_errors < best[0]:
            best = (valid_errors, reference.weights.copy())
    np.testing.assert_allclose(model.get_weights()[0], best[1], rtol=1e-4, atol=1e-6)


def test_same_seed_gives_the_same_bits_whatever_ran_before(sets: Sets, settings: Train) -> None:
    """A second fit in the same process gives the same weights. Another seed gives other weights."""
    first, _ = fit(sets, settings)
    keras.utils.set_random_seed(99)
    second, _ = fit(sets, settings)
    other_seed, _ = fit(sets, settings, seed=2)
    np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])
    assert not np.array_equal(first.get_weights()[0], other_seed.get_weights()[0])


def test_each_epoch_sees_every_image_once_in_its_own_order(settings: Train) -> None:
    """Every epoch has its own seeded permutation. With shuffle=false it is the order of the file."""
    first, second = (fitting.order(1000, 1000, settings, (1, epoch)) for epoch in (1, 2))
    np.testing.assert_array_equal(np.sort(first), np.arange(1000))
    assert not np.array_equal(first, second)
    unshuffled = fitting.order(1000, 1000, dataclasses.replace(settings, shuffle=False), (1, 1))
    np.testing.assert_array_equal(unshuffled, np.arange(1000))


def test_sets_larger_than_memory_are_read_from_their_file(
    sets: Sets, settings: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training in chunks of whole minibatches follows the formulas and equals training from memory, bit for bit."""
    monkeypatch.setattr(chunks, "MAX_BYTES_IN_MEMORY", 64 * 200)  # 200 of the images
    for data, name in zip(sets, ("train", "valid"), strict=True):
        np.save(tmp_path / f"{name}.npy", data.images)
    mapped = [
        LabelledImages(np.load(tmp_path / f"{name}.npy", mmap_mode="r"), data.labels)
        for data, name in zip(sets, ("train", "valid"), strict=True)
    ]
    model, result = fit((mapped[0], mapped[1]), settings)
    from_memory, _ = fit(sets, settings)
    np.testing.assert_array_equal(model.get_weights()[0], from_memory.get_weights()[0])
    reference = SoftmaxRegression(np.zeros((64, 10)), np.zeros(10))
    x, y = sets[0].pixels / 255, sets[0].labels
    for epoch in result.history:
        order = fitting.order(1000, 192, settings, (1, epoch.number))  # 4 minibatches of 48
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
        loss, error = reference.epoch(x[order], y[order], settings.batch_size, settings.learning_rate)
        assert epoch.train.loss == pytest.approx(loss, rel=1e-5)
        assert epoch.train.error == pytest.approx(error)


def test_drop_last_uses_whole_minibatches_only(sets: Sets, settings: Train) -> None:
    """With drop_last, as in the tutorial, the remaining images take no part in training or validation."""
    train, valid = sets
    dropped, dropped_fit = fit(sets, dataclasses.replace(settings, drop_last=True, shuffle=False))
    whole, whole_fit = fit((train[:960], valid[:288]), dataclasses.replace(settings, shuffle=False))
    np.testing.assert_array_equal(dropped.get_weights()[0], whole.get_weights()[0])
    assert dropped_fit == whole_fit


def test_model_keeps_the_best_epoch(sets: Sets, settings: Train) -> None:
    """The model has the weights of the first epoch with the lowest validation error, not those of the last epoch."""
    settings = dataclasses.replace(settings, learning_rate=3.0, epochs=15)  # a large rate: the error oscillates
    model, result = fit(sets, settings)
    errors = [epoch.valid.error for epoch in result.history if epoch.valid is not None]
    assert result.best_epoch == 1 + int(np.argmin(errors)) < len(errors)
    logits = softmax.to_numpy(model).logits(sets[1].pixels)
    assert (logits.argmax(axis=1) != sets[1].labels).mean() == pytest.approx(result.best.error)


def test_patience_ends_training(sets: Sets, settings: Train) -> None:
    """Training ends exactly `patience` epochs after the best one."""
    _, result = fit(sets, dataclasses.replace(settings, learning_rate=3.0, epochs=500, patience=4))
    assert len(result.history) == result.best_epoch + 4 < 500


def test_update_patience_ends_training_within_an_epoch(sets: Sets, settings: Train) -> None:
    """The tutorial's rule counts updates from 0. An epoch that it cuts short is in the history and not validated."""
    settings = dataclasses.replace(settings, early_stopping="updates", epochs=9)
    settings.update_patience.updates, settings.update_patience.increase = 50, 1.0
    _, result = fit(sets, settings)  # 21 minibatches per epoch: updates 0..50 are two epochs and nine updates
    assert [epoch.valid is None for epoch in result.history] == [False, False, True]


@pytest.mark.parametrize("learning_rate", [1e38, 3e38])
def test_divergence_is_an_error_that_names_the_setting(sets: Sets, settings: Train, learning_rate: float) -> None:
    """A loss that is not finite raises Diverged. This model's loss is finite up to learning rates near 1e36."""
    with pytest.raises(Diverged, match=r"loss is (nan|inf) in epoch 1: choose a train\.learning_rate below"):
        fit(sets, dataclasses.replace(settings, learning_rate=learning_rate))


def test_resource_exhausted_error_becomes_a_memory_error() -> None:
    """Other rooms handle MemoryError and import no TensorFlow. The text loses the name of the compiled function."""
    with pytest.raises(MemoryError, match=r"^Out of memory while trying to allocate 802.53MiB$"), memory_errors():
        raise tf.errors.ResourceExhaustedError(
            None, None, "Out of memory while trying to allocate 802.53MiB. [Op:__inference_train_1966]"
        )


def test_validation_equals_the_score_of_the_logits(sets: Sets, settings: Train) -> None:
    """Training and evaluate compute loss and error alike, so that their figures can be compared."""
    model, result = fit(sets, settings)
    expected = score(softmax.to_numpy(model).logits(sets[1].pixels), sets[1].labels)
    assert result.best.error == expected.error
    assert result.best.loss == pytest.approx(expected.loss, rel=1e-6)
