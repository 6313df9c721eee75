"""Selected rows of an array that may be larger than memory."""

import mmap

import numpy as np
import numpy.typing as npt

BLOCK = 8192  # rows that are read through one memory map


def take(array: npt.NDArray[np.uint8], rows: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Copy the rows, in ascending order, of an array (N, ...). The result is (len(rows), ...).

    Pages that were read through a memory map count as the process's memory until the map is closed. A memory-mapped
    file is therefore mapped anew for every block of rows.
    """
    taken = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        np.take(_mapped_anew(array), rows[block], axis=0, out=taken[block], mode="clip")
    return taken


def _mapped_anew(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the array through a new memory map if it maps a whole file; any other array unchanged."""
    if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap) and array.filename is not None:
        return np.memmap(array.filename, array.dtype, "r", array.offset, array.shape)
    return array
