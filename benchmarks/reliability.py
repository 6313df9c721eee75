"""A sweep that is killed at random moments and started again, against an undisturbed one; about ten minutes.

python -m benchmarks.reliability    writes benchmarks/reliability.md
"""

import itertools
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from benchmarks import machine
from benchmarks.rounds import markdown
from pipeline.files import write_text
from pipeline.paths import ROOT

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


def main() -> None:
    """Kill and start again, and count what was lost."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs would hand down ignored
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = _Sweep(Path(folder) / "undisturbed")
        undisturbed.folder.mkdir()
        began = time.monotonic()
        undisturbed.start().wait()
        took = time.monotonic() - began
        expected = _results(undisturbed.runs())
        for number, which in zip(range(KILLS), itertools.cycle(SIGNALS), strict=False):
            sweep = _Sweep(Path(folder) / str(number))
            sweep.folder.mkdir()
            counts["sweeps that a signal ended"] += _disturb(sweep, which, took)
            sweep.start().wait()
            counts.update(_judge(sweep.runs(), expected))
            sys.stdout.write(f"{number + 1} of {KILLS}: {dict(counts)}\n")
            sys.stdout.flush()
    told = markdown(
        f"{KILLS} sweeps of {len(expected)} jobs, each killed (-9, TERM or INT) at a random moment and started again",
        ("what", "how many"),
        [(what, str(counts[what])) for what in ("sweeps that a signal ended", "jobs expected", *_FAULTS)],
    )
    write_text(ROOT / "benchmarks" / "reliability.md", f"# Reliability\n\n{machine.description()}\n\n{told}\n")
    sys.exit(any(counts[fault] for fault in _FAULTS))


_FAULTS = ("lost", "other metrics", "trained twice", "left RUNNING", "more parents than one")


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


if __name__ == "__main__":
    main()
