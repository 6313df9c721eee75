"""Download the files of a published data set. Each is verified before it gets its final name."""

import logging
import shutil
from pathlib import Path

from filelock import FileLock

from pipeline.core.atomic import atomic_write, sha256
from pipeline.core.config import Data, File
from pipeline.core.errors import UserError
from pipeline.core.text import redact
from pipeline.formats.layouts import published_files
from pipeline.sources.mirrors import Source, create_source
from pipeline.sources.streams import SourceError

log = logging.getLogger(__name__)


def fetch(data: Data, folder: Path) -> None:
    """Fill `folder` with exactly the verified files of the data set. Files that are already there are kept.

    Sources are tried in the order of `data.sources`. One that fails is skipped with a warning, for the remaining files
    too.

    Raises:
        UserError: no source has a valid copy of a file. The message lists the failures and the next step.
    """
    assert data.files is not None
    folder.mkdir(parents=True, exist_ok=True)
    sources = [(name, create_source(name)) for name in data.sources]
    failures: list[str] = []
    files = published_files(data.files)
    # Of two concurrent fetches, the second waits and then finds every file in place.
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        for file in files:
            if not _is_verified(folder / file.name, file):
                _fetch_file(data, file, folder, sources, failures)
        _remove_unknown(folder, {file.name for file in files})


def _fetch_file(data: Data, file: File, folder: Path, sources: list[tuple[str, Source]], failures: list[str]) -> None:
    while sources:
        name, source = redact(sources[0][0]), sources[0][1]
        try:
            with atomic_write(folder / file.name) as temporary:
                source.write(file, temporary)
                _verify(temporary, file)
        except SourceError as error:
            log.warning("skipping %s for %s: %s", name, file.name, error)
            failures.append(f"{name} ({error})")
            del sources[0]
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
        raise SourceError(f"it sent {size} of {file.bytes} bytes")
    if sha256(path) != file.sha256:
        raise SourceError("it sent other bytes than the published ones (SHA-256)")


def _remove_unknown(folder: Path, names: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
