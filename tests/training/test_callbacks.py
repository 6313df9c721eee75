"""Keras callbacks, signals and progress lines while a bank trains."""

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
    """One head for each learning rate."""
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
    """`logs` holds the metrics of the best head, under the names that Keras' callbacks expect."""
    results = dict(fit(heads(sets, settings, 0.001, 0.3, 1e38), [keras.callbacks.CSVLogger(tmp_path / "log.csv")]))
    best = results[1]
    assert isinstance(best, Fit)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    for row, epoch in zip(rows, best.history, strict=True):
        assert epoch.valid is not None
        logged = {name: pytest.approx(float(row[name])) for name in ("loss", "error", "val_loss", "val_error")}
        assert logged == {
            "loss": epoch.train.loss,
            "error": epoch.train.error,
            "val_loss": epoch.valid.loss,
            "val_error": epoch.valid.error,
        }


def test_keras_early_stopping_and_checkpoints_work(sets: Sets, settings: Train, tmp_path: Path) -> None:
    """Keras' EarlyStopping ends the training of all heads, which keep their history. ModelCheckpoint saves the bank."""
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", min_delta=10, patience=1),
        keras.callbacks.ModelCheckpoint(tmp_path / "bank.keras", monitor="val_error", mode="min", save_best_only=True),
    ]
    for _, result in fit(heads(sets, settings, 0.1, 0.3), callbacks):
        assert isinstance(result, Fit)
        assert len(result.history) == 2
    assert keras.models.load_model(tmp_path / "bank.keras").shape["heads"] == 2


def test_failing_on_epoch_ends_only_its_head(sets: Sets, settings: Train) -> None:
    """An `on_epoch` that raises, for example because a store is lost, does not stop the other heads."""

    def fail(epoch: Epoch, _: object) -> None:
        if epoch.number == 2:
            raise OSError("no space left")

    first, second = heads(sets, settings, 0.1, 0.3)
    (early, failure), (late, result) = fit([second, dataclasses.replace(first, on_epoch=fail)])
    assert (early, late) == (1, 0)  # the failure is returned at once
    assert isinstance(failure, OSError)
    assert isinstance(result, Fit)
    assert len(result.history) == 3


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated), (signal.SIGHUP, Terminated)],
)
def test_swallowed_interrupt_is_raised_again(
    number: signal.Signals, raised: type[BaseException], sets: Sets, settings: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C and SIGHUP take effect although a library swallows the exception.

    Python drops exceptions raised in a finalizer, and some libraries have a bare `except:`.
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
        with pytest.raises(raised) as info:
            list(fit(heads(sets, settings, 0.1), [keras.callbacks.LambdaCallback(on_epoch_end=swallow)]))
    finally:
        for handled, handler in before.items():
            signal.signal(handled, handler)
    assert swallowed == [info.value]
    assert getattr(info.value, "number", signal.SIGINT) == number


def test_bank_prints_progress_lines_into_a_log(
    sets: Sets, settings: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal, several heads print a line with the best error. A single head logs every epoch instead."""
    monkeypatch.setattr("pipeline.training.progress_bar.LINE_SECONDS", 0)
    results = dict(fit(heads(sets, settings, 0.1, 0.3), [ProgressBar()]))
    lines = capsys.readouterr().out.splitlines()
    best = min(result.best.error for result in results.values() if isinstance(result, Fit))
    assert lines[-1] == f"epoch 3 of 3, 2 jobs: best validation error {best:.2%}"
    list(fit(heads(sets, settings, 0.1), [ProgressBar()]))
    assert capsys.readouterr().out == ""
