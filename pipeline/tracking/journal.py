"""The journal of a run: its operations, on disk in the output folder until the store has all of them."""

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pipeline.core.errors import UserError
from pipeline.tracking import operations
from pipeline.tracking.operations import Operation

FOLDER = "unwritten"  # in an output folder; each journal is a folder in it
LINES = "journal.jsonl"


class Journal:
    """A line of JSON for each operation, and beside them the files of the operations.

    The first operation names the run by a `key` that no other run has.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder.parent.parent
        self.key = folder.name
        self._lines = folder / LINES
        self._folders = 0

    @classmethod
    def create(cls, output: Path) -> "Journal":
        """A new journal in the output folder."""
        journal = cls(output.absolute() / FOLDER / uuid.uuid4().hex)
        journal.folder.mkdir(parents=True)
        journal._lines.touch()
        return journal

    def add(self, operation: Operation) -> None:
        """Append an operation; nothing of it where the disk is full: the next line would continue a broken one."""
        size = self._lines.stat().st_size
        try:
            with self._lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps(operation.to_json()) + "\n")
        except OSError:
            os.truncate(self._lines, size)
            raise

    def new_files_dir(self) -> Path:
        """A new folder for the files of the next operation."""
        self._folders += 1
        folder = self.folder / f"{self._folders:06}"
        folder.mkdir()
        return folder

    def read(self) -> list[Operation]:
        """All operations in their order, up to a line that a kill has cut off."""
        read: list[Operation] = []
        with suppress(json.JSONDecodeError):
            for line in self._lines.read_text(encoding="utf-8").splitlines():
                read.append(operations.from_json(json.loads(line)))  # noqa: PERF401 - keeps what precedes a broken line
        return read

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep other uploads off the journal. Yields whether it still exists: another upload may have deleted it.

        Raises:
            UserError: another upload works on it.
        """
        with ExitStack() as stack:
            try:
                fcntl.flock(stack.enter_context(self._lines.open("r+b")), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(f"another upload works on the run in {os.path.relpath(self.output)}") from error
            except FileNotFoundError:
                pass
            yield self._lines.is_file()

    def modified_ms(self) -> int:
        """When the last operation was added, in milliseconds."""
        return self._lines.stat().st_mtime_ns // 1_000_000

    def delete(self) -> None:
        """Delete the journal: the store has everything. Its lines go first, as they are useless without the files."""
        with suppress(OSError):  # the folder may hold another run's journal
            self._lines.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.parent.rmdir()


def find_journals(folder: Path) -> list[Journal]:
    """The journals of an output folder, or of a sweep's folder with the output folders of its jobs."""
    return [Journal(path.parent) for path in sorted(folder.absolute().glob(f"**/{FOLDER}/*/{LINES}"))]
