"""The figure of a sweep: a heat map of a grid, a scatter plot of a search."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.sweep import heat_map

POINTS = [(rate, size, 0.07 + rate / 100, rate < 0.1) for rate in (0.01, 0.1, 1.0) for size in (32, 64)]


def white_fraction(path: Path) -> float:
    """Return the fraction of white pixels."""
    with Image.open(path) as image:
        return float((np.asarray(image.convert("RGB")) == 255).all(axis=2).mean())


def test_grid_is_a_heat_map_and_search_a_scatter_plot(tmp_path: Path) -> None:
    """A search is drawn as points even if all trials have one batch size: a heat map would suggest a grid."""
    heat_map.draw(POINTS, "grid", tmp_path / "grid.png", grid=True)
    heat_map.draw(POINTS[::2], "search", tmp_path / "search.png", grid=False)
    assert white_fraction(tmp_path / "grid.png") < 0.6
    assert white_fraction(tmp_path / "search.png") > 0.7


@pytest.mark.parametrize("grid", [True, False])
@pytest.mark.parametrize("points", [POINTS[:1], [*POINTS, (2.0, 32, 0.9, False)], [(0.1, 64, 0.0, True)]], ids=len)
def test_any_points_can_be_drawn(tmp_path: Path, grid: bool, points: list[heat_map.Point]) -> None:  # noqa: FBT001 - pytest gives it by name
    """Drawing works for a single job, for cells without a job, for an error of 90 % and for an error of 0."""
    heat_map.draw(points, "a$b_$c", tmp_path / "sweep.png", grid=grid)
    with Image.open(tmp_path / "sweep.png") as image:
        assert image.width >= 600
