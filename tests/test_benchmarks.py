"""The benchmarks compare ways to do the same work."""

import itertools

import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks import contenders, rounds
from pipeline.data.labelled import LabelledImages
from tests.support.reference import SoftmaxRegression


def test_contenders_learn_the_same() -> None:
    """A way that did less would win unfairly. Keras shuffles by itself: its mean loss over the epoch must do."""
    digits = load_digits()
    data = LabelledImages((digits.images * 15).astype(np.uint8), digits.target.astype(np.uint8))
    expected = contenders.numpy_loop(data, 32)()
    np.testing.assert_allclose(contenders.bank(data, 32)(), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(contenders.bank(data, 32, heads=4)(), expected, rtol=1e-4, atol=1e-6)
    loss, _ = SoftmaxRegression(np.zeros((64, 10)), np.zeros(10)).epoch(data.pixels / 255, data.labels, 32, 0.1)
    assert contenders.keras_fit(data, 32)().history["loss"][0] == pytest.approx(loss, rel=0.03)


def test_contenders_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy moment of the machine meets all of them; none is measured in one piece."""
    monkeypatch.setattr(rounds, "TURN_SECONDS", 0.001)
    turns: list[str] = []
    found = rounds.seconds({"one": lambda: turns.append("one"), "other": lambda: turns.append("other")})
    assert [name for name, _ in itertools.groupby(turns)] == ["one", "other"] * rounds.ROUNDS
    assert list(found) == ["one", "other"]


def test_table_is_markdown() -> None:
    """benchmarks/results.md is read on the repository's page."""
    assert rounds.markdown("Title", ("a", "b"), [("1", "2")]).splitlines() == [
        "## Title",
        "",
        "| a | b |",
        "| --- | --- |",
        "| 1 | 2 |",
    ]
