"""Runs whose process is gone: a process that is killed, or a machine that stops, leaves them RUNNING for ever."""

import functools
import hashlib
import os
import socket
import uuid

import psutil
from mlflow.entities import RunStatus

from pipeline.tracking import search
from pipeline.tracking.store import Store

TAG = "process"
TOLERANCE = 5.0  # seconds: a process's start is counted from the machine's, which clocks correct


@functools.cache
def own() -> str:
    """This process, as tag `process`: its machine, its number and the time when it started."""
    return f"{_machine()} {os.getpid()} {psutil.Process().create_time():.2f}"


def is_gone(process: str) -> bool:
    """Whether a process is known to have ended: another machine's never is."""
    machine, number, started = process.split(" ")
    if machine != _machine():
        return False
    try:
        found = psutil.Process(int(number))
        other = abs(found.create_time() - float(started)) > TOLERANCE
        return other or bool(found.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@functools.cache  # what is left by others is looked for once
def close_orphans(store: Store) -> None:
    """End the experiment's RUNNING runs whose process is gone as KILLED."""
    for run in search.runs(store, "attributes.status = 'RUNNING'"):
        if TAG in run.data.tags and is_gone(run.data.tags[TAG]):
            store.client.set_tag(run.info.run_id, "failure", "killed: its process ended without a word")
            store.client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))


def _machine() -> str:
    """A name that no two machines share, and that tells a stranger nothing."""
    return hashlib.sha256(f"{socket.gethostname()} {uuid.getnode()}".encode()).hexdigest()[:12]
