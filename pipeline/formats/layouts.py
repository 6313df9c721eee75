"""The layouts in which people keep data: four IDX files, one .npz file, or pictures in a folder for each class."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import UserError
from pipeline.core.progress import pictures_bar
from pipeline.formats import idx, npz, pictures

NPZ = "data.npz"  # its name in data/
# Both ways in which the files of MNIST are spelled; EMNIST has "test" for "t10k".
IDX_NAMES = {
    "train-images-idx3-ubyte": re.compile(r"train-images[-.]idx3-ubyte(\.gz)?"),
    "train-labels-idx1-ubyte": re.compile(r"train-labels[-.]idx1-ubyte(\.gz)?"),
    "t10k-images-idx3-ubyte": re.compile(r"(t10k|test)-images[-.]idx3-ubyte(\.gz)?"),
    "t10k-labels-idx1-ubyte": re.compile(r"(t10k|test)-labels[-.]idx1-ubyte(\.gz)?"),
}
CLUTTER = ("Thumbs.db", "desktop.ini")  # which systems leave in folders of pictures, beside names with a dot in front


class Pair(NamedTuple):
    """Images, uint8 (N, height, width), and labels, intp (N,), as they are stored."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.intp]


class Stored(NamedTuple):
    """A data set as it is stored: perhaps without a test set, perhaps with the classes' names."""

    training: Pair
    test: Pair | None
    classes: list[str] | None


class Layout(Protocol):
    """A data set's files, wherever they are."""

    def read(self) -> Stored:
        """Parse the files, or raise a UserError that names the faulty one."""

    def copy(self, folder: Path) -> None:
        """Put them into the folder, under the names by which `find` finds them there."""


def find(path: Path, prefix: str) -> Layout:
    """The data set at a path, whose IDX files' names start with `prefix`.

    Raises:
        UserError: there is none, or there are several.
    """
    if path.is_file():
        return NpzFile(path)
    if not path.is_dir():
        raise UserError(f"{path} is not there: give data.path a folder or an .npz file")
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    found = {name: [own for own in names if _is(own, prefix, pattern)] for name, pattern in IDX_NAMES.items()}
    archives = [name for name in names if name.endswith(".npz")]
    if any(found.values()):
        return IdxFiles(*(path / _one(path, prefix + name, own) for name, own in found.items()))
    if archives:
        return NpzFile(path / _one(path, "one .npz file", archives))
    if (path / "train").is_dir():
        return PictureFolders(path)
    raise UserError(
        f"{path} holds no data: there must be {prefix}train-images-idx3-ubyte and its three companions, one .npz file, "
        f"or pictures in train/CLASS/; there {'are ' + ', '.join(names[:5]) if names else 'is nothing'}"
    )


def _is(name: str, prefix: str, pattern: re.Pattern[str]) -> bool:
    return name.startswith(prefix) and pattern.fullmatch(name.removeprefix(prefix)) is not None


def _one(path: Path, wanted: str, found: list[str]) -> str:
    if len(found) == 1:
        return found[0]
    told = f"both {found[0]} and {found[1]}: keep one" if found else "not there"
    raise UserError(f"{path}: {wanted} is {told}")


@dataclass(frozen=True)
class IdxFiles:
    """Four IDX files, plain or in gzip form."""

    train_images: Path
    train_labels: Path
    test_images: Path
    test_labels: Path

    def read(self) -> Stored:
        """Parse the files."""
        training = Pair(idx.read(self.train_images, 3), idx.read(self.train_labels, 1).astype(np.intp))
        test = Pair(idx.read(self.test_images, 3), idx.read(self.test_labels, 1).astype(np.intp))
        return Stored(training, test, None)

    def copy(self, folder: Path) -> None:
        """Write them plain and under MNIST's names, so that equal data have an equal hash."""
        files = (self.train_images, 3), (self.train_labels, 1), (self.test_images, 3), (self.test_labels, 1)
        for name, (path, dimensions) in zip(IDX_NAMES, files, strict=True):
            (folder / name).write_bytes(idx.encode(idx.read(path, dimensions)))


@dataclass(frozen=True)
class NpzFile:
    """A NumPy archive with x_train, y_train, and perhaps x_test, y_test."""

    path: Path

    def read(self) -> Stored:
        """Parse the arrays."""
        arrays = npz.read(self.path)
        test = Pair(*arrays[2:]) if len(arrays) > len(Pair._fields) else None
        return Stored(Pair(*arrays[:2]), test, None)

    def copy(self, folder: Path) -> None:
        """Copy the file."""
        shutil.copyfile(self.path, folder / NPZ)


@dataclass(frozen=True)
class PictureFolders:
    """Pictures as train/CLASS/NAME, and perhaps test/CLASS/NAME."""

    folder: Path

    def read(self) -> Stored:
        """Decode the pictures, in the order of their names; classes that are numbers are in the order of these."""
        classes = _classes(self.folder / "train")
        training = _pictures(self.folder / "train", classes)
        test = _pictures(self.folder / "test", classes) if (self.folder / "test").is_dir() else None
        return Stored(training, test, classes)

    def copy(self, folder: Path) -> None:
        """Copy the pictures as they are."""
        for part in ("train", "test"):
            if (self.folder / part).is_dir():
                for of_class in _classes(self.folder / part):
                    (folder / part / of_class).mkdir(parents=True)
                    for path in _files(self.folder / part / of_class):
                        shutil.copyfile(path, folder / part / of_class / path.name)


def _classes(folder: Path) -> list[str]:
    """The names of the folders with a class each; numbers are in the order of their values."""
    entries = [entry for entry in folder.iterdir() if not _is_clutter(entry)]
    for entry in entries:
        if not entry.is_dir():
            raise UserError(f"{entry} is beside the classes' folders: put it into one of them")
        if not entry.name.isprintable():
            raise UserError(f"{folder} has a class {entry.name!r}, whose name cannot be shown: rename it")
    names = [entry.name for entry in entries]
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _files(folder: Path) -> list[Path]:
    files = sorted(entry for entry in folder.iterdir() if not _is_clutter(entry))
    if not files:
        raise UserError(f"{folder} has no pictures: add some, or remove the class")
    return files


def _is_clutter(entry: Path) -> bool:
    return entry.name.startswith(".") or entry.name in CLUTTER


def _pictures(folder: Path, classes: list[str]) -> Pair:
    """The pictures of all classes as one array: all must have one size."""
    strangers = set(_classes(folder)) - set(classes)
    if strangers:
        raise UserError(f"{folder / min(strangers)} is a class that has no training pictures")
    files = [
        (path, label)
        for label, name in enumerate(classes)
        if (folder / name).is_dir()
        for path in _files(folder / name)
    ]
    images: list[npt.NDArray[np.uint8]] = []
    with pictures_bar(len(files)) as bar:
        for path, _ in files:
            try:
                images.append(pictures.pixels(path))
            except UserError as error:
                raise UserError(f"{path}: {error}") from error
            if images[-1].shape != images[0].shape:
                size, first = ("x".join(map(str, image.shape)) for image in (images[-1], images[0]))
                raise UserError(f"{path} has {size} pixels, {files[0][0]} {first}: bring all to one size")
            bar.update()
    if not files:
        raise UserError(f"{folder} has no classes: there must be a folder with pictures for each")
    return Pair(np.stack(images), np.array([label for _, label in files]))
