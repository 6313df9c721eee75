"""Bring a data set's files into a folder, each verified before it gets its final name."""

import logging
import shutil
from pathlib import Path

from filelock import FileLock

from pipeline.core.atomic import atomic_write, sha256
from pipeline.core.config import Data, File, Files
from pipeline.core.errors import UserError
from pipeline.core.text import redact
from pipeline.sources.mirrors import Source, source
from pipeline.sources.streams import SourceError

log = logging.getLogger(__name__)


def in_order(files: Files) -> list[File]:
    """The four files."""
    return [files.train_images, files.train_labels, files.test_images, files.test_labels]


def fetch(data: Data, folder: Path) -> None:
    """Leave exactly the data set's verified files in `folder`; files that are already there are kept.

    Sources are tried in the order of `data.sources`; one that fails is passed over with a warning, for the files that
    follow too.

    Raises:
        UserError: no source could give a file; the message lists what was tried and how to go on.
    """
    assert data.files is not None
    folder.mkdir(parents=True, exist_ok=True)
    left = [(name, source(name)) for name in data.sources]
    failures: list[str] = []
    # Two fetches at once: the second waits, and then finds every file in place.
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        for file in in_order(data.files):
            if not _is_verified(folder / file.name, file):
                _fetch_file(data, file, folder, left, failures)
        _remove_strangers(folder, {file.name for file in in_order(data.files)})


def _fetch_file(data: Data, file: File, folder: Path, left: list[tuple[str, Source]], failures: list[str]) -> None:
    while left:
        name, place = redact(left[0][0]), left[0][1]
        try:
            with atomic_write(folder / file.name) as temporary:
                place.write(file, temporary)
                _verify(temporary, file)
        except SourceError as error:
            log.warning("passing over %s for %s: %s", name, file.name, error)
            failures.append(f"{name} ({error})")
            del left[0]
        else:
            log.info("fetched %s (%.1f MB) from %s", file.name, file.bytes / 1e6, name)
            return
    raise UserError(
        f"{data.name}: no source has {file.name}; tried {', '.join(failures)}; put the four files, plain or .gz, "
        f"into a folder and name it, or another mirror, in data.sources (conf/data/{data.name}.yaml), or choose "
        "data=digits, which needs no network"
    )


def _is_verified(path: Path, file: File) -> bool:
    return path.is_file() and path.stat().st_size == file.bytes and sha256(path) == file.sha256


def _verify(path: Path, file: File) -> None:
    size = path.stat().st_size
    if size != file.bytes:
        raise SourceError(f"it gave {size} of {file.bytes} bytes")
    if sha256(path) != file.sha256:
        raise SourceError("it gave other bytes than the published ones (SHA-256)")


def _remove_strangers(folder: Path, names: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
