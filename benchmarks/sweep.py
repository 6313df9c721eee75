"""Whole sweeps: the usual stack, and this pipeline with 8 to 512 jobs."""

import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.processes import time_command, time_python
from benchmarks.rounds import markdown
from benchmarks.whole_pipeline import TRAIN_IMPORTS
from pipeline.core.paths import ROOT

EPOCHS = 5
BATCH_SIZES = "32,64,256,600"
JOBS = (8, 64, 512)
POLL_SECONDS = 0.05


def table() -> str:
    """Return the table of the seconds of a sweep and of an additional job, and their speedups over the usual stack.

    Every sweep runs once. Below it: how long one waits for the first metric and for the leaderboard.
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
    sweeps = markdown(f"A sweep, {EPOCHS} epochs per job, whole processes", header, rows)
    imports, (metric, leaderboard) = time_python(TRAIN_IMPORTS), _waiting_times(8)
    return (
        f"{sweeps}\n\nIn a sweep of 512, a further job costs {1000 * our_job:.0f} ms: {3600 / our_job:,.0f} jobs "
        "an hour. "
        f"In a sweep of 8, the first metric is in the store after {metric:.1f} s and the leaderboard after "
        f"{leaderboard:.1f} s; the imports of a training take {imports:.1f} s of each."
    )


def _waiting_times(jobs: int) -> tuple[float, float]:
    """Seconds from Enter to the first metric in the store, and to the leaderboard."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = subprocess.Popen(_our_command(jobs, folder), cwd=ROOT, stdout=subprocess.DEVNULL)
        seconds = []
        for is_there in (_has_metric, _has_leaderboard):
            while not is_there(Path(folder)):
                if process.poll() is not None and not is_there(Path(folder)):
                    raise RuntimeError(f"the sweep ended with {process.returncode}")
                time.sleep(POLL_SECONDS)
            seconds.append(time.perf_counter() - start)
        process.wait()
    return seconds[0], seconds[1]


def _has_metric(folder: Path) -> bool:
    """Whether a training has logged a metric. The parent run logs none before the end."""
    if not (folder / "mlflow.db").is_file():
        return False
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        return bool(database.execute("SELECT 1 FROM metrics WHERE key = 'valid/error' LIMIT 1").fetchall())


def _has_leaderboard(folder: Path) -> bool:
    return (folder / "sweep/leaderboard.png").is_file()


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
        return time_command(_our_command(jobs, folder))


def _our_command(jobs: int, folder: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pipeline.train", "--multirun"),
        *(f"train.learning_rate={_learning_rates(jobs)}", f"train.batch_size={BATCH_SIZES}", f"train.epochs={EPOCHS}"),
        *(f"tracking.uri=sqlite:///{folder}/mlflow.db", f"hydra.sweep.dir={folder}/sweep"),
    ]
