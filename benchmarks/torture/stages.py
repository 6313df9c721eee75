"""Stages that are killed at random moments: the next `dvc repro` gives what an undisturbed one gave."""

import itertools
import os
import random
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.torture.project import MODEL, Project
from benchmarks.torture.report import Report
from pipeline.core.atomic import sha256

KILLS = 200
STAGES = ("compose", "fetch", "data.dvc", "preprocess", "train", "evaluate")
MENDED = "`dvc repro` refused, and `make repro` went on"
REFUSED = "`make repro` refused"
FAULTS = (
    REFUSED,
    "half file under a final name",
    "other outputs than undisturbed",
    "other dvc.lock",
    "left in the folder",
    "model without its run",
    "temporary files left in the end",
    "runs left RUNNING in the end",
)


def report() -> Report:
    """Kill each stage in turn, and its `dvc repro` every second time; then look, run on, and look again.

    A refusal ends it: of the same project nothing more could be said.
    """
    found = Report(
        f"{KILLS} kills (-9) of stages at random moments, every second time with the `dvc repro` that ran them",
        ("kills", MENDED),
        FAULTS,
    )
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project")
        project.create()
        expected, locked = project.outputs(), project.locked()
        took = {stage: _undisturbed(project, stage) for stage in STAGES}
        turns = zip(itertools.cycle(STAGES), itertools.cycle((True, False)), strict=False)
        while found.counts["kills"] < KILLS and not found.counts[REFUSED]:
            stage, everything = next(turns)
            if not _kill(project, stage, took[stage], everything=everything):
                continue  # it had ended before
            found.counts["kills"] += 1
            found.counts["half file under a final name"] += _differing(project.outputs(), expected, missing=False)
            _go_on(project, found)
            if found.counts["kills"] % 2:  # DVC brings back what it has seen before: let the stage make it again
                found.counts[REFUSED] += project.repro("--force", "--single-item", stage).wait() != 0
            found.counts["other outputs than undisturbed"] += _differing(project.outputs(), expected, missing=True)
            found.counts["other dvc.lock"] += project.locked() != locked
            _look(project, found)
            found.tell(found.counts["kills"], KILLS)
        # What a kill leaves beside the outputs is put in order when the same is done again.
        found.counts[REFUSED] += project.repro("--force").wait() != 0
        found.counts["temporary files left in the end"] = project.halves()
        found.counts["runs left RUNNING in the end"] = sum(run.info.status == "RUNNING" for run in project.runs())
    return found


def _undisturbed(project: Project, stage: str) -> float:
    began = time.monotonic()
    project.repro("--force", "--single-item", stage).wait()
    return time.monotonic() - began


def _kill(project: Project, stage: str, took: float, *, everything: bool) -> bool:
    """Whether anything was still there to be killed."""
    process = project.repro("--force", "--single-item", stage)
    time.sleep(random.SystemRandom().uniform(0, took))
    if process.poll() is not None:
        return False
    if everything:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait() == -signal.SIGKILL
    children = psutil.Process(process.pid).children(recursive=True)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    return process.wait() != 0 and bool(children)


def _differing(outputs: dict[str, str], expected: dict[str, str], *, missing: bool) -> int:
    """How many files are not as they should be; those that are not there count where `missing` says so."""
    wrong = [name for name, found in outputs.items() if expected.get(name) != found]
    return len(wrong) + (len(expected.keys() - outputs.keys()) if missing else 0)


def _go_on(project: Project, found: Report) -> None:
    """As the README says: `dvc repro`, and `make repro` where DVC cannot read its own files any more."""
    if project.repro().wait():
        found.notes.append(project.told())
        found.counts[MENDED] += 1
        # This clone has no .venv of its own.
        found.counts[REFUSED] += project.start("make", "--assume-old=.venv/installed", "repro").wait() != 0


def _look(project: Project, found: Report) -> None:
    """For files that nobody would expect, and for the run that made the model."""
    strangers = project.git("status", "--porcelain", "--", ".", ":!dvc.lock").splitlines()
    found.counts["left in the folder"] += len(strangers)
    made = [run for run in project.runs() if run.data.tags.get("model.sha256") == sha256(project.folder / MODEL)]
    found.counts["model without its run"] += not any(run.info.status == "FINISHED" for run in made)
