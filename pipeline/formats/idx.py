"""The IDX format of the MNIST files: http://yann.lecun.com/exdb/mnist, "file formats"."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import UserError

MAGIC = struct.Struct(">HBB")  # zeros, the elements' type, the number of dimensions
UNSIGNED_BYTE = 0x08
GZIP = b"\x1f\x8b"
CHUNK = 1 << 20
MAX_BYTES = 1 << 34  # 16 GiB: a larger size in a header is damage, or an attack


def read(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes with this number of dimensions, plain or gzip-compressed.

    Raises:
        UserError: the file is missing or cannot be read, or its magic number, dimensions or length are wrong.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder, not an IDX file")
    try:
        with path.open("rb") as plain:
            compressed = plain.read(len(GZIP)) == GZIP
            plain.seek(0)
            return _parse(gzip.GzipFile(fileobj=plain) if compressed else plain, path, dimensions)
    except FileNotFoundError as error:
        raise UserError(f"{path} is not there: run `dvc repro data.dvc`") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged: its gzip data are truncated or corrupt") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def _parse(file: IO[bytes] | gzip.GzipFile, path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    shape = _shape(file, path, dimensions)
    expected, sizes = math.prod(shape), "x".join(map(str, shape))
    if expected == 0:
        raise UserError(f"{path} is empty: its dimensions are {sizes}")
    if expected > MAX_BYTES:
        raise UserError(f"{path} is too large: its header says {sizes} bytes, and the limit is {MAX_BYTES}")
    content = bytearray()
    while chunk := file.read(min(CHUNK, expected - len(content))):
        content += chunk
    if len(content) < expected:
        raise UserError(f"{path} is truncated: {len(content)} bytes instead of {sizes}")
    if file.read(1):
        raise UserError(f"{path} has more than the {sizes} bytes that its header says")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(file: IO[bytes] | gzip.GzipFile, path: Path, dimensions: int) -> tuple[int, ...]:
    magic = file.read(MAGIC.size)
    if len(magic) < MAGIC.size:
        raise UserError(f"{path} is truncated: {len(magic)} bytes, and an IDX header has at least {MAGIC.size}")
    zeros, kind, actual = MAGIC.unpack(magic)
    if zeros != 0:
        raise UserError(f"{path} is not an IDX file: its magic number starts with {magic[:2].hex()}, not 0000")
    if kind != UNSIGNED_BYTE:
        raise UserError(f"{path} holds IDX type 0x{kind:02x}; only unsigned bytes (0x{UNSIGNED_BYTE:02x}) are read")
    if actual != dimensions:
        raise UserError(f"{path} has {actual} dimensions instead of {dimensions}")
    sizes = struct.Struct(f">{dimensions}I")
    header = file.read(sizes.size)
    if len(header) < sizes.size:
        raise UserError(
            f"{path} is truncated: {MAGIC.size + len(header)} bytes, and its header has {MAGIC.size + sizes.size}"
        )
    return sizes.unpack(header)


def encode(array: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of an IDX file with the array, which may have any shape."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return MAGIC.pack(0, UNSIGNED_BYTE, array.ndim) + sizes + array.tobytes()
