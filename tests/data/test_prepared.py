"""Training never starts on missing data, nor on data of another configuration."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import UserError
from pipeline.data import prepared
from pipeline.runs import command_line
from tests.support.own import VALIDATION, npz
from tests.support.project import Project


def test_prepared_arrays_are_bytes_that_can_be_memory_mapped(digits: Project) -> None:
    """In file order, the last 300 training images are the validation set."""
    raw = (digits.folder / "data/train-images-idx3-ubyte").read_bytes()
    train, valid = (
        np.load(digits.folder / f"prepared/{name}_images.npy", mmap_mode="r") for name in ("train", "valid")
    )
    assert train.dtype == valid.dtype == np.uint8
    assert np.concatenate([train, valid]).tobytes() == raw[16:]
    assert len(valid) == 300


def test_summary_counts_and_describes_each_set(digits: Project) -> None:
    """The DVC metric of stage preprocess."""
    summary = json.loads((digits.folder / "prepared/summary.json").read_text())
    assert summary["made_from"]["data.name"] == "digits"
    for name, images in (("train", 1200), ("valid", 300), ("test", 297)):
        pixels = np.load(digits.folder / f"prepared/{name}_images.npy")
        assert summary[name]["images"] == sum(summary[name]["counts"].values()) == images
        assert summary[name]["mean"] == pytest.approx(pixels.mean(), abs=1e-4)
        assert summary[name]["std"] == pytest.approx(pixels.std(), abs=1e-4)


def test_fresh_clone_names_the_command_to_run(fresh: Project) -> None:
    """A stage whose input is missing names the command that creates it."""
    for stage, command in (("train", "dvc repro preprocess"), ("preprocess", "dvc repro data.dvc")):
        done = fresh.stage(stage)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert command in done.stderr


def test_each_command_refuses_data_of_another_configuration(digits: Project) -> None:
    """With an exit code and one line."""
    for command in (["optimum", "-S"], ["train"], ["evaluate"]):
        done = digits.stage(*command, "data.split.validation=200")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "data.split.validation=300 instead of 200" in done.stderr
        assert "dvc repro preprocess" in done.stderr


@pytest.fixture
def folder(digits: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data.dvc and prepared/ of the digits, from which this process reads."""
    shutil.copyfile(digits.folder / "data.dvc", tmp_path / "data.dvc")
    shutil.copytree(digits.folder / "prepared", tmp_path / "prepared")
    monkeypatch.setattr(prepared, "DATA_DVC", tmp_path / "data.dvc")
    monkeypatch.setattr(prepared, "PREPARED", tmp_path / "prepared")
    monkeypatch.setattr(prepared, "CLASSES", tmp_path / "prepared/classes.json")
    return tmp_path


def error_message(*overrides: str) -> str:
    """Read the prepared data, and return the error message."""
    with pytest.raises(UserError) as error:
        prepared.read(command_line.settings(["data=digits", *overrides]), "train", "valid")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_sets_that_are_read_twice_share_a_memory_map(folder: Path) -> None:
    """Each map keeps a file open, and a sweep reads the sets for each job. A file that was replaced is mapped anew."""
    settings = command_line.settings(["data=digits"])
    (first,), (second,) = (prepared.read(settings, "valid") for _ in range(2))
    assert first.images is second.images
    images = folder / "prepared/valid_images.npy"
    np.save(folder / "new.npy", np.flip(first.images, axis=0))
    (folder / "new.npy").replace(images)
    (third,) = prepared.read(settings, "valid")
    np.testing.assert_array_equal(third.images, np.flip(first.images, axis=0))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data=mnist", "data.name=digits instead of mnist"),
        ("data.split.validation=200", "data.split.validation=300 instead of 200"),
        ("data.split.shuffle=true", "data.split.shuffle=False instead of True"),
        ("data.split.seed=2", "data.split.seed=1 instead of 2"),
        (f"data.files.train_images.sha256={'0' * 64}", "data.files.train_images.sha256=d37552f4"),
    ],
)
def test_data_of_another_configuration_are_refused(override: str, message: str) -> None:
    """Another set, or another split."""
    assert message in error_message(override)


