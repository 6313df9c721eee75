"""The layouts of a data set on disk: four IDX files, one .npz file, or a folder of pictures for each class."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.core.config import File, Files
from pipeline.core.errors import UserError
from pipeline.core.progress import pictures_bar
from pipeline.formats import idx, npz, pictures

NPZ = "data.npz"  # the name of the .npz file in data/
# Both spellings of MNIST's file names. EMNIST has "test" for "t10k".
IDX_NAMES = {
    "train-images-idx3-ubyte": re.compile(r"train-images[-.]idx3-ubyte(\.gz)?"),
    "train-labels-idx1-ubyte": re.compile(r"train-labels[-.]idx1-ubyte(\.gz)?"),
    "t10k-images-idx3-ubyte": re.compile(r"(t10k|test)-images[-.]idx3-ubyte(\.gz)?"),
    "t10k-labels-idx1-ubyte": re.compile(r"(t10k|test)-labels[-.]idx1-ubyte(\.gz)?"),
}
VALIDATION_IDX_NAMES = {  # no file of MNIST, so optional
    "val-images-idx3-ubyte": re.compile(r"(val|valid|validation)-images[-.]idx3-ubyte(\.gz)?"),
    "val-labels-idx1-ubyte": re.compile(r"(val|valid|validation)-labels[-.]idx1-ubyte(\.gz)?"),
}
IDX_FILE = re.compile(r"[^-]*-(images|labels)[-.]idx[13]-ubyte(\.gz)?")
VALIDATION_FOLDERS = ("val", "valid", "validation")  # of pictures; data/ has the first name
CLUTTER = ("Thumbs.db", "desktop.ini")  # files that Windows adds to folders of pictures


class Pair(NamedTuple):
    """Images, uint8 (N, height, width), and labels, intp (N,), as stored."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.intp]


class Stored(NamedTuple):
    """A data set as stored. Only the training set is always there. Some layouts have the names of the classes."""

    training: Pair
    validation: Pair | None
    test: Pair | None
    classes: list[str] | None
    unread: Sequence[str] = ()  # what looks like a further set, and is none of these


class Layout(Protocol):
    """The files of a data set."""

    def read(self) -> Stored:
        """Parse the files. A UserError names the invalid file."""

    def copy(self, folder: Path) -> None:
        """Copy the files into the folder, under names that `detect` recognizes."""


def published_files(files: Files) -> list[File]:
    """Return the four files in the order of IDX_NAMES."""
    return [files.train_images, files.train_labels, files.test_images, files.test_labels]


def detect(path: Path, prefix: str) -> Layout:
    """Return the layout of the data set at a path. The names of IDX files start with `prefix`.

    Raises:
        UserError: the path holds no data set, or several.
    """
    if path.is_file():
        return NpzFile(path)
    if not path.is_dir():
        raise UserError(f"{path} is not there: give data.path a folder or an .npz file")
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    files, validation_files = (
        {
            standard: [name for name in names if _matches(name, prefix, pattern)]
            for standard, pattern in patterns.items()
        }
        for patterns in (IDX_NAMES, VALIDATION_IDX_NAMES)
    )
    if any(validation_files.values()):
        files |= validation_files
    archives = [name for name in names if name.endswith(".npz")]
    if any(files.values()):
        paths = [path / _single(path, prefix + name, matches) for name, matches in files.items()]
        others = {name for name in names if _matches(name, prefix, IDX_FILE)} - {file.name for file in paths}
        return IdxFiles(paths, sorted(others))
    if archives:
        return NpzFile(path / _single(path, "the .npz file", archives))
    if (path / "train").is_dir():
        validation = [name for name in VALIDATION_FOLDERS if (path / name).is_dir()]
        return PictureFolders(path, _single(path, "the validation set", validation) if validation else None)
    raise UserError(
        f"{path} holds no data: it must have {prefix}train-images-idx3-ubyte and the three other files, one .npz file, "
        f"or pictures in train/CLASS/; it has {', '.join(names[:5]) or 'nothing'}"
    )


def _matches(name: str, prefix: str, pattern: re.Pattern[str]) -> bool:
    return name.startswith(prefix) and pattern.fullmatch(name.removeprefix(prefix)) is not None


