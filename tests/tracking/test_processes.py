"""Runs of processes that are gone are closed, and no others."""

import subprocess
from pathlib import Path

from pipeline.tracking import processes, store
from tests.support.stores import client_of
from tests.tracking.test_store import tracking


def test_run_of_a_living_process_is_not_closed(tmp_path: Path) -> None:
    """Only those are, of which the process is known to be gone; another machine's never is."""
    machine, boot, namespace, here, started = processes.this_process().split(" ")
    with subprocess.Popen(["true"]) as ended:
        gone = str(ended.pid)
    opened = store.connect(tracking(f"sqlite:///{tmp_path}/mlflow.db"))
    left = {
        name: opened.client.create_run(opened.experiment_id, tags={"process": " ".join(process)}).info.run_id
        for name, process in {
            "gone": (machine, boot, namespace, gone, started),
            "on another machine": ("0123456789ab", boot, namespace, gone, started),
            "in another container": (machine, boot, "pid:[1]", gone, started),
            "before the machine's last start": (machine, "other", namespace, here, started),
            "number taken by another": (machine, boot, namespace, here, "1"),
            "alive": (machine, boot, namespace, here, started),
            "of another program": ("what", "it", "likes"),
        }.items()
    }
    processes.close_orphans_once(opened)
    found = {name: client_of(tmp_path).get_run(run_id) for name, run_id in left.items()}
    assert {name: run.info.status for name, run in found.items()} == {
        "gone": "KILLED",
        "on another machine": "RUNNING",
        "in another container": "RUNNING",
        "before the machine's last start": "KILLED",
        "number taken by another": "KILLED",
        "alive": "RUNNING",
        "of another program": "RUNNING",
    }
    assert found["gone"].data.tags["failure"] == processes.KILLED
