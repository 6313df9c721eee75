"""Tracked experiments on MNIST: DVC stages, Hydra configuration, MLflow runs."""

import importlib.util
import sys

from pipeline.core import environment

# `dvc repro` runs whichever `python` comes first on PATH: say so when that one lacks the dependencies.
if importlib.util.find_spec("hydra") is None:
    sys.stderr.write(
        f"error: {sys.executable} does not have this project's dependencies; "
        "run `make setup`, then `source .venv/bin/activate`\n"
    )
    sys.exit(2)

environment.clean()
