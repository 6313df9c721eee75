"""The images of a pass, in pieces that fit in memory."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.data.images import LabelledImages
from pipeline.data.rows import take
from pipeline.model.quiet_keras import tf

HELD = 48 * 2**20  # bytes of pixels in memory at a time; MNIST's 50,000 training images are fewer

Order = npt.NDArray[np.int32]
Pair = tuple[tf.Tensor, tf.Tensor]


class Pieces:
    """A set of up to `HELD` bytes of pixels is read once and kept; of a larger one, each pass reads what comes next."""

    def __init__(self, data: LabelledImages) -> None:
        self.data = data
        self.kept = self._read(np.arange(len(data), dtype=np.int32)) if data.images.nbytes <= HELD else None

    def window(self, batch_size: int) -> int:
        """How many images are in memory at a time: all, or whole minibatches."""
        if self.kept is not None:
            return len(self.data)
        return max(1, int(HELD // self.data.pixels.shape[1] // batch_size)) * batch_size

    def each(self, order: Order, batch_size: int) -> Iterator[tuple[Pair, Order]]:
        """Pixels, uint8 (images, pixels), and labels, int32 (images,), of a piece, and the part of the order in it."""
        if self.kept is not None:
            yield self.kept, order
            return
        size = self.window(batch_size)
        for start in range(0, len(order), size):
            rows, positions = np.unique(order[start : start + size], return_inverse=True)
            images = self._read(rows)
            yield images, positions.astype(np.int32)
            del images  # before the next ones are read

    def _read(self, rows: Order) -> Pair:
        pixels = take(self.data.images, rows).reshape(len(rows), -1)
        return tf.constant(pixels), tf.constant(self.data.labels[rows].astype(np.int32))
