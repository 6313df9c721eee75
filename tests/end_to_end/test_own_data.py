"""Data of one's own, and published ones other than MNIST, through the pipeline."""

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.project import Project
from tests.support.stores import runs

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
NAMES = ["Katze <b>", "ñandú $x$"]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Forty pictures of 6x9 pixels in two classes: the left or the right half is light."""
    random = np.random.default_rng(0)
    for number in range(40):
        pixels = random.integers(0, 60, (6, 9), np.uint8)
        pixels[:, 4 * (number % 2) :][:, :4] += 150
        path = tmp_path / "my own" / "train" / NAMES[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "my own"


@pytest.mark.repro
def test_pictures_go_through_the_whole_pipeline_and_back(own: Path, changeable: Project) -> None:
    """The model has their shape, figures their names; the data set that was there before comes back as it was."""
    changeable.set("conf/config.yaml", "- data: digits ", "- data: folder ")
    changeable.set("conf/data/folder.yaml", "path: ???", f"path: '{own}'")
    changeable.set("conf/train/sgd.yaml", "epochs: 100 ", "epochs: 3 ")
    changeable.set("conf/config.yaml", "batch_size: 64", "batch_size: 8")
    done = changeable.run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^Running stage '(\w+)':$", done.stdout, re.MULTILINE) == [
        "compose", "fetch", "preprocess", "train", "evaluate",
    ]  # fmt: skip
    assert "copied 40 training and 0 test images" in done.stdout
    pinned = changeable.git("diff", "--unified=0", "data.dvc")
    assert "+  nfiles: 40" in pinned
    summary = json.loads((changeable.folder / "prepared/summary.json").read_text())
    assert [summary[name]["counts"] for name in ("train", "valid", "test")] == [
        {"0": 13, "1": 13}, {"0": 3, "1": 3}, {"0": 4, "1": 4},
    ]  # fmt: skip
    with (changeable.folder / "reports/plots/classes.csv").open(newline="", encoding="utf-8") as file:
        assert [row["class"] for row in csv.DictReader(file)] == NAMES
    (run,) = runs(changeable.folder, "folder")
    assert run.data.params["data.path"] == str(own)
    assert run.data.metrics["test/error"] < 0.2

    (own / "train" / NAMES[0] / "x.png").write_bytes(b"no picture")
    refused = changeable.run("dvc", "repro", "--single-item", "--force", "fetch")
    assert refused.returncode != 0
    assert "x.png: this is not a picture" in refused.stderr
    assert changeable.run("dvc", "status").stdout == "Data and pipelines are up to date.\n"

    changeable.git("checkout", "-q", "conf")
    back = changeable.run("dvc", "repro", "preprocess")
    assert back.returncode == 0, back.stderr
    assert changeable.git("diff", "data.dvc") == ""


@pytest.mark.mnist
def test_fashion_mnist_takes_mnists_place(fresh: Project, tmp_path: Path) -> None:
    """From Debian's package, where no mirror answers; its classes have names."""
    if not FASHION.is_dir():
        assert not os.environ.get("CI"), "install the Debian package dataset-fashion-mnist"
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    project = fresh.copy(tmp_path / "project")
    project.set("conf/config.yaml", "- data: mnist ", "- data: fashion_mnist ")
    done = project.run("dvc", "repro", "preprocess")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((project.folder / "prepared/summary.json").read_text())
    assert summary["train"]["images"] == 50_000
    assert summary["test"]["counts"] == {str(label): 1000 for label in range(10)}
    assert json.loads((project.folder / "prepared/classes.json").read_text())[-1] == "Ankle boot"
