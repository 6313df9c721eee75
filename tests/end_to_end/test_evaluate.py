"""Stage evaluate on the bundled digits: its files, its metrics in the run, and its errors."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.model import keras_file, softmax
from tests.support.project import Project
from tests.support.stores import client_of, runs


def test_evaluation_is_on_disk_and_in_the_run(digits: Project) -> None:
    """The metrics equal those computed here from predictions.csv. The run has the same metrics and the figures."""
    metrics = json.loads((digits.folder / "reports/metrics.json").read_text())
    table = np.genfromtxt(digits.folder / "reports/predictions.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["image"], np.arange(297))
    np.testing.assert_array_equal(table["label"], np.load(digits.folder / "prepared/test_labels.npy"))
    assert ((table["probability"] > 0.1) & (table["probability"] <= 1)).all()
    correct = table["predicted"] == table["label"]
    assert metrics["test/error"] == pytest.approx(1 - correct.mean())
    assert metrics["test/error_low"] < metrics["test/error"] < metrics["test/error_high"]
    bins = np.ceil(15 * table["probability"])
    gaps = [abs(correct[bins == bin_].mean() - table["probability"][bins == bin_].mean()) for bin_ in np.unique(bins)]
    expected = np.average(gaps, weights=np.unique(bins, return_counts=True)[1])
    assert metrics["test/calibration_error"] == pytest.approx(expected, abs=1e-5)

    (run,) = runs(digits.folder)
    assert {name: run.data.metrics[name] for name in metrics} == metrics
    client = client_of(digits.folder)
    with Path(client.download_artifacts(run.info.run_id, "classes.csv")).open(newline="") as file:
        f1 = {f"test/f1/{label}": float(row["f1"]) for label, row in enumerate(csv.DictReader(file))}
    assert {name: value for name, value in run.data.metrics.items() if name.startswith("test/f1/")} == f1
    figures = {file.path for file in client.list_artifacts(run.info.run_id, "figures")}
    names = ("learning_curves", "confusion", "mistakes", "calibration", "classes")
    assert figures == {f"figures/{name}.png" for name in names}
    assert all((digits.folder / f"reports/plots/{name}.png").is_file() for name in names)


def test_evaluate_without_its_run_still_reports(changeable: Project) -> None:
    """A pulled or copied model has no run in the local store: its metrics are on disk, and one line says so.

    Class names are written exactly as in the data.
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
    """The error has one line instead of TensorFlow's error about shapes. The earlier reports stay."""
    before = (changeable.folder / "reports/metrics.json").read_bytes()
    model = changeable.folder / "models/model.keras"
    model.unlink()
    keras_file.save(softmax.build(784, 10, 255.0, "zeros", 1), model)
    done = changeable.stage("evaluate")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "was trained on other data" in done.stderr
    assert (changeable.folder / "reports/metrics.json").read_bytes() == before
