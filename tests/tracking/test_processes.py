"""Runs of processes that have exited are closed, and no others."""

import subprocess
from pathlib import Path

from pipeline.tracking import processes, store
from tests.support.stores import client_of
from tests.tracking.test_store import tracking


def test_only_runs_of_exited_processes_are_closed(tmp_path: Path) -> None:
    """Processes of other machines and containers are unknown: their runs stay open."""
    machine, boot, namespace, here, started = processes.this_process().split(" ")
    with subprocess.Popen(["true"]) as exited:
        exited_pid = str(exited.pid)
    opened = store.connect(tracking(f"sqlite:///{tmp_path}/mlflow.db"))
    run_ids = {
        name: opened.client.create_run(opened.experiment_id, tags={"process": " ".join(process)}).info.run_id
        for name, process in {
            "exited": (machine, boot, namespace, exited_pid, started),
            "on another machine": ("0123456789ab", boot, namespace, exited_pid, started),
            "in another container": (machine, boot, "pid:[1]", exited_pid, started),
            "before the last boot": (machine, "other", namespace, here, started),
            "process id taken by another": (machine, boot, namespace, here, "1"),
            "alive": (machine, boot, namespace, here, started),
            "tag of another program": ("some", "other", "text"),
        }.items()
    }
    processes.close_orphans_once(opened)
    runs = {name: client_of(tmp_path).get_run(run_id) for name, run_id in run_ids.items()}
    assert {name: run.info.status for name, run in runs.items()} == {
        "exited": "KILLED",
        "on another machine": "RUNNING",
        "in another container": "RUNNING",
        "before the last boot": "KILLED",
        "process id taken by another": "KILLED",
        "alive": "RUNNING",
        "tag of another program": "RUNNING",
    }
    assert runs["exited"].data.tags["failure"] == processes.KILLED
