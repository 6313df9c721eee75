"""Data of one's own are found in every layout, and come into downloads/ whole."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import UserError
from pipeline.formats import checks, idx, pictures
from pipeline.sources import own_data
from tests.support.own import IMAGES, LABELS, TEST, data, npz, write_idx, write_pictures


def brought(path: Path, folder: Path, **settings: Any) -> checks.Sets:
    """What is read from data/ once the data have come through downloads/."""
    own_data.bring(data(path, **settings), folder / "downloads")
    return checks.read(data(path, **settings), folder / "downloads")


@pytest.mark.parametrize("names", ["{}-idx{}-ubyte", "{}.idx{}-ubyte", "{}-idx{}-ubyte.gz", "{}.idx{}-ubyte.gz"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_files_are_found_under_all_their_names(names: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Compression is told from the bytes; what arrives has one name and one form, and so one hash."""
    sets = brought(write_idx(tmp_path / "own", names, pack), tmp_path)
    assert sets.test is not None
    np.testing.assert_array_equal(sets.training.images, IMAGES)
    np.testing.assert_array_equal(sets.training.labels, LABELS)
    np.testing.assert_array_equal(sets.test.images, TEST[0])
    assert sets.classes == ["0", "1", "2"]
    assert (tmp_path / "downloads/t10k-labels-idx1-ubyte").read_bytes() == idx.encode(TEST[1])
    assert len(list((tmp_path / "downloads").iterdir())) == 4


def test_layout_of_emnist_is_set_by_conf(tmp_path: Path) -> None:
    """Its images are stored on their side, its letters count from 1, and one folder has several sets."""
    folder = write_idx(tmp_path / "own", "emnist-letters-{}-idx{}-ubyte.gz", gzip.compress)
    for path in folder.glob("*t10k*"):
        path.rename(folder / path.name.replace("t10k", "test"))
    (folder / "emnist-letters-train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx.encode(LABELS + 1)))
    (folder / "emnist-letters-test-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx.encode(TEST[1] + 1)))
    shutil.copy(
        folder / "emnist-letters-train-images-idx3-ubyte.gz", folder / "emnist-mnist-train-images-idx3-ubyte.gz"
    )
    letters = {"prefix": "emnist-letters-", "transposed": True, "first_label": 1, "classes": ["A", "B", "C"]}
    sets = brought(folder, tmp_path, **letters)
    np.testing.assert_array_equal(sets.training.images, IMAGES.transpose(0, 2, 1))
    np.testing.assert_array_equal(sets.training.labels, LABELS)
    assert sets.classes == ["A", "B", "C"]
    with pytest.raises(UserError, match=r"class 0 \(label 0\) has no training image; do labels count from 1 \(data"):
        own_data.bring(data(folder, prefix="emnist-letters-"), tmp_path / "downloads")


def test_npz_file_is_read(tmp_path: Path) -> None:
    """By its path or from its folder; labels of any whole type, images with one channel as Keras has them."""
    folder = tmp_path / "own"
    folder.mkdir()
    path = folder / "letters.npz"
    path.write_bytes(npz(x_train=IMAGES[..., None].astype(np.int64), y_train=LABELS.astype(np.int64)))
    for given in (folder, path):
        sets = brought(given, tmp_path)
        np.testing.assert_array_equal(sets.training.images, IMAGES)
        np.testing.assert_array_equal(sets.training.labels, LABELS)
        assert sets.training.images.dtype == sets.training.labels.dtype == np.uint8


def test_pictures_are_read_in_the_order_of_their_classes_numbers(tmp_path: Path) -> None:
    """And arrive as they are, but for what systems leave between them."""
    folder = write_pictures(tmp_path / "own", "train", "test")
    (folder / "train/.DS_Store").write_bytes(b"")
    (folder / "train/2/Thumbs.db").write_bytes(b"")
    sets = brought(folder, tmp_path)
    assert sets.classes == ["2", "9", "10"]
    assert sets.test is not None
    for found in (sets.training, sets.test):
        np.testing.assert_array_equal(found.images, IMAGES[np.argsort(LABELS, kind="stable")])
        np.testing.assert_array_equal(found.labels, np.sort(LABELS))
    assert len([path for path in (tmp_path / "downloads").rglob("*") if path.is_file()]) == 24


def test_pictures_without_test_set_have_none(tmp_path: Path) -> None:
    """Preprocess then takes a share of the training images."""
    assert brought(write_pictures(tmp_path / "own", "train"), tmp_path).test is None


def test_thousand_classes_have_wider_labels(tmp_path: Path) -> None:
    """A byte ends at 256 classes; with one more class than a thousand the data are refused."""
    for number, wide in ((256, np.uint8), (1000, np.uint16)):
        labels = np.arange(number)
        images = np.zeros((number, 2, 2), np.uint8)
        path = tmp_path / f"{number}.npz"
        path.write_bytes(npz(x_train=images, y_train=labels, x_test=images, y_test=labels))
        found = brought(path, tmp_path).training.labels
        assert found.dtype == wide
        np.testing.assert_array_equal(found, labels)
    path = tmp_path / "more.npz"
    path.write_bytes(npz(x_train=np.zeros((1001, 3, 5), np.uint8), y_train=np.arange(1001)))
    with pytest.raises(UserError, match="has 1001 classes: a model tells 2 to 1000 apart"):
        own_data.bring(data(path), tmp_path / "downloads")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "RGBA", "LA", "I;16"])
def test_every_kind_of_picture_gives_the_same_grey(mode: str, tmp_path: Path) -> None:
    """Black and white are what they are, with any number of bits and in any colours."""
    grey = np.array([[0, 255, 255], [255, 0, 0]], np.uint8)
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    np.testing.assert_array_equal(pictures.pixels(path), grey)


def test_single_pixel_is_an_image(tmp_path: Path) -> None:
    """Any size is."""
    for number, name in enumerate(("dark", "light")):
        (tmp_path / "own/train" / name).mkdir(parents=True)
        Image.new("L", (1, 1), 255 * number).save(tmp_path / "own/train" / name / "a.png")
    sets = brought(tmp_path / "own", tmp_path)
    assert sets.training.images.tolist() == [[[0]], [[255]]]
