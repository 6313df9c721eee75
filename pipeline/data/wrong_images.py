"""Which validation images a model gets wrong: a small file of each training job, by which jobs are compared."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic import write_text

FILE = "valid_wrong.json"


@dataclass(frozen=True, eq=False)  # arrays have no truth value
class WrongImages:
    """Whether each validation image is misclassified, bool (images,), in the order of prepared/.

    `data` identifies the images: it is equal for equal data sets with the same split.
    """

    data: str
    wrong: npt.NDArray[np.bool_]

    def write(self, path: Path) -> None:
        """Write a JSON file in which `wrong` has a bit for each image, the first one in the highest bit of a byte."""
        fields = {"data": self.data, "images": len(self.wrong), "wrong": np.packbits(self.wrong).tobytes().hex()}
        write_text(path, json.dumps(fields) + "\n")

    @classmethod
    def read(cls, path: Path) -> "WrongImages":
        """Read the file that `write` wrote.

        Raises:
            ValueError: the file is damaged.
        """
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            bits = np.frombuffer(bytes.fromhex(fields["wrong"]), np.uint8)
            wrong = np.unpackbits(bits, count=int(fields["images"])).astype(bool)
            return cls(str(fields["data"]), wrong)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged") from error
