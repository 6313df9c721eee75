"""User data are read in every layout, and copied to downloads/."""

import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.core.config import Split
from pipeline.core.errors import UserError
from pipeline.formats import checks, idx, pictures
from pipeline.sources import own_data
from tests.support.own import IMAGES, LABELS, TEST, VALIDATION, data, npz, write_idx, write_pictures


def fetched(path: Path, folder: Path, **settings: Any) -> checks.Sets:
    """Fetch the data to downloads/, and read them from there."""
    own_data.fetch(data(path, **settings), folder / "downloads")
    return checks.read(data(path, **settings), folder / "downloads")


@pytest.mark.parametrize("names", ["{}-idx{}-ubyte", "{}.idx{}-ubyte", "{}-idx{}-ubyte.gz", "{}.idx{}-ubyte.gz"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_files_are_recognized_by_all_spellings(names: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Gzip is recognized by the contents. The copies have one name and no compression, and so one hash."""
    sets = fetched(write_idx(tmp_path / "own", names, pack), tmp_path)
    assert sets.test is not None
    np.testing.assert_array_equal(sets.training.images, IMAGES)
    np.testing.assert_array_equal(sets.training.labels, LABELS)
    np.testing.assert_array_equal(sets.test.images, TEST[0])
    assert sets.classes == ["0", "1", "2"]
    assert (tmp_path / "downloads/t10k-labels-idx1-ubyte").read_bytes() == idx.encode(TEST[1])
    assert len(list((tmp_path / "downloads").iterdir())) == 4


def test_settings_describe_the_layout_of_emnist(tmp_path: Path) -> None:
    """EMNIST has transposed images, labels from 1, and several data sets in one folder."""
    folder = write_idx(tmp_path / "own", "emnist-letters-{}-idx{}-ubyte.gz", gzip.compress)
    for path in folder.glob("*t10k*"):
        path.rename(folder / path.name.replace("t10k", "test"))
    (folder / "emnist-letters-train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx.encode(LABELS + 1)))
    (folder / "emnist-letters-test-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx.encode(TEST[1] + 1)))
    shutil.copy(
        folder / "emnist-letters-train-images-idx3-ubyte.gz", folder / "emnist-mnist-train-images-idx3-ubyte.gz"
    )
    settings = {"prefix": "emnist-letters-", "transposed": True, "first_label": 1, "classes": ["A", "B", "C"]}
    sets = fetched(folder, tmp_path, **settings)
    np.testing.assert_array_equal(sets.training.images, IMAGES.transpose(0, 2, 1))
    np.testing.assert_array_equal(sets.training.labels, LABELS)
    assert sets.classes == ["A", "B", "C"]
    with pytest.raises(UserError, match=r"class 0 \(label 0\) has no training image; do labels count from 1 \(data"):
        own_data.fetch(data(folder, prefix="emnist-letters-"), tmp_path / "downloads")


def test_npz_file_is_read(tmp_path: Path) -> None:
    """By its path or its folder, with labels of any integer type, and images in Keras' shape with one channel."""
    folder = tmp_path / "own"
    folder.mkdir()
    path = folder / "letters.npz"
    path.write_bytes(npz(x_train=IMAGES[..., None].astype(np.int64), y_train=LABELS.astype(np.int64)))
    for location in (folder, path):
        sets = fetched(location, tmp_path)
        np.testing.assert_array_equal(sets.training.images, IMAGES)
        np.testing.assert_array_equal(sets.training.labels, LABELS)
        assert sets.training.images.dtype == sets.training.labels.dtype == np.uint8


def test_numeric_classes_of_pictures_are_sorted_by_value(tmp_path: Path) -> None:
    """Files are copied unchanged, without the files that operating systems add."""
    folder = write_pictures(tmp_path / "own", "train", "test")
    (folder / "train/.DS_Store").write_bytes(b"")
    (folder / "train/2/Thumbs.db").write_bytes(b"")
    sets = fetched(folder, tmp_path)
    assert sets.classes == ["2", "9", "10"]
    assert sets.test is not None
    for part in (sets.training, sets.test):
        np.testing.assert_array_equal(part.images, IMAGES[np.argsort(LABELS, kind="stable")])
        np.testing.assert_array_equal(part.labels, np.sort(LABELS))
    assert len([path for path in (tmp_path / "downloads").rglob("*") if path.is_file()]) == 24


def test_test_set_of_pictures_is_optional(tmp_path: Path) -> None:
    """Without one, stage preprocess holds out a part of the training images."""
    assert fetched(write_pictures(tmp_path / "own", "train"), tmp_path).test is None


def test_more_than_256_classes_have_uint16_labels(tmp_path: Path) -> None:
    """More than a thousand classes are refused."""
    for number, dtype in ((256, np.uint8), (1000, np.uint16)):
        labels = np.arange(number)
        images = np.zeros((number, 2, 2), np.uint8)
        path = tmp_path / f"{number}.npz"
        path.write_bytes(npz(x_train=images, y_train=labels, x_test=images, y_test=labels))
        read = fetched(path, tmp_path).training.labels
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, labels)
    path = tmp_path / "more.npz"
    path.write_bytes(npz(x_train=np.zeros((1001, 3, 5), np.uint8), y_train=np.arange(1001)))
    with pytest.raises(UserError, match="has 1001 classes: a model needs 2 to 1000 classes"):
        own_data.fetch(data(path), tmp_path / "downloads")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "RGBA", "LA", "I;16"])
