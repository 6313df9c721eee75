"""Hydra instantiates sweepers from this namespace package only; the sweeper itself is pipeline/sweep/grid.py."""

from pipeline.sweep import grid


class GridSweeper(grid.GridSweeper):
    """hydra/sweeper=grid."""
