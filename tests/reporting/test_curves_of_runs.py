"""The figure with the curves of several runs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.reporting import curves_of_runs
from pipeline.reporting.curves_of_runs import Curve

GOOD: Curve = ("lr=0.1 batch=64", [(epoch, 0.07 + 0.05 / epoch) for epoch in range(1, 11)])
HOPELESS: Curve = ("lr=9 batch=64", [(epoch, 0.9) for epoch in range(1, 11)])


def test_hopeless_run_does_not_flatten_the_others(tmp_path: Path) -> None:
    """The best curve, which has viridis' first colour, still takes a third of the figure's height."""
    curves_of_runs.draw([GOOD, HOPELESS], "two", tmp_path / "two.png")
    with Image.open(tmp_path / "two.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    rows = np.flatnonzero((pixels[:, : pixels.shape[1] // 2] == (68, 1, 84)).all(axis=2).any(axis=1))
    assert np.ptp(rows) > 0.3 * len(pixels)


@pytest.mark.parametrize(
    "curves",
    [[("one epoch", [(1, 0.5)])], [("no error", [(1, 0.0), (2, 0.0)])], [("$a_\n" * 40, [(1, 0.2), (9, 0.1)])] * 12],
    ids=lambda curves: str(len(curves[0][1])) + curves[0][0][:3],
)
def test_any_runs_can_be_drawn(tmp_path: Path, curves: list[Curve]) -> None:
    """With any names, which may hold mathematical notation, and with any number of epochs."""
    curves_of_runs.draw(curves, "a$b_$c", tmp_path / "runs.png")
    with Image.open(tmp_path / "runs.png") as image:
        assert image.width >= 600
