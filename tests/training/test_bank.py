"""A head trained in a bank equals the same head trained alone, bit for bit. A bank is a Keras model."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.core.config import Train
from pipeline.core.errors import Diverged
from pipeline.data.images import LabelledImages
from pipeline.model import softmax
from pipeline.training import fit
from pipeline.training.bank import Bank, Floats, set_head_weights
from pipeline.training.head import Fit, Head

Sets = tuple[LabelledImages, LabelledImages]


def train_bank(
    sets: Sets, settings: Train, rates: list[float], max_shares: int | None = None
) -> list[tuple[Fit | Exception, Floats]]:
    """Train one head for each learning rate. The rate also decides the head's seed, L2 and number of epochs."""
    classes, pixels = int(sets[0].labels.max()) + 1, sets[0].pixels.shape[1]
    heads = [
        Head(
            softmax.build(pixels, classes, 255.0, "glorot_uniform", int(rate * 1000) % 10),
            *sets,
            dataclasses.replace(
                settings, learning_rate=rate, l2=0.01 * (rate < 0.1), epochs=settings.epochs - int(rate * 1000) % 2
            ),
            1,
            lambda *_: None,
        )
        for rate in rates
    ]
    results = dict(fit.fit(heads, max_shares=max_shares))
    return [(results[number], np.vstack(head.model.get_weights())) for number, head in enumerate(heads)]


def noise_images(images: int, side: int, classes: int) -> LabelledImages:
    """Return images of noise. Every class occurs in the labels."""
    random = np.random.default_rng(images)
    labels = random.permutation(np.arange(images) % classes).astype(np.uint8)
    noise = random.integers(0, 256, (images, side, side)).astype(np.uint8)
    return LabelledImages(noise // 2 + (labels[:, None, None] // 2).astype(np.uint8), labels)


@pytest.mark.parametrize(
    ("side", "classes", "batch_size"),
    [(28, 10, 1), (28, 10, 32), (28, 10, 600), (8, 10, 7), (8, 10, 600), (5, 3, 100), (5, 3, 600), (28, 26, 64)],
)
def test_head_has_the_same_bits_in_every_bank(settings: Train, side: int, classes: int, batch_size: int) -> None:
    """Curves, best epoch and weights do not depend on the number of heads. Skipping and resuming jobs rely on it.

    Noise makes differences in rounding visible.
    """
    images = 130 if batch_size == 1 else 1500
    sets = noise_images(images, side, classes), noise_images(1100, side, classes)
    settings = dataclasses.replace(settings, batch_size=batch_size, epochs=2)
    rates = np.geomspace(0.01, 0.5, 17).tolist()
    alone = {head: train_bank(sets, settings, rates[head : head + 1])[0] for head in (0, 2, 16)}
    for heads in (3, 17):
        together = train_bank(sets, settings, rates[:heads])
        for head in (head for head in alone if head < heads):
            assert together[head][0] == alone[head][0]
            np.testing.assert_array_equal(together[head][1], alone[head][1])


@pytest.mark.parametrize("early_stopping", ["epochs", "updates"])
def test_ended_head_does_not_change_the_other_heads(sets: Sets, settings: Train, early_stopping: str) -> None:
    """Heads that stop early or diverge leave the bank. The bits of the other heads stay the same."""
    settings = dataclasses.replace(settings, early_stopping=early_stopping, epochs=60, patience=3)
    settings.update_patience.updates, settings.update_patience.increase = 50, 2.0
    rates = [0.001, 1e38, 0.1, 3.0, 1e38, 0.5, 10.0, 1.0]
    together = train_bank(sets, settings, rates)
    epochs = set()
    for rate, (result, weights) in zip(rates, together, strict=True):
        ((result_alone, weights_alone),) = train_bank(sets, settings, [rate])
        np.testing.assert_array_equal(weights, weights_alone)
        if isinstance(result, Fit):
            assert result == result_alone
            epochs.add(len(result.history))
        else:
            assert str(result) == str(result_alone)
    assert [isinstance(result, Diverged) for result, _ in together] == [rate == 1e38 for rate in rates]
    assert len(epochs) > 2  # the heads ended in different epochs


@pytest.mark.parametrize("batch_size", [32, 600])
def test_number_of_shares_changes_no_bit(sets: Sets, settings: Train, batch_size: int) -> None:
    """Nor does the number of cores. Some heads diverge, some end early, and a share is filled up with zeros."""
    settings = dataclasses.replace(settings, batch_size=batch_size, epochs=12, patience=3)
    rates = [0.001, 1e38, 0.1, 3.0, 1e38, 0.5, 10.0]
    whole = train_bank(sets, settings, rates, max_shares=1)
    for max_shares in (2, 3, 5):
        for (result, weights), (expected, expected_weights) in zip(
            train_bank(sets, settings, rates, max_shares), whole, strict=True
        ):
            assert str(result) == str(expected)
            assert weights.tobytes() == expected_weights.tobytes()
            if isinstance(result, Fit) and isinstance(expected, Fit):
                np.testing.assert_array_equal(result.wrong, expected.wrong)
                assert result.wrong.mean() == result.best.error


def test_bank_is_a_keras_model(sets: Sets, tmp_path: Path) -> None:
    """Keras can summarize, save and load a bank. The bank predicts what its heads predict as single models."""
    models = [softmax.build(64, 10, 255.0, "glorot_uniform", seed) for seed in (1, 2, 3)]
    bank = Bank.from_models(models)
    lines: list[str] = []
    bank.summary(print_fn=lines.append)
    assert any("1,950" in line for line in lines)  # 3 heads x 10 classes x (64 pixels + 1 bias)
    bank.save(tmp_path / "bank.keras")
    loaded = keras.models.load_model(tmp_path / "bank.keras")
    pixels = sets[1].pixels[:50]
    probabilities = np.asarray(loaded(pixels))
    single = softmax.build(64, 10, 255.0, "zeros", 1)
    for head, model in enumerate(models):
        set_head_weights(single, np.asarray(bank.head_weights[head]))
        np.testing.assert_allclose(probabilities[:, head], np.asarray(model(pixels)), atol=1e-6)
        np.testing.assert_array_equal(single.get_weights()[0], model.get_weights()[0])
        np.testing.assert_array_equal(softmax.to_numpy(single).kernel.T, model.get_weights()[0].T)
