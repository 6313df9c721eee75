"""Hydra instantiates launchers from this namespace package only; the launcher is in pipeline/sweep/ray_launcher.py."""

from pipeline.sweep import ray_launcher


class RayLauncher(ray_launcher.RayLauncher):
    """hydra/launcher=ray."""
