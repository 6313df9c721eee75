"""Invalid user data are refused in one line that names the file, and leave downloads/ unchanged."""

import io
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import UserError
from pipeline.formats import idx
from pipeline.sources import own_data
from tests.support.own import IMAGES, LABELS, TEST, VALIDATION, data, npz, write_idx, write_pictures


def in_lzma(archive: bytes) -> bytes:
    """Compress the archive with LZMA, which NumPy reads but does not write."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as plain, zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    return file.getvalue()


FLOATS = IMAGES / 255
WITH_NAN = FLOATS.copy()
WITH_NAN[3, 0, 0] = np.nan
IDX_FAULTS = {  # the contents of one of the four files, and the message
    "truncated": ("train-images-idx3-ubyte", idx.encode(IMAGES)[:-7], "is truncated: 173 bytes instead of 12x3x5"),
    "HTML page": ("train-images-idx3-ubyte", b"<!DOCTYPE html>", "is not an IDX file"),
    "fewer labels": ("train-labels-idx1-ubyte", idx.encode(LABELS[1:]), "12 training images, but 11 labels"),
    "other size": ("t10k-images-idx3-ubyte", idx.encode(np.zeros((6, 4, 4), np.uint8)), "3x5 pixels, test images 4x4"),
    "test label of no class": ("t10k-labels-idx1-ubyte", idx.encode(TEST[1] + 1), "test label 3 is not among the 3"),
    "one class": ("train-labels-idx1-ubyte", idx.encode(LABELS * 0), "has one class: a model needs 2 to 1000 classes"),
    "gap between classes": ("train-labels-idx1-ubyte", idx.encode(LABELS * 2), "class 1 (label 1) has no training"),
}
ARCHIVE_FAULTS = {  # the contents of an .npz file, and the message
    "Python objects": (npz(x_train=np.array([{}], object)), "x_train is not an array of plain numbers"),
    "no archive": (b"<!DOCTYPE html>", "is not an .npz file"),
    "truncated archive": (npz()[:-300], "is not an .npz file"),
    "damaged array": (npz().replace(IMAGES.tobytes()[:40], b"\x00" * 40, 1), "is damaged"),
    "missing labels": (npz(y_test=None), "has no y_test: it needs x_train, y_train, x_test, y_test"),
    "other names": (npz(x_train=None, images=IMAGES), "has no x_train"),
    "colours": (npz(x_train=np.zeros((12, 3, 5, 3), np.uint8)), "x_train has the shape (12, 3, 5, 3)"),
    "flat images": (npz(x_train=IMAGES.reshape(12, -1)), "x_train has the shape (12, 15)"),
    "numbers from 0 to 1": (npz(x_train=FLOATS), "numbers from 0 to 0.701961: save uint8, 0 to 255: `(255"),
    "floats to 255": (npz(x_train=IMAGES.astype(np.float32)), ": `x.round().astype('uint8')`"),
    "NaN": (npz(x_train=WITH_NAN), "x_train holds nan in image 3"),
    "too bright": (npz(x_train=IMAGES.astype(np.int32) * 9), "x_train holds 0 to 1611"),
    "text": (npz(x_train=IMAGES.astype(str)), "x_train holds <U"),
    "one-hot labels": (npz(y_train=np.eye(3)[LABELS]), "with `y.argmax(axis=1)`"),
    "float labels": (npz(y_train=LABELS / 1), "y_train holds float64: labels are integers"),
    "huge label": (npz(y_train=np.array([0, 2**63 - 1] * 6)), f"has {2**63} classes: a model needs 2 to 1000"),
    "damaged LZMA data": (in_lzma(npz()).replace(b"]\x00\x00\x80\x00", b"\xff" * 5, 1), "is damaged"),
    "negative label": (npz(y_train=LABELS.astype(int) - 1), "training label -1 is below data.first_label=0"),
    "no validation labels": (
        npz(x_val=IMAGES),
        "has no y_val: it needs x_train, y_train, x_val, y_val, x_test, y_test",
    ),
    "two validation sets": (npz(x_val=IMAGES, y_valid=LABELS), "has both x_val and y_valid: keep one"),
    "validation floats": (npz(x_val=FLOATS, y_val=LABELS), "x_val holds float64 numbers from 0 to 0.701961"),
    "fewer validation labels": (npz(x_val=IMAGES, y_val=LABELS[1:]), "12 validation images, but 11 labels"),
    "validation label of no class": (npz(x_val=IMAGES, y_val=LABELS + 1), "validation label 3 is not among the 3"),
    "validation size": (
        npz(x_val=np.zeros((1, 4, 4), np.uint8), y_val=LABELS[:1]),
        "3x5 pixels, validation images 4x4",
    ),
}


def error_message(path: Path, folder: Path, **settings: Any) -> str:
    """Fetch invalid data, check that downloads/ is unchanged, and return the error message."""
    downloads = folder / "downloads"
    downloads.mkdir()
    (downloads / "earlier").write_text("kept")
    with pytest.raises(UserError) as error:
        own_data.fetch(data(path, **settings), downloads)
    assert [path.name for path in downloads.iterdir()] == ["earlier"]
    assert not (folder / ".downloads.new").exists()
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("fault", IDX_FAULTS)
def test_invalid_idx_file_is_refused(fault: str, tmp_path: Path) -> None:
    """The message names the user's file or folder, and not a copy."""
    name, content, message = IDX_FAULTS[fault]
    folder = write_idx(tmp_path / "own")
    (folder / name).write_bytes(content)
    assert message in error_message(folder, tmp_path)


