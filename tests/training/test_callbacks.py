"""Keras' callbacks work on a bank as on any model."""

import csv
import dataclasses
import signal
from pathlib import Path

import keras
import pytest

from pipeline.core import signals
from pipeline.core.config import Train
from pipeline.core.errors import Terminated
from pipeline.data.images import LabelledImages
from pipeline.model import softmax
from pipeline.training.fit import fit
from pipeline.training.head import Epoch, Fit, Head
from pipeline.training.progress_bar import ProgressBar

Sets = tuple[LabelledImages, LabelledImages]


def heads(sets: Sets, settings: Train, *rates: float) -> list[Head]:
    return [
        Head(
            softmax.build(64, 10, 255.0, "zeros", 1),
            *sets,
            dataclasses.replace(settings, learning_rate=rate),
            1,
            lambda *_: None,
        )
        for rate in rates
    ]


def test_logs_are_those_of_the_best_head(sets: Sets, settings: Train, tmp_path: Path) -> None:
    """Under Keras' own names, so that Keras' own callbacks find them."""
    found = dict(fit(heads(sets, settings, 0.001, 0.3, 1e38), [keras.callbacks.CSVLogger(tmp_path / "log.csv")]))
    best = found[1]
    assert isinstance(best, Fit)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    for row, epoch in zip(rows, best.history, strict=True):
        assert epoch.valid is not None
        told = {name: pytest.approx(float(row[name])) for name in ("loss", "error", "val_loss", "val_error")}
        assert told == {
            "loss": epoch.train.loss,
            "error": epoch.train.error,
            "val_loss": epoch.valid.loss,
            "val_error": epoch.valid.error,
        }


def test_callback_may_stop_training_and_keep_the_bank(sets: Sets, settings: Train, tmp_path: Path) -> None:
    """Early stopping and checkpoints of Keras' own; the heads keep what they had."""
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", min_delta=10, patience=1),
        keras.callbacks.ModelCheckpoint(tmp_path / "bank.keras", monitor="val_error", mode="min", save_best_only=True),
    ]
    for _, done in fit(heads(sets, settings, 0.1, 0.3), callbacks):
        assert isinstance(done, Fit)
        assert len(done.history) == 2
    assert keras.models.load_model(tmp_path / "bank.keras").shape["heads"] == 2


def test_observer_that_fails_ends_its_head_alone(sets: Sets, settings: Train) -> None:
    """As when one run's store is gone: the others are trained to their end."""

    def fail(epoch: Epoch, _: object) -> None:
        if epoch.number == 2:
            raise OSError("no space left")

    first, second = heads(sets, settings, 0.1, 0.3)
    (early, failed), (late, found) = fit([second, dataclasses.replace(first, on_epoch=fail)])
    assert (early, late) == (1, 0)  # told at once
    assert isinstance(failed, OSError)
    assert isinstance(found, Fit)
    assert len(found.history) == 3


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated), (signal.SIGHUP, Terminated)],
)
def test_swallowed_interrupt_is_raised_again(
    number: signal.Signals, raised: type[BaseException], sets: Sets, settings: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python drops what a finalizer raises, and some libraries have a bare `except:`: Ctrl-C must not get lost.

    Nor must the hang-up of a terminal that is closed.
    """
    monkeypatch.setattr(signals._Received, "interrupt", None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    swallowed: list[BaseException] = []

    def swallow(*_: object) -> None:
        try:
            signal.raise_signal(number)
        except raised as error:
            swallowed.append(error)

    try:
        signals.listen()
        with pytest.raises(raised) as told:
            list(fit(heads(sets, settings, 0.1), [keras.callbacks.LambdaCallback(on_epoch_end=swallow)]))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert swallowed == [told.value]
    assert getattr(told.value, "number", signal.SIGINT) == number


def test_bank_tells_a_log_how_far_it_is(
    sets: Sets, settings: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line now and then with the best so far; none for one head, of which every epoch is logged."""
    monkeypatch.setattr("pipeline.training.progress_bar.LINE_SECONDS", 0)
    found = dict(fit(heads(sets, settings, 0.1, 0.3), [ProgressBar()]))
    lines = capsys.readouterr().out.splitlines()
    best = min(fit.best.error for fit in found.values() if isinstance(fit, Fit))
    assert lines[-1] == f"epoch 3 of 3, 2 jobs: best validation error {best:.2%}"
    list(fit(heads(sets, settings, 0.1), [ProgressBar()]))
    assert capsys.readouterr().out == ""
