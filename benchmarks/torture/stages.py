"""Stages killed at random moments: the next `dvc repro` must give the outputs of an undisturbed one."""

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
REPAIRED = "`dvc repro` failed, and `make repro` repaired DVC's files"
FAILED = "`make repro` failed"
PARTIAL_FILES = "partial files under a final name"
OTHER_OUTPUTS = "outputs that differ from an undisturbed run"
OTHER_LOCK = "changed dvc.lock"
UNKNOWN_FILES = "unknown files in the folder"
NO_RUN = "models without their run"
TEMPORARY_FILES = "temporary files at the end"
RUNNING = "runs left RUNNING at the end"
FAULTS = (
    FAILED,
    PARTIAL_FILES,
    OTHER_OUTPUTS,
    OTHER_LOCK,
    UNKNOWN_FILES,
    NO_RUN,
    TEMPORARY_FILES,
    RUNNING,
)


def measure() -> Report:
    """Kill each stage in turn, every second time with its `dvc repro`. Check the outputs, repeat it, and check again.

    A failing `make repro` ends the test, because the project cannot be used any more.
    """
    report = Report(
        f"{KILLS} stages killed (-9) at random moments, every second time together with their `dvc repro`",
        ("kills", REPAIRED),
        FAULTS,
    )
    counts = report.counts
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project")
        project.create()
        expected, dvc_files = project.outputs(), project.dvc_files()
        seconds = {stage: _undisturbed_seconds(project, stage) for stage in STAGES}
        turns = zip(itertools.cycle(STAGES), itertools.cycle((True, False)), strict=False)
        while counts["kills"] < KILLS and not counts[FAILED]:
            stage, with_dvc = next(turns)
            if not _kill(project, stage, seconds[stage], with_dvc=with_dvc):
                continue  # the stage had ended before
            counts["kills"] += 1
            counts[PARTIAL_FILES] += _differences(project.outputs(), expected, missing=False)
            _continue(project, report)
            if counts["kills"] % 2:  # DVC restores known outputs from its cache: --force makes the stage run
                counts[FAILED] += project.repro("--force", "--single-item", stage).wait() != 0
            counts[OTHER_OUTPUTS] += _differences(project.outputs(), expected, missing=True)
            counts[OTHER_LOCK] += project.dvc_files() != dvc_files
            _check_folder_and_run(project, report)
            report.print_progress(counts["kills"], KILLS)
        # Each stage cleans up temporary files and runs of killed processes when it runs again.
        counts[FAILED] += project.repro("--force").wait() != 0
        counts[TEMPORARY_FILES] = project.temporary_files()
        counts[RUNNING] = sum(run.info.status == "RUNNING" for run in project.runs())
    return report


def _undisturbed_seconds(project: Project, stage: str) -> float:
    start = time.monotonic()
    project.repro("--force", "--single-item", stage).wait()
    return time.monotonic() - start


def _kill(project: Project, stage: str, seconds: float, *, with_dvc: bool) -> bool:
    """Kill a stage within the seconds that it takes. Return whether it was still running."""
    process = project.repro("--force", "--single-item", stage)
    time.sleep(random.SystemRandom().uniform(0, seconds))
    if process.poll() is not None:
        return False
    if with_dvc:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait() == -signal.SIGKILL
    children = psutil.Process(process.pid).children(recursive=True)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    return process.wait() != 0 and bool(children)


def _differences(outputs: dict[str, str], expected: dict[str, str], *, missing: bool) -> int:
    """Return the number of files with other hashes than expected. With `missing`, absent files count too."""
    changed = [name for name, digest in outputs.items() if expected.get(name) != digest]
    return len(changed) + (len(expected.keys() - outputs.keys()) if missing else 0)


def _continue(project: Project, report: Report) -> None:
    """Run `dvc repro`, and, as docs/limits.md says, `make repro` if DVC cannot read its own files."""
    if project.repro().wait():
        report.notes.append(project.output())
        report.counts[REPAIRED] += 1
        # The clone has no .venv: --assume-old keeps make from installing one.
        report.counts[FAILED] += project.start("make", "--assume-old=.venv/installed", "repro").wait() != 0


def _check_folder_and_run(project: Project, report: Report) -> None:
    """Count files that Git does not know, and a model without a FINISHED run."""
    unknown = project.git("status", "--porcelain", "--", ".", ":!dvc.lock").splitlines()
    report.counts[UNKNOWN_FILES] += len(unknown)
    digest = sha256(project.folder / MODEL)
    runs = [run for run in project.runs() if run.data.tags.get("model.sha256") == digest]
    report.counts[NO_RUN] += not any(run.info.status == "FINISHED" for run in runs)
