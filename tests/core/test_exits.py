"""Stages and commands report a user error in one line, with an exit code."""

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
    ("fail", "message"),
    [
        (memory, "not enough memory (Unable to allocate 1.00 PiB for an array"),
        (odd_name, "a?b?[31m.png of https://host/: nothing is drawn in it"),
        (missing, "/nowhere/x: No such file or directory: install or restore it"),
    ],
)
def test_user_error_is_one_line_and_an_exit_code(
    fail: Callable[[], None], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever raises it, and whatever characters a file name has."""
    with pytest.raises(SystemExit) as ended, exits.exit_on_error(full_errors=False):
        fail()
    assert ended.value.code == 2
    stderr = capsys.readouterr().err
    assert stderr.startswith(f"error: {message}")
    assert stderr.count("\n") == 1
    with pytest.raises((MemoryError, UserError, OSError)), exits.exit_on_error(full_errors=True):
        fail()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "not enough memory (MemoryError): free memory, or train fewer or smaller models at a time"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "Cannot allocate memory: free memory, or train fewer"),
        (ImportError("x.so: failed to map segment from shared object"), "cannot be loaded (x.so: failed to map"),
    ],
    ids=["Python's", "the system's", "a library's"],
)
def test_missing_memory_is_reported_with_advice(error: Exception, message: str) -> None:
    """Whichever library reports it. The text of the error may be empty."""
    reported = exits.user_message(error, "here")
    assert reported is not None
    assert message in reported.line
    assert reported.code == 2


def test_bug_keeps_its_traceback() -> None:
    """A line without a traceback would hide where the bug is."""
    with pytest.raises(ZeroDivisionError), exits.exit_on_error(full_errors=False):
        divmod(1, 0)
