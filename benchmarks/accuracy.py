"""Time to 7.5 % validation error: scikit-learn's solvers and this pipeline."""

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from hydra import compose, initialize_config_dir
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier

from benchmarks import contenders
from benchmarks.rounds import ROUNDS, markdown
from pipeline.core.config import resolve
from pipeline.core.paths import CONF
from pipeline.data.images import LabelledImages
from pipeline.training.head import Head

TARGET = 0.075
PASSES = (5, 10, 20, 40, 80)  # over the training images: one per iteration of a solver
LEARNING_RATE, BATCH_SIZE = 0.3, 64


@dataclass(frozen=True)
class Measurement:
    """Passes over the training images, seconds, and the validation error after them."""

    passes: int
    seconds: float
    error: float


def table() -> str:
    """Return the table of passes and seconds to the target, compilation included.

    A solver is started anew for each number of passes. The table has the smallest number that reaches the target.
    """
    train, valid = contenders.mnist(), contenders.mnist("valid")
    solvers: dict[str, Callable[[int], Any]] = {
        "LogisticRegression, lbfgs": lambda n: LogisticRegression(solver="lbfgs", max_iter=n),
        "LogisticRegression, saga": lambda n: LogisticRegression(solver="saga", max_iter=n),
        "LogisticRegression, liblinear, one against the rest": lambda n: OneVsRestClassifier(
            LogisticRegression(solver="liblinear", max_iter=n)
        ),
        "SGDClassifier, log_loss": lambda n: SGDClassifier(loss="log_loss", max_iter=n, tol=None, random_state=1),
    }
    rows = [(name, *_cells(measure_solver(make, train, valid))) for name, make in solvers.items()]
    rows.append((f"ours, learning rate {LEARNING_RATE}, batch size {BATCH_SIZE}", *_cells(measure_ours(train, valid))))
    return markdown(f"Time to a validation error of {TARGET:.1%}", ("method", "passes", "s", "validation error"), rows)


def _cells(measurement: Measurement) -> tuple[str, str, str]:
    missed = "" if measurement.error <= TARGET else " (not reached)"
    return str(measurement.passes), f"{measurement.seconds:.1f}", f"{measurement.error:.2%}{missed}"


def measure_solver(make: Callable[[int], Any], train: LabelledImages, valid: LabelledImages) -> Measurement:
    """Fit new solvers with more and more passes until one reaches the target; measure the last one."""
    x, valid_x = ((np.asarray(data.pixels) / np.float32(255)) for data in (train, valid))
    for passes in PASSES:
        solver = make(passes)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is limited on purpose
            solver.fit(x, np.asarray(train.labels))
        seconds = time.perf_counter() - start
        measurement = Measurement(passes, seconds, float((solver.predict(valid_x) != valid.labels).mean()))
        if measurement.error <= TARGET:
            break
    return measurement


def measure_ours(train: LabelledImages, valid: LabelledImages) -> Measurement:
    """Build a model and train it until the first epoch that reaches the target. The seconds are a median."""
    from pipeline.training.fit import fit  # late: the import makes TensorFlow deterministic, and plain Keras slower

    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = resolve(compose("config", [f"train.learning_rate={LEARNING_RATE}", f"train.batch_size={BATCH_SIZE}"]))
    measurements = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        head = Head(contenders.model(train), train, valid, config.train, config.seed, lambda *_: None)
        ((_, result),) = fit([head], [_StopAtTarget(TARGET)])
        if isinstance(result, Exception):
            raise result
        measurements.append(Measurement(len(result.history), time.perf_counter() - start, result.best.error))
    seconds = statistics.median(measurement.seconds for measurement in measurements)
    return Measurement(measurements[0].passes, seconds, measurements[0].error)


class _StopAtTarget(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Stops training as soon as the validation error is at most `target`."""

    def __init__(self, target: float) -> None:
        super().__init__()
        self.target = target

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Compare the validation error with the target."""
        if (logs or {}).get("val_error", 1.0) <= self.target:
            self.model.stop_training = True
