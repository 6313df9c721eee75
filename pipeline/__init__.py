"""Tracked experiments on MNIST: DVC stages, Hydra configuration, MLflow runs."""

import importlib.util
import sys

from pipeline.core import environment

if sys.platform == "win32":  # file locks, signals and limits are those of POSIX
    sys.stderr.write("error: Windows is supported through WSL: run `wsl --install`, and clone the project inside WSL\n")
    sys.exit(2)

# `dvc repro` runs whichever `python` comes first on PATH: say so when that one lacks the dependencies.
if importlib.util.find_spec("hydra") is None:
    sys.stderr.write(
        f"error: {sys.executable} does not have this project's dependencies; "
        "run `make setup`, then `source .venv/bin/activate`\n"
    )
    sys.exit(2)

environment.clean()
