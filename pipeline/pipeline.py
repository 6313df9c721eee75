"""Refuses `python pipeline/train.py`, as an editor's Run button starts it: this is what it then imports as `pipeline`.

Python looks for imports in the script's own folder first, or in the working folder where there is no script. Without
this file it would find the package of whichever project is installed, or none.
"""

import sys
from pathlib import Path

script = Path(sys.argv[0])
if script.suffix == ".py":
    module = "pipeline" if script.stem in ("__main__", "pipeline") else f"pipeline.{script.stem}"
    message = f"start this command as a module, in the project's folder: python -m {module}"
else:
    message = "the working folder is pipeline/ itself: start this command in the folder above, after `cd ..`"
sys.stderr.write(f"error: {message}\n")
sys.exit(2)
