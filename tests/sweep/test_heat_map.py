"""The picture of a sweep."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.sweep import heat_map

POINTS = [(rate, size, 0.07 + rate / 100) for rate in (0.01, 0.1, 1.0) for size in (32, 64)]


def blank(path: Path) -> float:
    """The share of white pixels."""
    with Image.open(path) as image:
        return float((np.asarray(image.convert("RGB")) == 255).all(axis=2).mean())


def test_grid_fills_cells_and_search_places_points(tmp_path: Path) -> None:
    """A search's points would be misread as the columns of a grid, even where all have one batch size."""
    heat_map.draw(POINTS, "grid", tmp_path / "grid.png", grid=True)
    heat_map.draw(POINTS[::2], "search", tmp_path / "search.png", grid=False)
    assert blank(tmp_path / "grid.png") < 0.6
    assert blank(tmp_path / "search.png") > 0.7


@pytest.mark.parametrize("grid", [True, False])
@pytest.mark.parametrize("points", [POINTS[:1], [*POINTS, (2.0, 32, 0.9)], [(0.1, 64, 0.0)]], ids=len)
def test_any_points_can_be_drawn(tmp_path: Path, grid: bool, points: list[heat_map.Point]) -> None:  # noqa: FBT001 - pytest gives it by name
    """One job only, cells without one, one that learned nothing, and no error at all."""
    heat_map.draw(points, "a$b_$c", tmp_path / "sweep.png", grid=grid)
    with Image.open(tmp_path / "sweep.png") as image:
        assert image.width >= 600
