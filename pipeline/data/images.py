"""Images with their labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class LabelledImages:
    """Images, uint8 (N, height, width), and labels (N,): uint8, or uint16 if there are more than 256 classes."""

    images: npt.NDArray[np.uint8]
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice | npt.NDArray[np.intp]) -> "LabelledImages":
        return LabelledImages(self.images[rows], self.labels[rows])

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The flattened images, uint8 (N, height * width)."""
        return self.images.reshape(len(self.images), -1)