def test_all_picture_modes_give_the_same_grey(mode: str, tmp_path: Path) -> None:
    """Black and white stay 0 and 255, with any number of bits and channels."""
    grey = np.array([[0, 255, 255], [255, 0, 0]], np.uint8)
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    np.testing.assert_array_equal(pictures.pixels(path), grey)


def test_single_pixel_is_a_valid_image(tmp_path: Path) -> None:
    """Any image size is allowed."""
    for number, name in enumerate(("dark", "light")):
        (tmp_path / "own/train" / name).mkdir(parents=True)
        Image.new("L", (1, 1), 255 * number).save(tmp_path / "own/train" / name / "a.png")
    sets = fetched(tmp_path / "own", tmp_path)
    assert sets.training.images.tolist() == [[[0]], [[255]]]


def write_validation_idx(folder: Path, name: str) -> Path:
    write_idx(folder, "{}-idx{}-ubyte.gz", gzip.compress)
    for kind, array in zip(("images", "labels"), VALIDATION, strict=True):
        (folder / f"{name}-{kind}-idx{array.ndim}-ubyte.gz").write_bytes(gzip.compress(idx.encode(array)))
    return folder


def write_validation_npz(folder: Path, name: str) -> Path:
    folder.mkdir()
    arrays = {f"x_{name}": VALIDATION[0], f"y_{name}": VALIDATION[1]}
    (folder / "own.npz").write_bytes(npz(**arrays))
    return folder


def write_validation_pictures(folder: Path, name: str) -> Path:
    write_pictures(folder, "train", "test")
    for number, (image, label) in enumerate(zip(*VALIDATION, strict=True)):
        path = folder / name / ("2", "9", "10")[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


WRITERS = [write_validation_idx, write_validation_npz, write_validation_pictures]


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
@pytest.mark.parametrize("write", WRITERS)
def test_validation_set_is_read(
    write: Callable[[Path, str], Path], name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By its usual names, in every layout. The message counts it, and the copies have one name."""
    with caplog.at_level("INFO"):
        sets = fetched(write(tmp_path / "own", name), tmp_path)
    assert sets.validation is not None
    order = np.argsort(VALIDATION[1], kind="stable") if write is write_validation_pictures else slice(None)
    np.testing.assert_array_equal(sets.validation.images, VALIDATION[0][order])
    np.testing.assert_array_equal(sets.validation.labels, VALIDATION[1][order])
    assert "copied 12 training, 7 validation and " in caplog.text
    assert "not used" not in caplog.text
    if write is not write_validation_npz:
        copies = {path.name for path in (tmp_path / "downloads").iterdir()}
        assert copies >= ({"val"} if write is write_validation_pictures else {"val-images-idx3-ubyte"})


@pytest.mark.parametrize("write", WRITERS)
def test_share_beside_a_validation_set_is_refused(write: Callable[[Path, str], Path], tmp_path: Path) -> None:
    """Both cannot validate. The message names the data, the setting, and what to do."""
    folder = write(tmp_path / "own", "val")
    split = Split(validation=0.2, test=0.2, shuffle=True, seed=1)
    expected = r"/own.* has a validation set .*data\.split\.validation=0\.2 is not allowed: set .*=null to use it, or"
    with pytest.raises(UserError, match=expected):
        own_data.fetch(data(folder, split=split), tmp_path / "downloads")
    own_data.fetch(data(folder), tmp_path / "downloads")
    with pytest.raises(UserError, match=r"data\.split\.validation=0\.2 is not allowed"):
        checks.read(data(folder, split=split), tmp_path / "downloads")


@pytest.mark.parametrize("write", WRITERS)
def test_set_of_an_unknown_name_is_reported(
    write: Callable[[Path, str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not used, and a validation set of another name would be missed without notice."""
    assert fetched(write(tmp_path / "own", "dev"), tmp_path).validation is None
    assert re.search(
        r"not used, as no name of a .* set: (dev|x_dev, y_dev|dev-images-\S+, dev-labels-\S+) in", caplog.text
    )
