"""The images of a pass over the data, in chunks that fit in memory."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.data.images import LabelledImages
from pipeline.data.rows import take
from pipeline.model.quiet_keras import tf

MAX_BYTES_IN_MEMORY = 48 * 2**20  # of pixels; MNIST's 50,000 training images have fewer

Order = npt.NDArray[np.int32]
Pair = tuple[tf.Tensor, tf.Tensor]


class Chunks:
    """Reads a data set of up to MAX_BYTES_IN_MEMORY once and keeps it; reads a larger one chunk by chunk each pass."""

    def __init__(self, data: LabelledImages) -> None:
        self.data = data
        everything = np.arange(len(data), dtype=np.int32)
        self.kept = self._read(everything) if data.images.nbytes <= MAX_BYTES_IN_MEMORY else None

    def images_in_memory(self, batch_size: int) -> int:
        """How many images are in memory at a time: all, or whole minibatches."""
        if self.kept is not None:
            return len(self.data)
        return max(1, int(MAX_BYTES_IN_MEMORY // self.data.pixels.shape[1] // batch_size)) * batch_size

    def iterate(self, order: Order, batch_size: int) -> Iterator[tuple[Pair, Order]]:
        """Yield pixels, uint8 (images, pixels), and labels, int32 (images,), of a chunk, and the order within it."""
        if self.kept is not None:
            yield self.kept, order
            return
        size = self.images_in_memory(batch_size)
        for start in range(0, len(order), size):
            rows, positions = np.unique(order[start : start + size], return_inverse=True)
            images = self._read(rows)
            yield images, positions.astype(np.int32)
            del images  # before the next chunk is read

    def _read(self, rows: Order) -> Pair:
        pixels = take(self.data.images, rows).reshape(len(rows), -1)
        return tf.constant(pixels), tf.constant(self.data.labels[rows].astype(np.int32))
