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
MOST_BYTES = 1 << 34  # 16 GiB: what promises more is damaged, or means harm


def read(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes with as many dimensions as asked for, plain or in gzip form.

    Raises:
        UserError: the file is missing or cannot be read, or its magic number, dimensions or length are wrong.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder, where an IDX file is expected")
    try:
        with path.open("rb") as plain:
            packed = plain.read(len(GZIP)) == GZIP
            plain.seek(0)
            return _parse(gzip.GzipFile(fileobj=plain) if packed else plain, path, dimensions)
    except FileNotFoundError as error:
        raise UserError(f"{path} is not there: run `dvc repro data.dvc`") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged: its gzip data end early or are wrong") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def _parse(file: IO[bytes] | gzip.GzipFile, path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    shape = _shape(file, path, dimensions)
    expected, promised = math.prod(shape), "x".join(map(str, shape))
    if expected == 0:
        raise UserError(f"{path} is empty: its dimensions are {promised}")
    if expected > MOST_BYTES:
        raise UserError(f"{path} promises {promised} bytes, and more than {MOST_BYTES} are not read")
    content = bytearray()
    while piece := file.read(min(CHUNK, expected - len(content))):
        content += piece
    if len(content) < expected:
        raise UserError(f"{path} is cut: {len(content)} bytes, where {promised} are promised")
    if file.read(1):
        raise UserError(f"{path} has bytes left over behind the {promised} that are promised")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(file: IO[bytes] | gzip.GzipFile, path: Path, dimensions: int) -> tuple[int, ...]:
    magic = file.read(MAGIC.size)
    if len(magic) < MAGIC.size:
        raise UserError(f"{path} is cut: {len(magic)} bytes, where an IDX header has at least {MAGIC.size}")
    zeros, kind, found = MAGIC.unpack(magic)
    if zeros != 0:
        raise UserError(f"{path} is not an IDX file: its magic number starts with {magic[:2].hex()}, not 0000")
    if kind != UNSIGNED_BYTE:
        raise UserError(f"{path} holds IDX type 0x{kind:02x}; only unsigned bytes (0x{UNSIGNED_BYTE:02x}) are read")
    if found != dimensions:
        raise UserError(f"{path} has {found} dimensions, where {dimensions} are expected")
    sizes = struct.Struct(f">{dimensions}I")
    header = file.read(sizes.size)
    if len(header) < sizes.size:
        raise UserError(
            f"{path} is cut: {MAGIC.size + len(header)} bytes, where its header alone has {MAGIC.size + sizes.size}"
        )
    return sizes.unpack(header)


def encode(array: npt.NDArray[np.uint8]) -> bytes:
    """The array, of any shape, as the bytes of an IDX file."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return MAGIC.pack(0, UNSIGNED_BYTE, array.ndim) + sizes + array.tobytes()
