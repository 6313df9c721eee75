"""A trained softmax regression in NumPy: P(class | x) = softmax(W x + b), x = pixels * scale."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BLOCK = 1 << 24  # pixels that are converted at a time: 128 MiB as float64


@dataclass(frozen=True)
class SoftmaxModel:
    """Weights W, float32 (pixels, classes), biases b, float32 (classes,), and the scale of the pixels."""

    kernel: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    scale: float

    @property
    def pixels(self) -> int:
        """The number of pixels of an image."""
        return len(self.kernel)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.bias)

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the logits W x + b, float32 (N, classes), of uint8 pixels (N, pixels).

        They are computed in float64 and rounded: on another processor, the last digits of a float64 product differ.
        """
        kernel, bias = self.scale * self.kernel.astype(np.float64), self.bias.astype(np.float64)
        block = max(1, BLOCK // self.pixels)
        blocks = (pixels[start : start + block] for start in range(0, len(pixels), block))
        return np.concatenate([(each.astype(np.float64) @ kernel + bias).astype(np.float32) for each in blocks])
