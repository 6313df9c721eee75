"""IDX files are read as they are, and each way to be wrong has its own message."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import UserError
from pipeline.formats import idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def test_encoded_array_is_read_back(tmp_path: Path) -> None:
    """Shape and every byte survive, in gzip form too, whatever the name says."""
    path = tmp_path / "images"
    path.write_bytes(idx.encode(IMAGES))
    assert path.read_bytes()[:4] == b"\x00\x00\x08\x03"
    np.testing.assert_array_equal(idx.read(path, 3), IMAGES)
    path.write_bytes(gzip.compress(idx.encode(IMAGES)))
    np.testing.assert_array_equal(idx.read(path, 3), IMAGES)


GOOD = idx.encode(IMAGES)
FAULTS = {
    "empty file": (b"", "is cut: 0 bytes"),
    "cut magic number": (GOOD[:3], "is cut: 3 bytes"),
    "no gzip": (b"\x1f\x8b" + GOOD, "its gzip data end early or are wrong"),
    "cut gzip": (gzip.compress(GOOD)[:-9], "its gzip data end early or are wrong"),
    "bytes left over in gzip": (gzip.compress(GOOD + b"\x00"), "has bytes left over"),
    "HTML page": (b"<!DOCTYPE html>", "is not an IDX file"),
    "wrong type": (b"\x00\x00\x0d\x03" + GOOD[4:], "type 0x0d"),
    "labels for images": (idx.encode(IMAGES[0, 0]), "has 1 dimensions, where 3"),
    "cut header": (GOOD[:10], "header alone has 16"),
    "cut body": (GOOD[:-1], "is cut: 23 bytes, where 2x3x4"),
    "bytes left over": (GOOD + b"\x00", "has bytes left over behind the 2x3x4"),
    "promise of a bomb": (struct.pack(">HBBIII", 0, 8, 3, *[2**31] * 3), "more than 17179869184 are not read"),
    "no images": (struct.pack(">HBBIII", 0, 8, 3, 0, 28, 28), "is empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_file_is_refused_with_its_fault(fault: str, tmp_path: Path) -> None:
    """A bare "not an IDX file" would leave the user to find out why."""
    content, told = FAULTS[fault]
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(UserError) as refusal:
        idx.read(path, 3)
    assert told in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_missing_file_names_the_command_that_brings_it(tmp_path: Path) -> None:
    """The next step is part of the message."""
    with pytest.raises(UserError, match=r"is not there: run `dvc repro data\.dvc`"):
        idx.read(tmp_path / "images", 3)