def _single(path: Path, wanted: str, matches: list[str]) -> str:
    if len(matches) == 1:
        return matches[0]
    problem = f"both {matches[0]} and {matches[1]}: keep one" if matches else "not there"
    raise UserError(f"{path}: {wanted} is {problem}")


@dataclass(frozen=True)
class IdxFiles:
    """Four IDX files, or six with a validation set, plain or gzip-compressed."""

    paths: list[Path]  # in the order of IDX_NAMES, and then of VALIDATION_IDX_NAMES
    unread: Sequence[str] = ()

    def read(self) -> Stored:
        """Parse the files."""
        arrays = list(self._arrays())
        pairs = [
            Pair(*pair) for pair in zip(arrays[::2], (labels.astype(np.intp) for labels in arrays[1::2]), strict=True)
        ]
        training, test, *validation = pairs
        return Stored(training, validation[0] if validation else None, test, None, self.unread)

    def copy(self, folder: Path) -> None:
        """Write the files uncompressed under MNIST's names, so that equal data have an equal hash."""
        names = [*IDX_NAMES, *VALIDATION_IDX_NAMES][: len(self.paths)]
        for name, array in zip(names, self._arrays(), strict=True):
            (folder / name).write_bytes(idx.encode(array))

    def _arrays(self) -> Iterator[npt.NDArray[np.uint8]]:
        return map(idx.read, self.paths, cycle((3, 1)))


@dataclass(frozen=True)
class NpzFile:
    """A NumPy archive with x_train and y_train, and optionally x_val, y_val, x_test and y_test."""

    path: Path

    def read(self) -> Stored:
        """Parse the arrays."""
        archive = npz.read(self.path)
        validation, test = (None if pair is None else Pair(*pair) for pair in (archive.validation, archive.test))
        return Stored(Pair(*archive.training), validation, test, None, archive.unread)

    def copy(self, folder: Path) -> None:
        """Copy the file."""
        shutil.copyfile(self.path, folder / NPZ)


@dataclass(frozen=True)
class PictureFolders:
    """Pictures as train/CLASS/NAME, and optionally as test/CLASS/NAME and in a folder for validation."""

    folder: Path
    validation: str | None  # the name of that folder

    def read(self) -> Stored:
        """Decode the pictures, sorted by class and file name."""
        classes = _classes(self.folder / "train")
        parts = self._parts()
        sets = {name: _pictures(self.folder / part, classes) for part, name in parts.items()}
        others = [entry for entry in self.folder.iterdir() if entry.is_dir() and not _is_clutter(entry)]
        unread = sorted(entry.name for entry in others if entry.name not in parts)
        return Stored(sets["train"], sets.get(VALIDATION_FOLDERS[0]), sets.get("test"), classes, unread)

    def copy(self, folder: Path) -> None:
        """Copy the pictures unchanged."""
        for part, name in self._parts().items():
            for class_name in _classes(self.folder / part):
                (folder / name / class_name).mkdir(parents=True)
                for path in _files(self.folder / part / class_name):
                    shutil.copyfile(path, folder / name / class_name / path.name)

    def _parts(self) -> dict[str, str]:
        """The folders of the sets, and the names that they have in data/."""
        parts = {"train": "train"}
        if self.validation is not None:
            parts[self.validation] = VALIDATION_FOLDERS[0]
        if (self.folder / "test").is_dir():
            parts["test"] = "test"
        return parts


def _classes(folder: Path) -> list[str]:
    """Return the names of the class folders, sorted: by value if all are numbers, else as text."""
    entries = [entry for entry in folder.iterdir() if not _is_clutter(entry)]
    for entry in entries:
        if not entry.is_dir():
            raise UserError(f"{entry} is beside the class folders: put it into one of them")
        if not entry.name.isprintable():
            raise UserError(f"{folder} has a class {entry.name!r}, whose name is not printable: rename it")
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
    """Return the pictures of all classes as one array. All must have one size."""
    unknown = set(_classes(folder)) - set(classes)
    if unknown:
        raise UserError(f"{folder / min(unknown)} is a class without training pictures")
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
                raise UserError(f"{path} has {size} pixels, {files[0][0]} {first}: resize all to one size")
            bar.update()
    if not files:
        raise UserError(f"{folder} has no classes: make a folder with pictures for each class")
    return Pair(np.stack(images), np.array([label for _, label in files]))
