"""Refuses `python pipeline/train.py`, as an editor's Run button starts it: this is what it then imports as `pipeline`.

Python looks for imports in the script's own folder first. Without this file it would find the package of whichever
project is installed, or none.
"""

import sys
from pathlib import Path

name = Path(sys.argv[0]).stem
module = "pipeline" if name in ("__main__", "pipeline") else f"pipeline.{name}"
sys.stderr.write(f"error: start this command as a module, in the project's folder: python -m {module}\n")
sys.exit(2)
