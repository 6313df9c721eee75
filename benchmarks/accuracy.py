"""Time to 7.5 % validation error: scikit-learn's solvers, and ours."""

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

from benchmarks import contenders
from benchmarks.rounds import ROUNDS, markdown
from pipeline.core.config import resolve
from pipeline.core.paths import CONF
from pipeline.data.images import LabelledImages
from pipeline.training.head import Head

TARGET = 0.075
ITERATIONS = (5, 10, 20, 40, 80)  # an iteration of a solver passes once over the data
RATE, BATCH_SIZE = 0.3, 64


@dataclass(frozen=True)
class Found:
    """Passes over the training images, seconds, and the validation error reached."""

    passes: int
    seconds: float
    error: float


def table() -> str:
    """The first of so many passes after which a solver is below the target, started afresh; compiling included."""
    train, valid = contenders.mnist(), contenders.mnist("valid")
    ways: dict[str, Callable[[int], Any]] = {
        "LogisticRegression, lbfgs": lambda n: LogisticRegression(solver="lbfgs", max_iter=n),
        "LogisticRegression, saga": lambda n: LogisticRegression(solver="saga", max_iter=n),
        "SGDClassifier, log_loss": lambda n: SGDClassifier(loss="log_loss", max_iter=n, tol=None, random_state=1),
    }
    rows = [(name, *_told(_solver(make, train, valid))) for name, make in ways.items()]
    rows.append((f"ours, learning rate {RATE}, batch size {BATCH_SIZE}", *_told(_ours(train, valid))))
    return markdown(f"To a validation error of {TARGET:.1%}", ("way", "passes", "s", "validation error"), rows)


def _told(found: Found) -> tuple[str, str, str]:
    missed = "" if found.error <= TARGET else " (not reached)"
    return str(found.passes), f"{found.seconds:.1f}", f"{found.error:.2%}{missed}"


def _solver(make: Callable[[int], Any], train: LabelledImages, valid: LabelledImages) -> Found:
    """Twice as many passes until they are enough."""
    x, valid_x = ((np.asarray(data.pixels) / np.float32(255)) for data in (train, valid))
    for passes in ITERATIONS:
        solver = make(passes)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped on purpose
            solver.fit(x, np.asarray(train.labels))
        found = Found(passes, time.perf_counter() - start, float((solver.predict(valid_x) != valid.labels).mean()))
        if found.error <= TARGET:
            break
    return found


def _ours(train: LabelledImages, valid: LabelledImages) -> Found:
    """Until the first epoch that is good enough, from the model's construction on."""
    from pipeline.training.fit import fit  # late: it makes TensorFlow deterministic, and plain Keras slower

    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = resolve(compose("config", [f"train.learning_rate={RATE}", f"train.batch_size={BATCH_SIZE}"]))
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        head = Head(contenders.model(train), train, valid, config.train, config.seed, lambda *_: None)
        ((_, result),) = fit([head], [_Until(TARGET)])
        if isinstance(result, Exception):
            raise result
        found.append(Found(len(result.history), time.perf_counter() - start, result.best.error))
    return Found(found[0].passes, statistics.median(each.seconds for each in found), found[0].error)


class _Until(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Stops training at a validation error."""

    def __init__(self, target: float) -> None:
        super().__init__()
        self.target = target

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Look at the error."""
        if (logs or {}).get("val_error", 1.0) <= self.target:
            self.model.stop_training = True
