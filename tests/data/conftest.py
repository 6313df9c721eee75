"""A digit as a picture, and what is seen of it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.drawn import draw
from tests.support.seeing import seen

DARK = draw(3, "round", "thin")  # on white
LIGHT = draw(3, "round", "white")  # on black


@pytest.fixture
def plain(tmp_path: Path) -> npt.NDArray[np.uint8]:
    """What is seen of the dark digit."""
    return seen(DARK, tmp_path / "plain.png")
