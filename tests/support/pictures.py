"""Read pictures for comparison in tests."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image


def pixels(path: Path) -> npt.NDArray[np.int16]:
    """Return RGB values 0 to 255, int16 (height, width, 3); signed, so that colours can be subtracted."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(np.int16)
