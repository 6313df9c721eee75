"""Sweeps killed at random moments and started again, compared with an undisturbed sweep."""

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
    """The sweep over GRID, with its own store and output folders."""

    folder: Path

    def start(self) -> "subprocess.Popen[bytes]":
        """Start or resume the sweep."""
        overrides = (
            f"tracking.uri=sqlite:///{self.folder}/mlflow.db",
            f"hydra.sweep.dir={self.folder}/sweep",
            "tracking.system_metrics_every=0",  # system metrics differ from run to run
        )
        command = [sys.executable, "-m", "pipeline.train", "--multirun", *GRID, *overrides]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def runs(self) -> list[Run]:
        """Return all runs of the sweep, including the parent run."""
        client = MlflowClient(f"sqlite:///{self.folder}/mlflow.db")
        experiment_ids = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(experiment_ids, max_results=1000))


ENDED = "sweeps ended by the signal"
FAULTS = ("lost jobs", "jobs with other metrics", "jobs trained twice", "runs left RUNNING", "additional parent runs")


def measure() -> Report:
    """Kill sweeps, start them again, and count what was lost.

    Raises:
        RuntimeError: the undisturbed sweep fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = _Sweep(Path(folder) / "undisturbed")
        undisturbed.folder.mkdir()
        start = time.monotonic()
        if undisturbed.start().wait():
            raise RuntimeError("the undisturbed sweep fails")
        seconds = time.monotonic() - start
        expected = _finished_metrics(undisturbed.runs())
        report = Report(
            f"{KILLS} sweeps of {len(expected)} jobs, killed (-9, TERM or INT) at random moments and started again",
            (ENDED, "expected jobs"),
            FAULTS,
        )
        for number, signal_number in zip(range(KILLS), itertools.cycle(SIGNALS), strict=False):
            sweep = _Sweep(Path(folder) / str(number))
            sweep.folder.mkdir()
            report.counts[ENDED] += _interrupt(sweep, signal_number, seconds)
            sweep.start().wait()
            report.counts.update(_count_faults(sweep.runs(), expected))
            report.print_progress(number + 1, KILLS)
        return report


def _interrupt(sweep: _Sweep, signal_number: signal.Signals, seconds: float) -> bool:
    """Send a signal within the seconds that the sweep takes. Return whether the signal ended the sweep."""
    process = sweep.start()
    try:
        process.wait(random.SystemRandom().uniform(0, seconds))
    except subprocess.TimeoutExpired:
        process.send_signal(signal_number)
    return process.wait() in (-signal_number, 128 + signal_number)


def _finished_metrics(runs: list[Run]) -> dict[str, list[dict[str, float]]]:
    """Return the metrics of the finished runs of each job, by the job's config hash."""
    metrics: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        if run.info.status == "FINISHED" and "config.hash" in run.data.tags:
            metrics.setdefault(run.data.tags["config.hash"], []).append(run.data.metrics)
    return metrics


def _count_faults(runs: list[Run], expected: dict[str, list[dict[str, float]]]) -> dict[str, int]:
    metrics = _finished_metrics(runs)
    return {
        "expected jobs": len(expected),
        "lost jobs": sum(job not in metrics for job in expected),
        "jobs with other metrics": sum(job in metrics and metrics[job][0] != expected[job][0] for job in expected),
        "jobs trained twice": sum(len(finished) > 1 for finished in metrics.values()),
        "runs left RUNNING": sum(run.info.status == "RUNNING" for run in runs),
        "additional parent runs": sum("sweep.key" in run.data.tags for run in runs) - 1,
    }
