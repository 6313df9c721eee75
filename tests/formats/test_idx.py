"""IDX files are read, and each fault has a separate message."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import UserError
from pipeline.formats import idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def test_encoded_array_is_read_back(tmp_path: Path) -> None:
    """Shape and bytes are kept. Gzip is recognized by the contents, not by the file name."""
    path = tmp_path / "images"
    path.write_bytes(idx.encode(IMAGES))
    assert path.read_bytes()[:4] == b"\x00\x00\x08\x03"
    np.testing.assert_array_equal(idx.read(path, 3), IMAGES)
    path.write_bytes(gzip.compress(idx.encode(IMAGES)))
    np.testing.assert_array_equal(idx.read(path, 3), IMAGES)


GOOD = idx.encode(IMAGES)
FAULTS = {
    "empty file": (b"", "is truncated: 0 bytes"),
    "truncated magic number": (GOOD[:3], "is truncated: 3 bytes"),
    "corrupt gzip": (b"\x1f\x8b" + GOOD, "its gzip data are truncated or corrupt"),
    "truncated gzip": (gzip.compress(GOOD)[:-9], "its gzip data are truncated or corrupt"),
    "trailing bytes in gzip": (gzip.compress(GOOD + b"\x00"), "has more than the 2x3x4 bytes"),
    "HTML page": (b"<!DOCTYPE html>", "is not an IDX file"),
    "wrong type": (b"\x00\x00\x0d\x03" + GOOD[4:], "type 0x0d"),
    "labels for images": (idx.encode(IMAGES[0, 0]), "has 1 dimensions instead of 3"),
    "truncated header": (GOOD[:10], "its header has 16"),
    "truncated body": (GOOD[:-1], "is truncated: 23 bytes instead of 2x3x4"),
    "trailing bytes": (GOOD + b"\x00", "has more than the 2x3x4 bytes"),
    "huge size in the header": (struct.pack(">HBBIII", 0, 8, 3, *[2**31] * 3), "the limit is 17179869184"),
    "no images": (struct.pack(">HBBIII", 0, 8, 3, 0, 28, 28), "is empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_error_names_the_fault(fault: str, tmp_path: Path) -> None:
    """A generic message would not help the user."""
    content, message = FAULTS[fault]
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        idx.read(path, 3)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_error_of_missing_file_names_the_command_to_run(tmp_path: Path) -> None:
    """The message has the next step."""
    with pytest.raises(UserError, match=r"is not there: run `dvc repro data\.dvc`"):
        idx.read(tmp_path / "images", 3)