def test_data_with_another_hash_are_refused(folder: Path) -> None:
    """After a `git pull`, data.dvc may pin other data than those in prepared/."""
    dvc_file, md5 = folder / "data.dvc", prepared.data_md5()
    dvc_file.write_text(dvc_file.read_text().replace(md5, "0" * 32 + ".dir"))
    assert f"data.md5={md5} instead of {'0' * 32}.dir" in error_message()


@pytest.mark.usefixtures("folder")
def test_seed_of_training_does_not_change_the_split() -> None:
    """Otherwise, a sweep over `seed` would need other data for each job."""
    (data,) = prepared.read(command_line.settings(["data=digits", "seed=5"]), "train")
    assert len(data) == 1200


def test_file_of_another_data_set_is_refused(changeable: Project) -> None:
    """A valid IDX file with other contents would be used without notice."""
    labels = changeable.folder / "data/t10k-labels-idx1-ubyte"
    content = bytearray(labels.read_bytes())
    content[-1] ^= 1
    labels.unlink()
    labels.write_bytes(content)
    done = changeable.stage("preprocess")
    assert done.returncode == 2
    assert "t10k-labels-idx1-ubyte does not have the SHA-256 that data=digits names" in done.stderr


def test_validation_set_larger_than_the_data_is_refused(digits: Project) -> None:
    """Stage preprocess refuses it: it knows the number of images."""
    done = digits.stage("preprocess", "data.split.validation=1500")
    assert done.returncode == 2
    assert "data.split.validation=1500 is not allowed: the training set has 1500 images" in done.stderr


@pytest.mark.parametrize("file", ["train_images.npy", "summary.json"])
def test_error_of_damaged_file_names_the_command_to_run(file: str, folder: Path) -> None:
    """A truncated file causes no traceback."""
    path = folder / "prepared" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "dvc repro --force preprocess" in error_message()


def test_merge_conflict_in_data_dvc_is_refused(folder: Path) -> None:
    """data.dvc is in Git, and two branches may pin different data."""
    dvc_file = folder / "data.dvc"
    dvc_file.write_text("<<<<<<< HEAD\n" + dvc_file.read_text() + "=======\n")
    assert "git checkout data.dvc" in error_message()


def test_minibatch_larger_than_the_training_set_is_refused(digits: Project) -> None:
    """Before a run is created."""
    done = digits.stage("train", "train.batch_size=1201")
    assert done.returncode == 2
    assert done.stderr == (
        "error: train.batch_size=1201 is not allowed: the training set has 1200 images, so it must be at most 1200\n"
    )


def test_own_validation_set_validates(changeable: Project) -> None:
    """No training image validates then. The summary says so; a share of the training images is refused beside it."""
    shutil.rmtree(changeable.folder / "data")
    (changeable.folder / "data").mkdir()
    (changeable.folder / "data/data.npz").write_bytes(npz(x_valid=VALIDATION[0], y_valid=VALIDATION[1]))
    done = changeable.stage("preprocess", "data=folder", "data.path=own")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "12 training, 7 validation (the data's own validation set) and 6 test images\n"
        "next: python -m pipeline.train data=folder data.path=own\n"
    )
    for kind, array in zip(("images", "labels"), VALIDATION, strict=True):
        np.testing.assert_array_equal(np.load(changeable.folder / f"prepared/valid_{kind}.npy"), array)
    refused = changeable.stage("preprocess", "data=folder", "data.path=own", "data.split.validation=3")
    assert refused.returncode == 2
    assert "data.split.validation=3 is not allowed: set data.split.validation=null to use it" in refused.stderr
    (changeable.folder / "data/data.npz").write_bytes(npz())
    done = changeable.stage("preprocess", "data=folder", "data.path=own", "data.split.validation=3")
    assert done.stdout.startswith("9 training, 3 validation and 6 test images\n")
