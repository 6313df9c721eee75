"""Hydra instantiates launchers from this namespace package only; the launcher itself is pipeline/sweep/launcher.py."""

from pipeline.sweep import launcher


class BankLauncher(launcher.BankLauncher):
    """hydra/launcher=bank."""
