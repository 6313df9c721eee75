"""`dvc repro` in a fresh clone that has nothing but the downloads, and again with nothing to do."""

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.processes import python, seconds
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
    """Seconds of both, and of the imports of dvc and of each stage's process; medians."""
    if not DOWNLOADS.is_dir():
        raise UserError(f"{DOWNLOADS} is not there: run `dvc repro fetch`")
    imports, whole, nothing = [], [], []
    for _ in range(ROUNDS):
        imports.append(sum(python(code) for code in IMPORTS))
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "clone"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            shutil.copytree(DOWNLOADS, clone / "downloads")
            (clone / "dvc.lock").unlink()
            whole.append(seconds([sys.executable, "-m", "dvc", "repro"], clone))
            nothing.append(seconds([sys.executable, "-m", "dvc", "repro"], clone))
    needed = statistics.median(imports)
    rows = [("the imports that it needs", f"{needed:.1f}", "1.0")] + [
        (name, f"{statistics.median(times):.1f}", f"{statistics.median(times) / needed:.1f}")
        for name, times in (("from nothing but downloads", whole), ("with nothing to do", nothing))
    ]
    return markdown("`dvc repro`", ("case", "s", "times the imports"), rows)
