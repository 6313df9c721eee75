"""`dvc repro` in a new clone that has only the downloads, and a second time with every stage up to date."""

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.processes import time_command, time_python
from benchmarks.rounds import ROUNDS, markdown
from pipeline.core.errors import UserError
from pipeline.core.paths import DOWNLOADS, ROOT

MODEL = "import keras, pipeline.tracking.run, mlflow.keras, pipeline.model"
IMPORTS = (
    "import dvc.cli, dvc.repo",
    *(f"import pipeline.{stage}" for stage in ("compose", "fetch", "preprocess")),
    f"import pipeline.train, pipeline.training.weight_images; {MODEL}",
    f"import pipeline.evaluate, pipeline.evaluation.figures, scipy.stats, sklearn.metrics; {MODEL}",
)


def table() -> str:
    """Return the table of the median seconds of both, and of the imports of dvc and of each stage's process.

    Raises:
        UserError: there are no downloads.
    """
    if not DOWNLOADS.is_dir():
        raise UserError(f"{DOWNLOADS} is not there: run `dvc repro fetch`")
    imports, downloads_only, up_to_date = [], [], []
    for _ in range(ROUNDS):
        imports.append(sum(time_python(code) for code in IMPORTS))
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "clone"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            shutil.copytree(DOWNLOADS, clone / "downloads")
            (clone / "dvc.lock").unlink()
            downloads_only.append(time_command([sys.executable, "-m", "dvc", "repro"], clone))
            up_to_date.append(time_command([sys.executable, "-m", "dvc", "repro"], clone))
    base = statistics.median(imports)
    rows = [
        (name, f"{statistics.median(times):.1f}", f"{statistics.median(times) / base:.1f}")
        for name, times in (
            ("imports of all processes", imports),
            ("new clone with downloads", downloads_only),
            ("up to date", up_to_date),
        )
    ]
    return markdown("`dvc repro`", ("case", "s", "times the imports"), rows)
