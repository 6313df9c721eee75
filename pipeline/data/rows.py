"""Rows of an array that may be larger than memory."""

import mmap

import numpy as np
import numpy.typing as npt

BLOCK = 8192  # rows that are read before a map is let go


def take(array: npt.NDArray[np.uint8], rows: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Copy these rows, in ascending order, of an array (N, ...); the result is (len(rows), ...).

    Pages that were read through a memory map count as the process's memory until it is closed. So a map of a whole file
    is opened anew for every block of rows.
    """
    found = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        np.take(_fresh(array), rows[block], axis=0, out=found[block], mode="clip")
    return found


def _fresh(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The same array, through a map of its own where it is the map of a file, and not of a part."""
    if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap) and array.filename is not None:
        return np.memmap(array.filename, array.dtype, "r", array.offset, array.shape)
    return array
