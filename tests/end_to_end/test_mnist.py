"""The stages on real MNIST with a few epochs, because test_docs_commands.py takes minutes."""

from pathlib import Path

from tests.support import project
from tests.support.stores import runs


def test_three_epochs_on_real_mnist_come_near_the_promised_error(tmp_path: Path) -> None:
    """At most 9 %, where the README's whole training promises 7.8 %."""
    made = project.create(tmp_path / "project")
    prepared = made.run("dvc", "repro", "preprocess")
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    trained = made.stage("train", "train.epochs=3", "train.report_test=true")
    assert trained.returncode == 0, trained.stderr
    (run,) = runs(made.folder, "mnist")
    assert run.data.metrics["best/valid_error"] <= 0.09
    assert run.data.metrics["test/error"] <= 0.09
