"""`python -m pipeline.optimum` on the bundled digits: what it prints, logs and keeps, and what it refuses."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.model import keras_file, softmax
from tests.support.project import Project
from tests.support.stores import client_of, runs

L2 = 0.01


@pytest.fixture(scope="module")
def trained(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one run, trained with L2; the last test changes its prepared data."""
    project = digits.copy(tmp_path_factory.mktemp("optimum") / "project")
    done = project.stage("train", "hydra.run.dir=models", "train.epochs=3", f"train.l2={L2}")
    assert done.returncode == 0, done.stderr
    return project


def kept(project: Project) -> list[Path]:
    return sorted((project.folder / "outputs/optimum").iterdir())


def expected_objective(folder: Path) -> float:
    """Mean negative log-likelihood + l2 * sum(W^2) over the training images, in float64."""
    model = keras_file.read(folder / "models/model.keras")
    kernel, bias = model.kernel.astype(float), model.bias.astype(float)
    labels = np.load(folder / "prepared/train_labels.npy")
    logits = np.load(folder / "prepared/train_images.npy").reshape(len(labels), -1) / 255 @ kernel + bias
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return float(losses.mean() + L2 * (kernel**2).sum())


def test_run_gets_its_objective_and_the_distance_from_the_optimum(trained: Project) -> None:
    """With the L2 of the run, whatever conf/ says; the optimum is proven."""
    done = trained.stage("optimum")
    assert done.returncode == 0, done.stderr
    (run,) = runs(trained.folder)
    (file,) = kept(trained)
    optimum = json.loads(file.read_text())
    assert optimum["made_from"]["train.l2"] == L2
    objective, gap = (run.data.metrics[f"train/{name}"] for name in ("objective", "objective_gap"))
    assert objective == pytest.approx(expected_objective(trained.folder), rel=1e-5)
    assert gap == objective - optimum["objective"] > 0.1
    text = f"training objective {objective:.4f} nats, {gap:.4f} above the optimum ({optimum['objective']:.4f})"
    assert done.stdout.splitlines()[-2:] == [text, f"next: python -m pipeline.report {run.info.run_id[:8]}"]
    assert re.match(r"after \d+ iterations: optimum \S+ nats, proven to be at least ", done.stdout)


def test_json_has_the_figures_that_the_run_gets(trained: Project) -> None:
    """All digits of them; the progress is on stderr."""
    done = trained.stage("optimum", "--json")
    document = json.loads(done.stdout)
    (run,) = runs(trained.folder)
    (file,) = kept(trained)
    optimum = json.loads(file.read_text())
    assert document == {
        "run_id": run.info.run_id,
        "objective": run.data.metrics["train/objective"],
        "optimum": optimum["objective"],
        "gap": run.data.metrics["train/objective_gap"],
        "lower_bound": optimum["lower_bound"],
        "proven": True,
        "iterations": optimum["iterations"],
    }
    assert done.stderr.startswith("the optimum is that of ")


def test_kept_optimum_is_used_again_unless_it_is_damaged(trained: Project) -> None:
    """A damaged file is replaced, and no answer comes from it."""
    (run,) = runs(trained.folder)
    (file,) = kept(trained)
    content = file.read_text()
    reused = trained.stage("optimum", run.info.run_id[:12])
    assert reused.stdout.startswith(f"the optimum is that of outputs/optimum/{file.name}\n"), reused.stderr
    file.write_text(content[:40])
    repeated = trained.stage("optimum", run.info.run_id[:12])
    assert repeated.stdout.startswith("after "), repeated.stderr
    assert reused.stdout.endswith(repeated.stdout)
    assert json.loads(file.read_text()).keys() == json.loads(content).keys()


def test_model_file_without_a_run_is_measured_with_the_settings_in_conf(trained: Project) -> None:
    """Its l2 is another one, so the optimum of the run is not used; without l2 the digits can be separated.

    Then no weights are the best, and the whole objective is above the infimum, 0.
    """
    with (
        zipfile.ZipFile(trained.folder / "models/model.keras") as source,
        zipfile.ZipFile(trained.folder / "loose.keras", "w") as target,
    ):
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name, (1990, 1, 1, 0, 0, 0)), source.read(name))
    before = runs(trained.folder)[0].data.metrics
    done = trained.stage("optimum", "loose.keras")
    assert "no image is wrong, so that the objective's infimum is 0 nats, which no weights attain" in done.stdout
    figures = re.search(
        r"^training objective (\S+) nats, (\S+) above the optimum \(0\.0000\)$", done.stdout, re.MULTILINE
    )
    assert figures is not None, done.stderr
    assert figures[1] == figures[2]
    assert len(kept(trained)) == 2
    assert runs(trained.folder)[0].data.metrics == before


def refusal(project: Project, *args: str) -> str:
    done = project.stage("optimum", "--json", *args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    return done.stderr


def test_models_of_other_data_are_refused(trained: Project) -> None:
    """Each in one line: no file, images of another size, another hash of the data, another split."""
    assert "missing.keras is not there" in refusal(trained, "missing.keras")
    keras_file.save(softmax.build(784, 10, 255.0, "zeros", 1), trained.folder / "large.keras")
    text = "large.keras was trained on images of another size or on other classes than prepared/ holds"
    assert text in refusal(trained, "large.keras")
    (run,) = runs(trained.folder)
    text = f"run {run.info.run_id} was trained on other data than prepared/ holds"
    assert trained.stage("preprocess", "data.split.seed=2").returncode == 0
    assert f"{text} (data.split.seed=1 instead of 2)" in refusal(trained, "-S", "data.split.seed=2")
    client_of(trained.folder).set_tag(run.info.run_id, "data.md5", "0123.dir")
    assert f"{text} (data.md5=0123.dir instead of " in refusal(trained, "-S", "data.split.seed=2")
