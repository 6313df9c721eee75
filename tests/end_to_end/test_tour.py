"""The diffs of docs/tour.md, and docs/hidden_layer.diff, do what the page says."""

import csv
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.wrong_images import WrongImages
from pipeline.model import keras_file
from tests.support.pages import blocks
from tests.support.project import ROOT, Project
from tests.support.stores import client_of, runs

METRIC, LOSS, STAGE = blocks(ROOT / "docs/tour.md", "diff")
MODEL = (ROOT / "docs/hidden_layer.diff").read_text()


def apply(project: Project, diff: str) -> None:
    """Apply a diff as a reader would."""
    subprocess.run(["git", "apply", "-"], cwd=project.folder, input=diff, text=True, check=True)


def test_metric_of_each_epoch_is_logged(changeable: Project) -> None:
    """In a bank, too. At the best epoch it follows from the images that the kept weights get wrong."""
    apply(changeable, METRIC)
    done = changeable.stage("train", "--multirun", "train.learning_rate=0.1,0.3", "train.epochs=3")
    assert done.returncode == 0, done.stderr
    labels = np.load(changeable.folder / "prepared/valid_labels.npy")
    tracked = runs(changeable.folder)
    assert len(tracked) == 2
    for run in tracked:
        client = client_of(changeable.folder)
        curve = client.get_metric_history(run.info.run_id, "valid/macro_recall")
        wrong = WrongImages.read(Path(client.download_artifacts(run.info.run_id, "valid_wrong.json"))).wrong
        recalls = [1 - wrong[labels == label].mean() for label in range(10)]
        assert [point.step for point in curve] == [1, 2, 3]
        assert curve[int(run.data.metrics["best/epoch"]) - 1].value == pytest.approx(np.mean(recalls))


def test_loss_changes_training_and_not_what_is_logged(changeable: Project) -> None:
    """With smoothed labels the logged loss is still the negative log-likelihood, and it stays above the other's."""
    apply(changeable, LOSS)
    done = changeable.stage("train", "hydra.run.dir=smoothed")
    assert done.returncode == 0, done.stderr
    losses = []
    for folder in ("models", "smoothed"):
        with (changeable.folder / folder / "history.csv").open() as file:
            losses.append([float(row["train/loss"]) for row in csv.DictReader(file)])
    epochs = min(map(len, losses))
    assert losses[0][epochs - 1] < losses[1][epochs - 1] < losses[1][0]


def test_model_with_a_hidden_layer_trains_and_is_evaluated(changeable: Project) -> None:
    """It gets fewer images wrong. A job of a sweep has the same bytes as if it were trained alone."""
    apply(changeable, MODEL)
    settings = ("train.learning_rate=0.3", "train.batch_size=32", "train.epochs=12")
    shutil.copy(changeable.folder / "models/model.keras", changeable.folder / "softmax.keras")
    for name, *words in (
        ("train", "hydra.run.dir=models", *settings),
        ("evaluate", *settings),
        ("train", "--multirun", "train.learning_rate=0.1,0.3", *settings[1:], "sweep.rerun=true"),
        ("predict", "docs/digits/thin-7.png"),
    ):
        done = changeable.stage(name, *words)
        assert done.returncode == 0, done.stderr
    alone, *swept = sorted(runs(changeable.folder), key=lambda run: run.info.start_time)[-3:]
    assert {run.info.status for run in (alone, *swept)} == {"FINISHED"}
    (same,) = (run for run in swept if run.data.params["train.learning_rate"] == "0.3")
    assert same.data.tags["model.sha256"] == alone.data.tags["model.sha256"]
    assert same.data.metrics["valid/error"] == alone.data.metrics["valid/error"]
    images = np.load(changeable.folder / "prepared/test_images.npy").reshape(-1, 64)
    labels = np.load(changeable.folder / "prepared/test_labels.npy")
    softmax = keras_file.read(changeable.folder / "softmax.keras")
    assert alone.data.metrics["test/error"] < (softmax.logits(images).argmax(axis=1) != labels).mean()


def test_stage_is_run_by_dvc(changeable: Project) -> None:
    """And runs again where the test labels change, and not otherwise."""
    apply(changeable, STAGE)
    for expected in ("Running stage 'balance':", "Data and pipelines are up to date."):
        done = changeable.run("dvc", "repro", "balance")
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
    with (changeable.folder / "reports/balance.csv").open() as file:
        rows = [*csv.reader(file)]
    counts = np.bincount(np.load(changeable.folder / "prepared/test_labels.npy"))
    assert rows == [["class", "images"], *([str(label), str(count)] for label, count in enumerate(counts))]
