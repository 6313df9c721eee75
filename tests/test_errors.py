"""Errors that a user can mend, in one line."""

import errno
import os

import pytest

from pipeline.app import told_of


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "not enough memory (MemoryError): free memory, or train fewer or smaller models at a time"),
        (MemoryError("no 3 GiB"), "not enough memory (no 3 GiB): free memory, or train fewer"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "Cannot allocate memory: free memory, or train fewer"),
        (ImportError("x.so: failed to map segment from shared object"), "cannot be loaded (x.so: failed to map"),
    ],
    ids=["Python's", "an array's", "the system's", "a library's"],
)
def test_want_of_memory_is_told_with_what_to_do(error: Exception, told: str) -> None:
    """In whatever way it shows; an error's own text may be empty."""
    assert told in told_of(error)
    assert "\n" not in told_of(error)
