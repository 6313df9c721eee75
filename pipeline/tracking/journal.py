"""What is to be written of a run, on disk in its output folder until the store has all of it."""

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.core.errors import UserError

FOLDER = "unwritten"  # in an output folder; each journal is a folder in it
LINES = "journal.jsonl"

Entry = dict[str, Any]


class Journal:
    """A line of JSON for each write, and beside them the files that they speak of.

    The first entry says which run it is, by a `key` that no other run has.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder.parent.parent
        self.key = folder.name
        self._lines = folder / LINES
        self._files = 0

    @classmethod
    def begin(cls, output: Path) -> "Journal":
        """A new one in the output folder."""
        journal = cls(output.absolute() / FOLDER / uuid.uuid4().hex)
        journal.folder.mkdir(parents=True)
        (journal.folder / LINES).touch()
        return journal

    def add(self, entry: Entry) -> None:
        """Note a write, or nothing of it where the disk has no room: the next line would be part of a broken one."""
        size = self._lines.stat().st_size
        try:
            with self._lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError:
            os.truncate(self._lines, size)
            raise

    def place(self) -> Path:
        """A new folder for the files of the next entry."""
        self._files += 1
        folder = self.folder / f"{self._files:06}"
        folder.mkdir()
        return folder

    def entries(self) -> list[Entry]:
        """All writes in their order; a line that a kill has cut off is none."""
        found: list[Entry] = []
        with suppress(json.JSONDecodeError):
            for line in self._lines.read_text(encoding="utf-8").splitlines():
                found.append(json.loads(line))  # noqa: PERF401 - what came before a broken line is kept
        return found

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Keep other uploads off it. Whether it is still there: another one may just have written it.

        Raises:
            UserError: another upload is at work on it.
        """
        with ExitStack() as stack:
            try:
                fcntl.flock(stack.enter_context(self._lines.open("r+b")), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(f"another upload is at work on the run in {os.path.relpath(self.output)}") from error
            except FileNotFoundError:
                pass
            yield self._lines.is_file()

    def touched(self) -> int:
        """When the last write was noted, in milliseconds."""
        return self._lines.stat().st_mtime_ns // 1_000_000

    def discard(self) -> None:
        """Remove it: the store has everything. Lines without their files could not be written again: they go first."""
        with suppress(OSError):  # another run's journal may be there
            self._lines.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.parent.rmdir()


def journals(folder: Path) -> list[Journal]:
    """Those of an output folder, or of a sweep's folder, in which each job has its own."""
    return [Journal(path.parent) for path in sorted(folder.absolute().glob(f"**/{FOLDER}/*/{LINES}"))]
