"""What a page tells of one training run."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.core.atomic import sha256
from pipeline.reporting import embedding, provenance
from pipeline.reporting.provenance import Rows
from pipeline.runs.stored_run import Account

MOST_STEPS = 30  # of the weight images: about 25 kB each
STEP = re.compile(r"weights\+step\+(\d+)\+.*\.png")  # as MLflow names the images of a series
SURROUNDINGS = ("data.files.", "data.sources", "tracking.")
CURVES = ("train/loss", "train/error", "valid/loss", "valid/error")
MEASURES = ("precision", "recall", "f1")


class Figure(NamedTuple):
    """A figure that evaluating makes; a wide one has a row of the page for itself."""

    name: str
    title: str
    told: str
    wide: bool


FIGURES = (
    Figure("confusion", "Confusion", "How many test images of each class were taken for which.", wide=True),
    Figure("mistakes", "Mistakes", "The test images that the model is most sure of, and wrong.", wide=False),
    Figure("calibration", "Calibration", "How often predictions of each probability are right.", wide=False),
    Figure("classes", "Classes", "Precision, recall and F1 of each class on the test set.", wide=True),
)


class Best(NamedTuple):
    """The best epoch on the validation set; a run that has not finished has no loss of it."""

    epoch: int
    error: float
    loss: float | None


class Step(NamedTuple):
    """An image of the weights after an epoch."""

    epoch: int
    image: str


@dataclass(frozen=True)
class Single:
    """A run, and its files as data: URIs or texts; None or absent is what it does not have."""

    account: Account
    epochs: int
    best: Best | None
    curves: str | None
    weights: str | None
    steps: list[Step]
    figures: dict[str, str]
    classes: list[tuple[str, list[float]]]  # name; precision, recall and F1 of each
    provenance: Rows
    settings: Rows  # that determine the result
    surroundings: Rows  # the other ones
    config: str | None
    diff: str | None


def read(account: Account, folder: Path) -> Single:
    """Gather it from the store; the folder is for pictures that are drawn here."""
    found = {figure.name: embedding.image(account.artifact(f"figures/{figure.name}.png")) for figure in FIGURES}
    params = sorted(account.params.items())
    lock = account.artifact("provenance/requirements.lock")
    return Single(
        account,
        epochs=max((step for step, _ in account.history("train/loss")), default=0),
        best=_best(account),
        curves=_curves(account, folder),
        weights=embedding.image(account.artifact("weights.png")),
        steps=_steps(account),
        figures={name: image for name, image in found.items() if image},
        classes=_classes(account),
        provenance=provenance.rows(account, sha256(lock) if lock else None),
        settings=[(key, value) for key, value in params if not key.startswith(SURROUNDINGS)],
        surroundings=[(key, value) for key, value in params if key.startswith(SURROUNDINGS)],
        config=embedding.text(account.artifact("provenance/config.yaml")),
        diff=embedding.text(account.artifact("provenance/git.diff")),
    )


def _best(account: Account) -> Best | None:
    metrics = account.metrics
    if "best/valid_error" in metrics:
        return Best(int(metrics["best/epoch"]), metrics["best/valid_error"], metrics["best/valid_loss"])
    errors = account.history("valid/error")
    return min((Best(step, error, None) for step, error in errors), key=lambda best: best.error, default=None)


def _curves(account: Account, folder: Path) -> str | None:
    """As evaluating drew them, or drawn now."""
    drawn = account.artifact("figures/learning_curves.png")
    if drawn:
        return embedding.image(drawn)
    columns = {name: dict(account.history(name)) for name in CURVES}
    epochs = sorted(columns["train/loss"])
    if not columns["valid/error"]:
        return None
    import numpy as np

    from pipeline.evaluation import learning_curves

    values = {name: np.array([points.get(epoch, np.nan) for epoch in epochs]) for name, points in columns.items()}
    path = folder / "learning_curves.png"
    learning_curves.draw({"epoch": np.array(epochs, float), **values}, "Loss and error by epoch", path)
    return embedding.image(path)


def _steps(account: Account) -> list[Step]:
    """The series of weight images, not more of them than a page can hold."""
    paths = {int(match[1]): path for path in account.files("images") if (match := STEP.search(path))}
    images = (
        (epoch, embedding.image(account.artifact(paths[epoch])))
        for epoch in embedding.spread(sorted(paths), MOST_STEPS)
    )
    return [Step(epoch, image) for epoch, image in images if image]


def _classes(account: Account) -> list[tuple[str, list[float]]]:
    """Each class's name with its precision, recall and F1; none where the run was not evaluated."""
    path = account.artifact("classes.csv")
    if path is None:
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["class"], [float(row[measure]) for measure in MEASURES]) for row in csv.DictReader(file)]
