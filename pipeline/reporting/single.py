"""The content of a page about a training run."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.core.atomic import sha256
from pipeline.reporting import embedding, provenance
from pipeline.reporting.provenance import Rows
from pipeline.runs.stored_run import StoredRun

MAX_STEPS = 30  # weight images of about 25 kB
STEP = re.compile(r"weights\+step\+(\d+)\+.*\.png")  # MLflow's name of an image in a series
ENVIRONMENT = ("data.files.", "data.sources", "tracking.")
CURVES = ("train/loss", "train/error", "valid/loss", "valid/error")
MEASURES = ("precision", "recall", "f1")


class Figure(NamedTuple):
    """A figure of stage evaluate; a wide one fills a row of the page."""

    name: str
    title: str
    caption: str
    wide: bool


FIGURES = (
    Figure("confusion", "Confusion", "Number of test images by true and predicted class.", wide=True),
    Figure("mistakes", "Mistakes", "The misclassified test images with the highest probabilities.", wide=False),
    Figure("calibration", "Calibration", "The fraction of correct predictions by their probability.", wide=False),
    Figure("classes", "Classes", "Precision, recall and F1 of each class on the test set.", wide=True),
)


class Best(NamedTuple):
    """The best epoch on the validation set; an unfinished run has no loss for it."""

    epoch: int
    error: float
    loss: float | None


class Step(NamedTuple):
    """An image of the weights after an epoch."""

    epoch: int
    image: str


@dataclass(frozen=True)
class Single:
    """A run, and its files as data: URIs or texts; a missing file is None or absent."""

    stored_run: StoredRun
    epochs: int
    best: Best | None
    curves: str | None
    weights: str | None
    steps: list[Step]
    figures: dict[str, str]
    classes: list[tuple[str, list[float]]]  # name; precision, recall and F1
    provenance: Rows
    settings: Rows  # that determine the result
    environment: Rows  # the other ones
    config: str | None
    diff: str | None


def read(run: StoredRun, folder: Path) -> Single:
    """Read the run from the store; figures are drawn into the folder if the run lacks them."""
    figures = {figure.name: embedding.image(run.download_artifact(f"figures/{figure.name}.png")) for figure in FIGURES}
    params = sorted(run.params.items())
    lock = run.download_artifact("provenance/requirements.lock")
    return Single(
        run,
        epochs=max((step for step, _ in run.metric_history("train/loss")), default=0),
        best=_best(run),
        curves=_curves(run, folder),
        weights=embedding.image(run.download_artifact("weights.png")),
        steps=_steps(run),
        figures={name: image for name, image in figures.items() if image},
        classes=_classes(run),
        provenance=list(provenance.rows(run, sha256(lock) if lock else None)),
        settings=[(key, value) for key, value in params if not key.startswith(ENVIRONMENT)],
        environment=[(key, value) for key, value in params if key.startswith(ENVIRONMENT)],
        config=embedding.text(run.download_artifact("provenance/config.yaml")),
        diff=embedding.text(run.download_artifact("provenance/git.diff")),
    )


def _best(run: StoredRun) -> Best | None:
    metrics = run.metrics
    if "best/valid_error" in metrics:
        return Best(int(metrics["best/epoch"]), metrics["best/valid_error"], metrics["best/valid_loss"])
    errors = run.metric_history("valid/error")
    return min((Best(step, error, None) for step, error in errors), key=lambda best: best.error, default=None)


def _curves(run: StoredRun, folder: Path) -> str | None:
    """The curves that stage evaluate drew, or else new ones."""
    drawn = run.download_artifact("figures/learning_curves.png")
    if drawn:
        return embedding.image(drawn)
    columns = {name: dict(run.metric_history(name)) for name in CURVES}
    epochs = sorted(columns["train/loss"])
    if not columns["valid/error"]:
        return None
    import numpy as np

    from pipeline.evaluation import learning_curves

    values = {name: np.array([points.get(epoch, np.nan) for epoch in epochs]) for name, points in columns.items()}
    path = folder / "learning_curves.png"
    learning_curves.draw({"epoch": np.array(epochs, float), **values}, "Loss and error by epoch", path)
    return embedding.image(path)


def _steps(run: StoredRun) -> list[Step]:
    """At most MAX_STEPS of the weight images."""
    paths = {int(match[1]): path for path in run.artifact_paths("images") if (match := STEP.search(path))}
    epochs = embedding.spread(sorted(paths), MAX_STEPS)
    images = ((epoch, embedding.image(run.download_artifact(paths[epoch]))) for epoch in epochs)
    return [Step(epoch, image) for epoch, image in images if image]


def _classes(run: StoredRun) -> list[tuple[str, list[float]]]:
    """Each class's name with its precision, recall and F1; empty if the run was not evaluated."""
    path = run.download_artifact("classes.csv")
    if path is None:
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["class"], [float(row[measure]) for measure in MEASURES]) for row in csv.DictReader(file)]
