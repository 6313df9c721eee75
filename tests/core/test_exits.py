"""What ends a stage or a command is told in one line by both alike, with an exit code."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.core import exits
from pipeline.core.errors import UserError


def memory() -> None:
    np.empty(1 << 50, np.uint8)


def odd_name() -> None:
    raise UserError("a\nb\x1b[31m.png of https://me:se/cret@host/: nothing is drawn in it")


def missing() -> None:
    Path("/nowhere/x").read_bytes()


@pytest.mark.parametrize(
    ("fail", "told"),
    [
        (memory, "not enough memory (Unable to allocate 1.00 PiB for an array"),
        (odd_name, "a?b?[31m.png of https://host/: nothing is drawn in it"),
        (missing, "/nowhere/x: No such file or directory: install or restore it"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_a_code(
    fail: Callable[[], None], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever raises it, and whatever a file is named."""
    with pytest.raises(SystemExit) as ended, exits.exit_on_error(full_errors=False):
        fail()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {told}")
    assert said.count("\n") == 1
    with pytest.raises((MemoryError, UserError, OSError)), exits.exit_on_error(full_errors=True):
        fail()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "not enough memory (MemoryError): free memory, or train fewer or smaller models at a time"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "Cannot allocate memory: free memory, or train fewer"),
        (ImportError("x.so: failed to map segment from shared object"), "cannot be loaded (x.so: failed to map"),
    ],
    ids=["Python's", "the system's", "a library's"],
)
def test_want_of_memory_is_told_with_what_to_do(error: Exception, told: str) -> None:
    """In whatever way it shows; an error's own text may be empty."""
    found = exits.user_message(error, "here")
    assert found is not None
    assert told in found.line
    assert found.code == 2


def test_what_is_ours_keeps_its_traceback() -> None:
    """A fault of the program's own is no advice."""
    with pytest.raises(ZeroDivisionError), exits.exit_on_error(full_errors=False):
        divmod(1, 0)
