"""The benchmarks compare contenders that do the same work."""

import itertools
import sys

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from benchmarks import accuracy, contenders, processes, rounds
from pipeline.data.images import LabelledImages
from tests.support.reference import SoftmaxRegression


def test_contenders_learn_the_same() -> None:
    """No contender does less work than the others: all train the same weights, and Keras has the same mean loss.

    Keras shuffles by itself, so that its weights differ.
    """
    keras.utils.set_random_seed(1)  # for Keras' shuffle; deterministic TensorFlow requires a seed
    digits = load_digits()
    data = LabelledImages((digits.images * 15).astype(np.uint8), digits.target.astype(np.uint8))
    expected = contenders.numpy_loop(data, 32)()
    np.testing.assert_allclose(contenders.bank(data, 32)(), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(contenders.bank(data, 32, heads=4)(), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(contenders.free_bank(data, 32, heads=5)(), expected, rtol=1e-4, atol=1e-6)
    loss, _ = SoftmaxRegression(np.zeros((64, 10)), np.zeros(10)).epoch(data.pixels / 255, data.labels, 32, 0.1)
    assert contenders.keras_fit(data, 32)().history["loss"][0] == pytest.approx(loss, rel=0.03)


def test_contenders_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every contender has a turn in each round, so that a busy moment of the machine affects all of them."""
    monkeypatch.setattr(rounds, "TURN_SECONDS", 0.001)
    turns: list[str] = []
    seconds = rounds.measure({"one": lambda: turns.append("one"), "other": lambda: turns.append("other")})
    assert [name for name, _ in itertools.groupby(turns)] == ["one", "other"] * rounds.ROUNDS
    assert list(seconds) == ["one", "other"]


def test_speeds_show_how_far_the_rounds_differ() -> None:
    """A figure without its spread would hide a busy machine."""
    seconds = rounds.Seconds.of_rounds([0.5, 0.1, 0.2])
    assert seconds.speed(2) == "10.0 (4.0 to 20.0)"
    assert str(seconds) == "0.20 (0.10 to 0.50)"


def test_table_is_markdown() -> None:
    """A table has a title, a header and its rows in Markdown."""
    assert rounds.markdown("Title", ("a", "b"), [("1", "2")]).splitlines() == [
        "## Title",
        "",
        "| a | b |",
        "| --- | --- |",
        "| 1 | 2 |",
    ]


def test_time_to_accuracy_ends_at_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training stops at the first epoch, and the search for a solver's passes at the first number, at the target."""
    monkeypatch.setattr(accuracy, "TARGET", 0.15)
    digits = load_digits()
    data = LabelledImages((digits.images * 15).astype(np.uint8), digits.target.astype(np.uint8))
    train, valid = data[:1400], data[1400:]
    ours = accuracy.measure_ours(train, valid)
    assert ours.error <= 0.15
    assert ours.passes < 10  # conf/ allows 100 epochs
    solver = accuracy.measure_solver(lambda passes: LogisticRegression(solver="saga", max_iter=passes), train, valid)
    assert solver.error <= 0.15
    assert solver.passes < accuracy.PASSES[-1]


def test_failing_command_raises() -> None:
    """A command that fails early must not count as a fast one."""
    with pytest.raises(RuntimeError, match="ended with 3: broken"):
        processes.time_command([sys.executable, "-c", "import sys; print('broken'); sys.exit(3)"])
