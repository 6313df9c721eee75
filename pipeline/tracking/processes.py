"""Runs whose process is gone: a process that is killed, or a machine that stops, leaves them RUNNING for ever."""

import functools
import hashlib
import os
import socket
import uuid
from pathlib import Path

from mlflow.entities import Run, RunStatus

from pipeline.tracking import queries
from pipeline.tracking.store import Store, telling

TAG = "process"
UNEXPLAINED = "killed: its process ended without a word"
RUNNING = "attributes.status = 'RUNNING'"
RANDOM = 1 << 40  # the bit that Python's uuid sets in an address of its own invention, where there is no network card


@functools.cache
def own() -> str:
    """This process, as tag `process`: its machine, that one's start, its namespace, its number and its own start."""
    return " ".join([_machine(), _boot(), _namespace(), str(os.getpid()), _started(os.getpid()) or "?"])


def is_gone(process: str) -> bool:
    """Whether a process is known to have ended; another machine's, or another container's, never is."""
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


def is_at_work(process: str) -> bool:
    """Whether a process of this machine is known to be there still."""
    here, there = own().split(" "), process.split(" ")
    return here[:3] == there[:3] and not is_gone(process)


@functools.cache
def close_orphans_of_before(store: Store) -> None:
    """End what other processes have left, once for all jobs of this one."""
    close_orphans(store)


def close_orphans(store: Store) -> None:
    """End the experiment's RUNNING runs whose process is gone as KILLED."""
    for run in queries.runs(store, RUNNING):
        if TAG in run.data.tags and is_gone(run.data.tags[TAG]):
            _end(store, run, RunStatus.KILLED, UNEXPLAINED)


def end_as_failed(store: Store, folder: str, reason: str) -> None:
    """End the run of the job in that folder, if it is RUNNING: its process died and cannot do so itself."""
    for run in queries.runs(store, RUNNING):
        if run.data.tags.get("output_dir") == folder:
            _end(store, run, RunStatus.FAILED, reason)


def _end(store: Store, run: Run, status: int, reason: str) -> None:
    with telling(store.uri):
        store.client.set_tag(run.info.run_id, "failure", reason)
        store.client.set_terminated(run.info.run_id, RunStatus.to_string(status))


def _machine() -> str:
    """A name that no two machines should share, and that tells a stranger nothing."""
    card = "" if uuid.getnode() & RANDOM else str(uuid.getnode())
    known = [socket.gethostname(), _read("/etc/machine-id"), card]
    return hashlib.sha256(" ".join(known).encode()).hexdigest()[:12]


def _boot() -> str:
    """Another one after each start of a Linux machine."""
    return _read("/proc/sys/kernel/random/boot_id") or "?"


def _namespace() -> str:
    """A container's processes have numbers of their own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "?"


def _started(number: int) -> str | None:
    """When a living process started, in the system's ticks and not by its clock, which may be set; "?" if unknown."""
    if Path("/proc/self/stat").is_file():
        fields = _read(f"/proc/{number}/stat").rpartition(")")[2].split()
        return fields[19] if fields and fields[0] != "Z" else None
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass  # somebody else's
    return "?"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
