"""Pictures as a test sees them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image


def pixels(path: Path) -> npt.NDArray[np.int16]:
    """RGB, 0 to 255, (height, width, 3); signed, so that colours can be subtracted."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(np.int16)
