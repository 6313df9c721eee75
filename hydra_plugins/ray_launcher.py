"""Hydra instantiates launchers from this namespace package only; the launcher itself is pipeline/sweep/cluster.py."""

from pipeline.sweep import cluster


class RayLauncher(cluster.RayLauncher):
    """hydra/launcher=ray."""