@pytest.mark.parametrize("fault", ARCHIVE_FAULTS)
def test_invalid_archive_is_refused(fault: str, tmp_path: Path) -> None:
    """Values are not rescaled by guessing, and nothing is unpickled."""
    content, message = ARCHIVE_FAULTS[fault]
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    assert message in error_message(path, tmp_path)


def test_zip_bomb_is_refused(tmp_path: Path) -> None:
    """By the sizes in its directory, before anything is unpacked."""
    path = tmp_path / "own.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(5):
            archive.writestr(f"{number}.npy", b"")
    content = bytearray(path.read_bytes())
    entry = content.find(b"PK\x01\x02")
    while entry >= 0:
        content[entry + 24 : entry + 28] = struct.pack("<I", 2**32 - 2)  # the unpacked size
        entry = content.find(b"PK\x01\x02", entry + 1)
    path.write_bytes(bytes(content))
    assert "unpacks to more than 16 GiB" in error_message(path, tmp_path)


def replace_file_by_folder(folder: Path) -> str:
    (folder / "train-images-idx3-ubyte").unlink()
    (folder / "train-images-idx3-ubyte").mkdir()
    return "train-images-idx3-ubyte is a folder"


def remove_file(folder: Path) -> str:
    (folder / "t10k-labels-idx1-ubyte").unlink()
    return "t10k-labels-idx1-ubyte is not there"


def duplicate_file(folder: Path) -> str:
    shutil.copy(folder / "train-images-idx3-ubyte", folder / "train-images.idx3-ubyte.gz")
    return "is both train-images-idx3-ubyte and train-images.idx3-ubyte.gz: keep one"


def remove_all(folder: Path) -> str:
    for path in folder.iterdir():
        path.unlink()
    return "holds no data: it must have train-images-idx3-ubyte and the three other files"


def add_half_of_a_validation_set(folder: Path) -> str:
    (folder / "valid-images-idx3-ubyte").write_bytes(idx.encode(VALIDATION[0]))
    return "val-labels-idx1-ubyte is not there"


@pytest.mark.parametrize(
    "damage", [replace_file_by_folder, remove_file, duplicate_file, remove_all, add_half_of_a_validation_set]
)
def test_incomplete_folder_is_refused(damage: Callable[[Path], str], tmp_path: Path) -> None:
    """The message names the missing or duplicate file."""
    folder = write_idx(tmp_path / "own")
    assert damage(folder) in error_message(folder, tmp_path)


def add_animation(folder: Path) -> None:
    frames = [Image.new("RGB", (5, 3), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "train/9/x.gif", save_all=True, append_images=frames[1:])


def keep_one_class(folder: Path) -> None:
    for part in ("train", "test"):
        for name in ("9", "10"):
            shutil.rmtree(folder / part / name)


def remove_classes(folder: Path) -> None:
    shutil.rmtree(folder / "train")
    (folder / "train").mkdir()


PICTURE_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "mixed sizes": (lambda own: Image.new("L", (6, 3)).save(own / "train/9/x.png"), "x.png has 3x6 pixels"),
    "damaged": (
        lambda own: (own / "train/9/x.png").write_bytes((own / "train/9/01.png").read_bytes()[:40]),
        "x.png: ",
    ),
    "no picture": (lambda own: (own / "train/9/x.txt").write_text("2 of 3"), "x.txt: this is not a picture"),
    "animation": (add_animation, "x.gif: it is an animation"),
    "huge": (lambda own: Image.new("1", (30_000, 1)).save(own / "train/9/x.png"), "x.png: it has more than"),
    "no range": (lambda own: Image.new("F", (5, 3)).save(own / "train/9/x.tif"), "x.tif: its values have no"),
    "empty class": (lambda own: (own / "train/zebra").mkdir(), "train/zebra has no pictures"),
    "loose picture": (lambda own: Image.new("L", (5, 3)).save(own / "train/x.png"), "x.png is beside the class"),
    "test class": (lambda own: shutil.copytree(own / "train/9", own / "test/7"), "test/7 is a class without training"),
    "one class": (keep_one_class, "has one class"),
    "no class": (remove_classes, "train has no classes"),
    "folder in a class": (lambda own: (own / "train/9/more").mkdir(), "more: this is a folder"),
    "validation class": (
        lambda own: shutil.copytree(own / "train/9", own / "val/7"),
        "val/7 is a class without training pictures",
    ),
    "two validation sets": (
        lambda own: [shutil.copytree(own / "train", own / name) for name in ("val", "valid")],
        "the validation set is both val and valid: keep one",
    ),
    "unprintable class": (lambda own: (own / "train/a\nb").mkdir(), "a class 'a\\nb', whose name is not printable"),
}


@pytest.mark.parametrize("fault", PICTURE_FAULTS)
def test_invalid_pictures_are_refused(fault: str, tmp_path: Path) -> None:
    """The message names the picture."""
    damage, message = PICTURE_FAULTS[fault]
    folder = write_pictures(tmp_path / "own", "train", "test")
    damage(folder)
    assert message in error_message(folder, tmp_path)


def test_class_names_are_refused_for_pictures(tmp_path: Path) -> None:
    """The names could be assigned to the wrong folders."""
    folder = write_pictures(tmp_path / "own", "train")
    assert "data.classes must be null" in error_message(folder, tmp_path, classes=["a", "b", "c"])
