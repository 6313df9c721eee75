"""Time whole processes."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.core.paths import ROOT


def time_command(args: Sequence[str], cwd: Path = ROOT) -> float:
    """Run a command and return its seconds.

    Raises:
        RuntimeError: the command fails. The message has the end of its output.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    start = time.perf_counter()
    done = subprocess.run(args, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(args)} ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")
    return time.perf_counter() - start


def time_python(code: str) -> float:
    """Run Python code in a new process and return its seconds."""
    return time_command([sys.executable, "-c", code])
