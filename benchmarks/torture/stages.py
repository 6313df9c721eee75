"""Stages that are killed at random moments: the next `dvc repro` gives what an undisturbed one gave."""

import itertools
import os
import random
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.torture.project import MODEL, Project
from benchmarks.torture.report import Report
from pipeline.files import sha256

KILLS = 200
STAGES = ("compose", "fetch", "data.dvc", "preprocess", "optimum", "train", "evaluate")
RESTORED = "dvc.lock restored from Git first"
REFUSED = "next repro refused"
FAULTS = (
    REFUSED,
    "half file under a final name",
    "other outputs than undisturbed",
    "left in the folder",
    "run left RUNNING",
    "model without its run",
)


def report() -> Report:
    """Kill each stage in turn, and its `dvc repro` every second time; then look, run on, and look again."""
    found = Report(
        f"{KILLS} kills (-9) of stages at random moments, every second time with the `dvc repro` that ran them",
        ("kills that ended a stage", RESTORED),
        FAULTS,
    )
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project")
        project.create()
        expected = project.outputs()
        took = {stage: _undisturbed(project, stage) for stage in STAGES}
        for number, stage in zip(range(KILLS), itertools.cycle(STAGES), strict=False):
            found.counts["kills that ended a stage"] += _kill(project, stage, took[stage], everything=number % 2 == 0)
            found.counts["half file under a final name"] += _differing(project.outputs(), expected, missing=False)
            # DVC brings back what it has seen before, or the stage runs again.
            _go_on(project, expected, found, *([] if number % 3 else ["--no-run-cache"]))
            found.tell(number + 1, KILLS)
    return found


def _undisturbed(project: Project, stage: str) -> float:
    began = time.monotonic()
    project.repro("--force", "--single-item", stage).wait()
    return time.monotonic() - began


def _kill(project: Project, stage: str, took: float, *, everything: bool) -> bool:
    """Whether the stage was still running."""
    process = project.repro("--force", "--single-item", stage)
    time.sleep(random.SystemRandom().uniform(0, took))
    if process.poll() is not None:
        return False
    if everything:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    return process.wait() != 0


def _differing(outputs: dict[str, str], expected: dict[str, str], *, missing: bool) -> int:
    """How many files are not as they should be; those that are not there count where `missing` says so."""
    wrong = [name for name, found in outputs.items() if expected.get(name) != found]
    return len(wrong) + (len(expected.keys() - outputs.keys()) if missing else 0)


def _go_on(project: Project, expected: dict[str, str], found: Report, *words: str) -> None:
    if project.repro(*words).wait():
        # DVC writes these two in place: killed at that moment, it leaves them empty, and asks for them back.
        subprocess.run(["git", "checkout", "-q", "dvc.lock", "data.dvc"], cwd=project.folder, check=True)
        found.counts[RESTORED] += 1
        found.counts[REFUSED] += project.repro().wait() != 0
    found.counts["other outputs than undisturbed"] += _differing(project.outputs(), expected, missing=True)
    strangers = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project.folder, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found.counts["left in the folder"] += len(strangers)
    runs = project.runs()
    made = [run for run in runs if run.data.tags.get("model.sha256") == sha256(project.folder / MODEL)]
    found.counts["model without its run"] += not any(run.info.status == "FINISHED" for run in made)
    found.counts["run left RUNNING"] += any(run.info.status == "RUNNING" for run in runs)
