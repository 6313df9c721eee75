"""The pipeline on a folder of pictures, and on a published data set other than MNIST."""

import csv
import json
import os
import re
import shutil
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
    """Return a folder of 40 pictures, 6 pixels high and 9 wide, in two classes: the left or the right half is light."""
    random = np.random.default_rng(0)
    for number in range(40):
        pixels = random.integers(0, 60, (6, 9), np.uint8)
        pixels[:, 4 * (number % 2) :][:, :4] += 150
        path = tmp_path / "my own" / "train" / NAMES[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "my own"


@pytest.mark.repro
def test_pipeline_runs_on_a_folder_of_pictures_and_back_on_digits(own: Path, changeable: Project) -> None:
    """`dvc repro` uses the pictures' shape and class names. An unreadable picture is refused and changes nothing.

    A validation set that is added validates. With conf/ restored, `dvc repro` restores the former data set.
    """
    changeable.set("conf/config.yaml", "- data: digits ", "- data: folder ")
    changeable.set("conf/data/folder.yaml", "path: ???", f"path: '{own}'")
    changeable.set("conf/settings.yaml", "epochs: 100", "epochs: 3")
    changeable.set("conf/settings.yaml", "batch_size: 64", "batch_size: 8")
    done = changeable.run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^Running stage '(\w+)':$", done.stdout, re.MULTILINE) == [
        "compose", "fetch", "preprocess", "train", "evaluate",
    ]  # fmt: skip
    assert "copied 40 training and 0 test images" in done.stdout
    assert "+  nfiles: 40" in changeable.git("diff", "--unified=0", "data.dvc")
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

    (own / "train" / NAMES[0] / "x.png").unlink()
    for name in NAMES:
        shutil.copytree(own / "train" / name, own / "valid" / name)
    again = changeable.run("dvc", "repro", "--single-item", "--force", "fetch")
    assert "copied 40 training, 40 validation and 0 test images" in again.stdout
    again = changeable.run("dvc", "repro", "preprocess")
    assert "32 training, 40 validation (the data's own validation set) and 8 test images" in again.stdout
    assert sorted(path.name for path in (changeable.folder / "data").iterdir()) == ["train", "val"]

    changeable.git("checkout", "-q", "conf")
    restored = changeable.run("dvc", "repro", "preprocess")
    assert restored.returncode == 0, restored.stderr
    assert changeable.git("diff", "data.dvc") == ""
    assert len(list((changeable.folder / "data").iterdir())) == 4


@pytest.mark.mnist
def test_fashion_mnist_can_replace_mnist(fresh: Project, tmp_path: Path) -> None:
    """The data can come from Debian's package, without a mirror. The classes have their names."""
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
