"""Files that are whole or absent."""

import csv
import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from pipeline.core.errors import UserError, refused

NUMPYS = re.compile(r"\d+ requested and \d+ written")  # where not all could be


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends and removed when the block fails.

    What a process that was killed has left of the same file is removed first.

    Raises:
        UserError: the file cannot be written, as on a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    temporary = _temporary(path, str(os.getpid()))
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise
        if error.errno is None and NUMPYS.fullmatch(str(error)):
            error.errno = errno.ENOSPC
        if error.filename is not None:  # what was never set is not set: it would become part of the error's words
            error.filename = error.filename2 = None
        raise UserError(refused(error, path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path, process: str) -> Path:
    return path.with_name(f".{path.stem}.{process}{path.suffix}")


def _clear(path: Path) -> None:
    for left in path.parent.glob(_temporary(path, "*").name):
        number = left.name.removeprefix(f".{path.stem}.").removesuffix(path.suffix)
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            left.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a header line."""
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
