"""Thousands of runs in one SQLite store: the time per run, and the time until the UI's table loads."""

import tempfile
import time
from pathlib import Path

import requests

from benchmarks.torture.project import Project
from benchmarks.torture.report import Report
from pipeline.core.progress import line

SWEEPS, JOBS = 20, 100
UI_PORT = 5099
PAGE_SIZE = 100  # runs on the table's first page
MAX_SLOWDOWN = 1.5
LOST, SLOW, NO_TABLE = "lost runs", f"more than {MAX_SLOWDOWN} times slower at the end", "table that does not load"
FAULTS = (LOST, SLOW, NO_TABLE)


def measure() -> Report:
    """Fill the store with sweeps of the same size."""
    report = Report(f"{SWEEPS * JOBS} runs in one SQLite store", ("runs",), FAULTS)
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project")
        project.create()
        times = [_sweep(project, number) for number in range(SWEEPS)]
        (experiment,) = project.client().search_experiments(filter_string="name = 'digits'")
        runs = _run_ids(project, experiment.experiment_id)
        report.counts["runs"] = len(runs)
        report.counts[LOST] = SWEEPS * (JOBS + 1) + 1 - len(runs)
        # The first sweep does not count: it compiles and creates the store.
        first, last = sum(times[1:4]) / 3 / JOBS, sum(times[-3:]) / 3 / JOBS
        report.measured["seconds per run, at the beginning"] = f"{first:.3f}"
        report.measured["seconds per run, at the end"] = f"{last:.3f} ({last / first:.2f} times)"
        report.counts[SLOW] = int(last / first > MAX_SLOWDOWN)
        seconds = _table_seconds(project, experiment.experiment_id)
        report.measured[f"seconds until the UI's table has its first {PAGE_SIZE} runs"] = f"{seconds:.1f}"
        report.counts[NO_TABLE] = int(seconds == float("inf"))
    return report


def _sweep(project: Project, number: int) -> float:
    """Run a sweep and return its seconds. Its seed differs from other sweeps', so that no job is skipped."""
    rates = ",".join(f"{0.01 + rate / 1000:.3f}" for rate in range(JOBS))
    overrides = (f"train.learning_rate={rates}", f"seed={number + 2}", "train.epochs=2")
    start = time.monotonic()
    if project.start("python", "-m", "pipeline.train", "--multirun", *overrides).wait():
        raise RuntimeError(f"sweep {number} failed")
    seconds = time.monotonic() - start
    line(f"{number + 1} of {SWEEPS}: {seconds / JOBS:.3f} s per run")
    return seconds


def _run_ids(project: Project, experiment_id: str) -> list[str]:
    run_ids: list[str] = []
    token = None
    while run_ids == [] or token:
        page = project.client().search_runs([experiment_id], max_results=1000, page_token=token)
        run_ids += [run.info.run_id for run in page]
        token = page.token
    return run_ids


def _table_seconds(project: Project, experiment_id: str) -> float:
    """Return the seconds of the request for the UI's table, once the server is up; infinity if it fails."""
    process = project.start("python", "-m", "pipeline.ui", "--port", str(UI_PORT))
    url = f"http://127.0.0.1:{UI_PORT}"
    try:
        for _ in range(120):
            try:
                requests.get(f"{url}/health", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                time.sleep(1)
        order = ["attributes.start_time DESC"]
        query = {"experiment_ids": [experiment_id], "max_results": PAGE_SIZE, "order_by": order}
        start = time.monotonic()
        answer = requests.post(f"{url}/ajax-api/2.0/mlflow/runs/search", json=query, timeout=60)
        return time.monotonic() - start if answer.ok and len(answer.json()["runs"]) == PAGE_SIZE else float("inf")
    except requests.RequestException:
        return float("inf")
    finally:
        process.terminate()
        process.wait()
