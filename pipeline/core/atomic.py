"""Atomic files: complete or absent, also after a kill or on a full disk."""

import csv
import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from pipeline.core.errors import UserError, system_error_message

NUMPY_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends and removed when the block fails.

    Temporary files of killed processes for the same path are removed first.

    Raises:
        UserError: the file cannot be written, for example on a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = _temporary(path, str(os.getpid()))
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise
        if error.errno is None and NUMPY_SHORT_WRITE.fullmatch(str(error)):
            error.errno = errno.ENOSPC
        if error.filename is not None:  # setting it where it is unset would change the error's text
            error.filename = error.filename2 = None
        raise UserError(system_error_message(error, path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path, process: str) -> Path:
    return path.with_name(f".{path.stem}.{process}{path.suffix}")


def _remove_leftovers(path: Path) -> None:
    for leftover in path.parent.glob(_temporary(path, "*").name):
        process = leftover.name.removeprefix(f".{path.stem}.").removesuffix(path.suffix)
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a header line."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
