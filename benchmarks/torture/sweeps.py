"""A sweep that is killed at random moments and started again, against an undisturbed one."""

import itertools
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from benchmarks.torture.report import Report
from pipeline.core.paths import ROOT

KILLS = 20
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
GRID = ("train.learning_rate=0.05,0.1,0.2,0.4", "train.batch_size=32,64,256,600", "train.epochs=3")


@dataclass(frozen=True)
class _Sweep:
    """The sweep, with a store and folders of its own."""

    folder: Path

    def start(self) -> "subprocess.Popen[bytes]":
        """Begin it, or go on with it."""
        where = (f"tracking.uri=sqlite:///{self.folder}/mlflow.db", f"hydra.sweep.dir={self.folder}/sweep")
        same = "tracking.system_metrics_every=0"  # no result of training
        command = [sys.executable, "-m", "pipeline.train", "--multirun", *GRID, *where, same]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def runs(self) -> list[Run]:
        """All of its runs, the parent's included."""
        client = MlflowClient(f"sqlite:///{self.folder}/mlflow.db")
        everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(everywhere, max_results=1000))


FAULTS = ("lost", "other metrics", "trained twice", "left RUNNING", "more parents than one")


def report() -> Report:
    """Kill and start again, and count what was lost."""
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = _Sweep(Path(folder) / "undisturbed")
        undisturbed.folder.mkdir()
        began = time.monotonic()
        if undisturbed.start().wait():
            raise RuntimeError("the undisturbed sweep fails")
        took = time.monotonic() - began
        expected = _results(undisturbed.runs())
        found = Report(
            f"{KILLS} sweeps of {len(expected)} jobs, killed (-9, TERM or INT) at random moments and started again",
            ("sweeps that a signal ended", "jobs expected"),
            FAULTS,
        )
        for number, which in zip(range(KILLS), itertools.cycle(SIGNALS), strict=False):
            sweep = _Sweep(Path(folder) / str(number))
            sweep.folder.mkdir()
            found.counts["sweeps that a signal ended"] += _disturb(sweep, which, took)
            sweep.start().wait()
            found.counts.update(_judge(sweep.runs(), expected))
            found.tell(number + 1, KILLS)
        return found


def _disturb(sweep: _Sweep, which: signal.Signals, took: float) -> bool:
    """Whether the signal ended it, and not its last job."""
    process = sweep.start()
    try:
        process.wait(random.SystemRandom().uniform(0, took))
    except subprocess.TimeoutExpired:
        process.send_signal(which)
    return process.wait() in (-which, 128 + which)


def _results(runs: list[Run]) -> dict[str, list[dict[str, float]]]:
    """The metrics of the finished jobs, by their settings."""
    found: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        if run.info.status == "FINISHED" and "config.hash" in run.data.tags:
            found.setdefault(run.data.tags["config.hash"], []).append(run.data.metrics)
    return found


def _judge(runs: list[Run], expected: dict[str, list[dict[str, float]]]) -> dict[str, int]:
    found = _results(runs)
    return {
        "jobs expected": len(expected),
        "lost": sum(job not in found for job in expected),
        "other metrics": sum(job in found and found[job][0] != its[0] for job, its in expected.items()),
        "trained twice": sum(len(its) > 1 for its in found.values()),
        "left RUNNING": sum(run.info.status == "RUNNING" for run in runs),
        "more parents than one": sum("sweep.key" in run.data.tags for run in runs) - 1,
    }
