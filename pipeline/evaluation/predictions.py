"""What a model says of labelled images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic import write_csv
from pipeline.data.images import LabelledImages


@dataclass(frozen=True)
class Predictions:
    """Images and labels, the predicted classes (N,), and their probabilities, float64 (N,)."""

    data: LabelledImages
    predicted: npt.NDArray[np.intp]
    probability: npt.NDArray[np.float64]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Which images are predicted as what they are: (N,)."""
        return np.equal(self.predicted, self.data.labels)

    def write(self, path: Path) -> None:
        """Write a CSV file with a row an image, in their order; six digits of a probability are enough to tell."""
        columns = (self.data.labels.tolist(), self.predicted.tolist(), [f"{value:.6g}" for value in self.probability])
        rows = ((image, *row) for image, row in enumerate(zip(*columns, strict=True)))
        write_csv(path, ("image", "label", "predicted", "probability"), rows)
