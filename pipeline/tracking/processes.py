"""Close runs of processes that have exited: a kill, or a machine that stops, leaves them RUNNING for ever."""

import functools
import hashlib
import os
import socket
import uuid
from pathlib import Path

from mlflow.entities import Run, RunStatus

from pipeline.tracking import queries
from pipeline.tracking.store import Store

TAG = "process"
KILLED = "killed: its process has exited without ending the run"
RUNNING = "attributes.status = 'RUNNING'"
RANDOM_ADDRESS = 1 << 40  # a bit that Python's uuid sets in a random address, where there is no network card


@functools.cache
def this_process() -> str:
    """This process as tag `process`: machine, boot, pid namespace, pid and start time."""
    return " ".join([_machine(), _boot(), _namespace(), str(os.getpid()), _started(os.getpid()) or "?"])


def has_exited(process: str) -> bool:
    """Whether a process is known to have exited. Nothing is known of another machine or container."""
    try:
        machine, boot, namespace, number, started = process.split(" ")
    except ValueError:
        return False
    if machine != _machine():
        return False
    if boot != _boot():
        return True
    if namespace != _namespace():
        return False
    now = _started(int(number))
    return now is None or started not in (now, "?")


def is_running(process: str) -> bool:
    """Whether a process is known to run on this machine."""
    return this_process().split(" ")[:3] == process.split(" ")[:3] and not has_exited(process)


def is_of_this_machine(process: str) -> bool:
    """Whether a process has run on this machine."""
    return process.partition(" ")[0] == _machine()


@functools.cache
def close_orphans_once(store: Store) -> None:
    """Close orphans, once for all jobs of this process."""
    close_orphans(store)


def close_orphans(store: Store) -> None:
    """End the experiment's RUNNING runs whose process has exited as KILLED."""
    for run in queries.search_runs(store, RUNNING):
        if TAG in run.data.tags and has_exited(run.data.tags[TAG]):
            _end(store, run, RunStatus.KILLED, KILLED)


def mark_failed(store: Store, folder: str, reason: str) -> None:
    """End the RUNNING run of the job in that folder as FAILED: its process has died."""
    for run in queries.search_runs(store, RUNNING):
        if run.data.tags.get("output_dir") == folder:
            _end(store, run, RunStatus.FAILED, reason)


def _end(store: Store, run: Run, status: int, reason: str) -> None:
    store.client.set_tag(run.info.run_id, "failure", reason)
    store.client.set_terminated(run.info.run_id, RunStatus.to_string(status))


def _machine() -> str:
    """A hash that identifies this machine and reveals nothing about it."""
    card = "" if uuid.getnode() & RANDOM_ADDRESS else str(uuid.getnode())
    names = [socket.gethostname(), _read("/etc/machine-id"), card]
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]


def _boot() -> str:
    """An id that Linux renews at each boot."""
    return _read("/proc/sys/kernel/random/boot_id") or "?"


def _namespace() -> str:
    """The pid namespace: pids of containers are their own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "?"


def _started(number: int) -> str | None:
    """When a running process started, in ticks since boot, as the clock may be set; "?" if unknown, None if exited."""
    if Path("/proc/self/stat").is_file():
        fields = _read(f"/proc/{number}/stat").rpartition(")")[2].split()
        return fields[19] if fields and fields[0] != "Z" else None
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass  # another user's process
    return "?"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
