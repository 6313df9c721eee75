"""Whole processes: `dvc repro` in a new clone that has only the downloads, and each command."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.processes import time_command, time_python
from benchmarks.rounds import ROUNDS, Seconds, markdown
from pipeline.core.errors import UserError
from pipeline.core.paths import DOWNLOADS, ROOT

TRAIN_IMPORTS = "import pipeline.train, pipeline.training.job, pipeline.training.weight_images, mlflow.keras"
IMPORTS, REPRO = "the imports that train needs", "`dvc repro` in a new clone with downloads"
PYTHON = (sys.executable, "-m")
COMMANDS = {
    "`dvc repro`, up to date": (*PYTHON, "dvc", "repro"),
    "`pipeline.evaluate`": (*PYTHON, "pipeline.evaluate"),
    "`pipeline.predict`, one picture": (*PYTHON, "pipeline.predict", "docs/digits/thin-7.png"),
    "`pipeline.compare` of two evaluated runs": (*PYTHON, "pipeline.compare", "models", "models"),
    "`pipeline.train --cfg job`": (*PYTHON, "pipeline.train", "--cfg", "job"),
}


def table() -> str:
    """Return the table of the seconds of each command, and of the imports of a training.

    Raises:
        UserError: there are no downloads.
    """
    if not DOWNLOADS.is_dir():
        raise UserError(f"{DOWNLOADS} is not there: run `dvc repro fetch`")
    rounds: dict[str, list[float]] = {name: [] for name in (IMPORTS, REPRO, *COMMANDS)}
    for _ in range(ROUNDS):
        rounds[IMPORTS].append(time_python(TRAIN_IMPORTS))
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "clone"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            shutil.copytree(DOWNLOADS, clone / "downloads")
            (clone / "dvc.lock").unlink()
            rounds[REPRO].append(time_command([*PYTHON, "dvc", "repro"], clone))
            for name, command in COMMANDS.items():
                rounds[name].append(time_command(command, clone))
    seconds = {name: Seconds.of_rounds(times) for name, times in rounds.items()}
    base = seconds[IMPORTS].median
    rows = [(name, str(time), f"{time.median / base:.1f}") for name, time in seconds.items()]
    return markdown("Whole processes", ("command", "s (fastest to slowest round)", "times the imports"), rows)
