"""Whole processes, as a user starts them."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.core.paths import ROOT


def seconds(words: Sequence[str], cwd: Path = ROOT) -> float:
    """How long the command takes.

    Raises:
        RuntimeError: it fails; with what it wrote last.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    start = time.perf_counter()
    done = subprocess.run(words, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")
    return time.perf_counter() - start


def python(code: str, cwd: Path = ROOT) -> float:
    """How long a program takes."""
    return seconds([sys.executable, "-c", code], cwd)
