"""One sqlite store in which runs pile up: does a further one take longer, and does the UI's table still open?"""

import tempfile
import time
from pathlib import Path

import requests

from benchmarks.torture.project import Project
from benchmarks.torture.report import Report
from pipeline.core.progress import line

SWEEPS, JOBS = 20, 100
UI = 5099  # its port
PAGE = 100  # runs of the table's first page
MOST_SLOWER = 1.5
FAULTS = ("lost runs", "slower at the end than 1.5 times", "table that does not open")


def report() -> Report:
    """Fill the store sweep by sweep, each of the same work."""
    found = Report(f"{SWEEPS * JOBS} runs in one sqlite store", ("runs",), FAULTS)
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project")
        project.create()
        times = [_sweep(project, number) for number in range(SWEEPS)]
        (experiment,) = project.client().search_experiments(filter_string="name = 'digits'")
        runs = _all(project, experiment.experiment_id)
        found.counts["runs"] = len(runs)
        found.counts["lost runs"] = SWEEPS * (JOBS + 1) + 1 - len(runs)
        # The first sweep is left out: it compiles, and makes the store.
        first, last = sum(times[1:4]) / 3 / JOBS, sum(times[-3:]) / 3 / JOBS
        found.measured["seconds a run, at the beginning"] = f"{first:.3f}"
        found.measured["seconds a run, at the end"] = f"{last:.3f} ({last / first:.2f} times)"
        found.counts["slower at the end than 1.5 times"] = int(last / first > MOST_SLOWER)
        opened = _open_table(project, experiment.experiment_id)
        found.measured["seconds until the UI's table has its first 100 runs"] = f"{opened:.1f}"
        found.counts["table that does not open"] = int(opened == float("inf"))
    return found


def _sweep(project: Project, number: int) -> float:
    """The seconds of a sweep whose jobs are of their own, by their seed."""
    rates = ",".join(f"{0.01 + rate / 1000:.3f}" for rate in range(JOBS))
    words = ("--multirun", f"train.learning_rate={rates}", f"seed={number + 2}", "train.epochs=2")
    began = time.monotonic()
    if project.start("python", "-m", "pipeline.train", *words).wait():
        raise RuntimeError(f"sweep {number} failed")
    took = time.monotonic() - began
    line(f"{number + 1} of {SWEEPS}: {took / JOBS:.3f} s a run")
    return took


def _all(project: Project, experiment_id: str) -> list[str]:
    found: list[str] = []
    token = None
    while found == [] or token:
        page = project.client().search_runs([experiment_id], max_results=1000, page_token=token)
        found += [run.info.run_id for run in page]
        token = page.token
    return found


def _open_table(project: Project, experiment_id: str) -> float:
    """The seconds until the UI's server, once it is up, has answered as its table asks; infinite where it does not."""
    process = project.start("python", "-m", "pipeline.ui", "--port", str(UI))
    address = f"http://127.0.0.1:{UI}"
    try:
        for _ in range(120):
            try:
                requests.get(f"{address}/health", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                time.sleep(1)
        query = {"experiment_ids": [experiment_id], "max_results": PAGE, "order_by": ["attributes.start_time DESC"]}
        began = time.monotonic()
        answer = requests.post(f"{address}/ajax-api/2.0/mlflow/runs/search", json=query, timeout=60)
        return time.monotonic() - began if answer.ok and len(answer.json()["runs"]) == PAGE else float("inf")
    except requests.RequestException:
        return float("inf")
    finally:
        process.terminate()
        process.wait()
