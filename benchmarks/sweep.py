"""A sweep from start to end: the usual stack, and ours with more and more jobs."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.processes import seconds
from benchmarks.rounds import markdown
from pipeline.core.paths import ROOT

EPOCHS = 5
BATCH_SIZES = "32,64,256,600"
JOBS = (8, 64, 512)


def table() -> str:
    """Seconds of whole sweeps, and of a further job, and how many times the usual stack that is; one round each."""
    few, many = (_usual(jobs) for jobs in (4, 8))
    further = (many - few) / 4
    rows = [("usual stack", "8", f"{many:.1f}", "1.0", f"{1000 * further:.0f}", "1.0")]
    before = (4, _ours(4))
    for jobs in JOBS:
        found = _ours(jobs)
        each = (found - before[1]) / (jobs - before[0])
        speedup = f"{many / found:.1f}" if jobs == JOBS[0] else ""
        rows.append(("ours", str(jobs), f"{found:.1f}", speedup, f"{1000 * each:.0f}", f"{further / each:.0f}"))
        before = (jobs, found)
    header = ("way", "jobs", "s", "times the usual stack", "ms for a further job", "times the usual stack")
    return markdown(f"A sweep, {EPOCHS} epochs a job, whole processes", header, rows)


def _rates(jobs: int) -> str:
    return ",".join(f"{rate:.5g}" for rate in np.geomspace(0.01, 0.5, jobs // 4))


def _usual(jobs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return seconds(
            [
                *(sys.executable, str(ROOT / "benchmarks" / "usual_stack.py"), "--multirun"),
                *(f"+learning_rate={_rates(jobs)}", f"+batch_size={BATCH_SIZES}", f"+epochs={EPOCHS}"),
                "+store=sqlite:///mlflow.db",
            ],
            Path(folder),
        )


def _ours(jobs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return seconds(
            [
                *(sys.executable, "-m", "pipeline.train", "--multirun"),
                *(f"train.learning_rate={_rates(jobs)}", f"train.batch_size={BATCH_SIZES}", f"train.epochs={EPOCHS}"),
                *(f"tracking.uri=sqlite:///{Path(folder)}/mlflow.db", f"hydra.sweep.dir={folder}/sweep"),
            ]
        )
