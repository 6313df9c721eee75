"""Hydra instantiates launchers from this namespace package only; the launcher is in pipeline/sweep/bank_launcher.py."""

from pipeline.sweep import bank_launcher


class BankLauncher(bank_launcher.BankLauncher):
    """hydra/launcher=bank."""
