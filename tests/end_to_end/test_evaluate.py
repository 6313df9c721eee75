"""Stages optimum and evaluate, on the bundled digits: what they write, into which run, and what they refuse."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.model import files, softmax
from tests.support.project import Project
from tests.support.stores import client_of, runs


def test_evaluation_is_on_disk_and_in_the_run(digits: Project) -> None:
    """Its figures, told by other formulas from the predictions, which are there image by image."""
    metrics = json.loads((digits.folder / "reports/metrics.json").read_text())
    table = np.genfromtxt(digits.folder / "reports/predictions.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["image"], np.arange(297))
    np.testing.assert_array_equal(table["label"], np.load(digits.folder / "prepared/test_labels.npy"))
    assert ((table["probability"] > 0.1) & (table["probability"] <= 1)).all()
    right = table["predicted"] == table["label"]
    assert metrics["test/error"] == pytest.approx(1 - right.mean())
    assert metrics["test/error_low"] < metrics["test/error"] < metrics["test/error_high"]
    bins = np.ceil(15 * table["probability"])
    gaps = [abs(right[bins == each].mean() - table["probability"][bins == each].mean()) for each in np.unique(bins)]
    expected = np.average(gaps, weights=np.unique(bins, return_counts=True)[1])
    assert metrics["test/calibration_error"] == pytest.approx(expected, abs=1e-5)

    (run,) = runs(digits.folder)
    assert {name: run.data.metrics[name] for name in metrics} == metrics
    client = client_of(digits.folder)
    with Path(client.download_artifacts(run.info.run_id, "classes.csv")).open(newline="") as file:
        f1 = {f"test/f1/{label}": float(row["f1"]) for label, row in enumerate(csv.DictReader(file))}
    assert {name: value for name, value in run.data.metrics.items() if name.startswith("test/f1/")} == f1
    kept = {file.path for file in client.list_artifacts(run.info.run_id, "figures")}
    names = ("learning_curves", "confusion", "mistakes", "calibration", "classes")
    assert kept == {f"figures/{name}.png" for name in names}
    assert all((digits.folder / f"reports/plots/{name}.png").is_file() for name in names)


def test_digits_can_be_separated(digits: Project, changeable: Project) -> None:
    """So no weights are the best, and the model's whole objective, its mean loss, is above the infimum, 0."""
    optimum = json.loads((digits.folder / "optimum/optimum.json").read_text())
    assert optimum["objective"] == optimum["lower_bound"] == 0
    metrics = json.loads((digits.folder / "reports/metrics.json").read_text())
    assert metrics["train/objective_gap"] == metrics["train/objective"]
    last = (digits.folder / "models/history.csv").read_text().splitlines()[-1]
    assert metrics["train/objective"] == pytest.approx(float(last.split(",")[1]), rel=0.5)
    done = changeable.stage("optimum")
    assert "no image is wrong, so that the objective's infimum is 0 nats" in done.stdout


def test_evaluate_refuses_another_objective_s_optimum(changeable: Project) -> None:
    """The distance to it would mean nothing; one that is damaged or absent is told too."""
    file = changeable.folder / "optimum/optimum.json"
    content = file.read_text()
    for text, override, told in (
        (content, "train.l2=0.1", "is of other data, pixel_divisor or l2 than asked for: run `dvc repro optimum`"),
        (content[:40], "train.l2=0", "is damaged"),
        ("", "train.l2=0", "is not there: run `dvc repro optimum`"),
    ):
        file.unlink()
        if text:
            file.write_text(text)
        done = changeable.stage("evaluate", override)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert told in done.stderr
        file.touch()


def test_evaluate_without_its_run_still_reports(changeable: Project) -> None:
    """A model that was pulled or copied has no run here: the figures are on disk, and one line says so.

    The classes' names are those of the data, as they are.
    """
    names = ["$x_{1}", "50 %", "<b>", "猫", 'a,"b"', "x" * 300, "6", "T-shirt/top", "é", "i"]
    classes = changeable.folder / "prepared/classes.json"
    classes.unlink()
    classes.write_text(json.dumps(names))
    done = changeable.stage("evaluate")
    assert done.returncode == 0, done.stderr
    assert "no finished run in" in done.stdout
    assert json.loads((changeable.folder / "reports/metrics.json").read_text())["test/error"] > 0
    with (changeable.folder / "reports/plots/classes.csv").open(newline="", encoding="utf-8") as file:
        assert [row["class"] for row in csv.DictReader(file)] == names


def test_evaluate_refuses_a_model_of_other_data(changeable: Project) -> None:
    """Or TensorFlow would tell of shapes; what was reported before stays."""
    before = (changeable.folder / "reports/metrics.json").read_bytes()
    model = changeable.folder / "models/model.keras"
    model.unlink()
    files.save(softmax.build(784, 10, 255.0, "zeros", 1), model)
    done = changeable.stage("evaluate")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "was trained on other data" in done.stderr
    assert (changeable.folder / "reports/metrics.json").read_bytes() == before
