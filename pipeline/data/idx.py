"""The IDX format of the MNIST files: http://yann.lecun.com/exdb/mnist, "file formats"."""

import math
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import UserError

MAGIC = struct.Struct(">HBB")  # zeros, the elements' type, the number of dimensions
UNSIGNED_BYTE = 0x08


def read(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes with as many dimensions as asked for.

    Raises:
        UserError: the file is missing, or its magic number, dimensions or length are wrong.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there: run `dvc repro data.dvc`")
    content = path.read_bytes()
    if len(content) < MAGIC.size:
        raise UserError(f"{path} is cut: {len(content)} bytes, where an IDX header has at least {MAGIC.size}")
    zeros, kind, found = MAGIC.unpack_from(content)
    if zeros != 0:
        raise UserError(f"{path} is not an IDX file: its magic number starts with {content[:2].hex()}, not 0000")
    if kind != UNSIGNED_BYTE:
        raise UserError(f"{path} holds IDX type 0x{kind:02x}; only unsigned bytes (0x{UNSIGNED_BYTE:02x}) are read")
    if found != dimensions:
        raise UserError(f"{path} has {found} dimensions, where {dimensions} are expected")
    sizes = struct.Struct(f">{dimensions}I")
    header = MAGIC.size + sizes.size
    if len(content) < header:
        raise UserError(f"{path} is cut: {len(content)} bytes, where its header alone has {header}")
    shape = sizes.unpack_from(content, MAGIC.size)
    expected = math.prod(shape)
    if expected == 0:
        raise UserError(f"{path} is empty: its dimensions are {'x'.join(map(str, shape))}")
    if len(content) - header != expected:
        fault = "is cut" if len(content) - header < expected else "has bytes left over"
        raise UserError(
            f"{path} {fault}: {len(content) - header} bytes, where {'x'.join(map(str, shape))} are promised"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def encode(array: npt.NDArray[np.uint8]) -> bytes:
    """The array, of any shape, as the bytes of an IDX file."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return MAGIC.pack(0, UNSIGNED_BYTE, array.ndim) + sizes + array.tobytes()
