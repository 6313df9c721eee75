"""Whole sweeps: the usual stack, and this pipeline with 8 to 512 jobs."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.processes import time_command
from benchmarks.rounds import markdown
from pipeline.core.paths import ROOT

EPOCHS = 5
BATCH_SIZES = "32,64,256,600"
JOBS = (8, 64, 512)


def table() -> str:
    """Return the table of the seconds of a sweep and of an additional job, and their speedups over the usual stack.

    Every sweep runs once.
    """
    usual_4, usual_8 = (_usual(jobs) for jobs in (4, 8))
    usual_job = (usual_8 - usual_4) / 4
    rows = [("usual stack", "8", f"{usual_8:.1f}", "1.0", f"{1000 * usual_job:.0f}", "1.0")]
    previous_jobs, previous = 4, _ours(4)
    for jobs in JOBS:
        ours = _ours(jobs)
        our_job = (ours - previous) / (jobs - previous_jobs)
        speedup = f"{usual_8 / ours:.1f}" if jobs == JOBS[0] else ""
        rows.append(("ours", str(jobs), f"{ours:.1f}", speedup, f"{1000 * our_job:.0f}", f"{usual_job / our_job:.0f}"))
        previous_jobs, previous = jobs, ours
    header = ("method", "jobs", "s", "speedup", "ms per additional job", "speedup per additional job")
    return markdown(f"A sweep, {EPOCHS} epochs per job, whole processes", header, rows)


def _learning_rates(jobs: int) -> str:
    return ",".join(f"{rate:.5g}" for rate in np.geomspace(0.01, 0.5, jobs // 4))


def _usual(jobs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return time_command(
            [
                *(sys.executable, str(ROOT / "benchmarks" / "usual_stack.py"), "--multirun"),
                *(f"+learning_rate={_learning_rates(jobs)}", f"+batch_size={BATCH_SIZES}", f"+epochs={EPOCHS}"),
                "+store=sqlite:///mlflow.db",
            ],
            Path(folder),
        )


def _ours(jobs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return time_command(
            [
                *(sys.executable, "-m", "pipeline.train", "--multirun"),
                *(
                    f"train.learning_rate={_learning_rates(jobs)}",
                    f"train.batch_size={BATCH_SIZES}",
                    f"train.epochs={EPOCHS}",
                ),
                *(f"tracking.uri=sqlite:///{Path(folder)}/mlflow.db", f"hydra.sweep.dir={folder}/sweep"),
            ]
        )
