"""Hydra instantiates sweepers from this namespace package only; the sweeper is in pipeline/sweep/grid.py."""

from pipeline.sweep import grid


class GridSweeper(grid.GridSweeper):
    """hydra/sweeper=grid."""
