"""Write to a store what it has not got of runs, from the journals that they left on disk."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline.core.atomic import sha256, write_text
from pipeline.core.config import Tracking
from pipeline.core.errors import StoreError, UserError
from pipeline.core.text import redact
from pipeline.tracking import processes, retry, store
from pipeline.tracking.journal import Entry, Journal, journals
from pipeline.tracking.operations import Writer
from pipeline.tracking.run import Ending

MOST_TOLD = 5  # reasons why runs are left


class Uploaded(NamedTuple):
    """A run that is now written, and where; `parent` is its sweep's run, or empty."""

    run_id: str
    status: str
    folder: Path
    told: str
    parent: str


def upload(folder: Path, tracking: Tracking, *, chosen: bool) -> Iterator[Uploaded]:
    """Write all runs that are in the folder or below it, one after the other, and give each when it is written.

    They go to the store that they were meant for, unless another one was `chosen`.

    Raises:
        UserError: some are left, since they are still being written, or the store does not take them: after the others.
    """
    left: list[UserError] = []
    for journal in journals(folder):
        try:
            with journal.alone() as there:
                done = _upload(journal, tracking, chosen=chosen) if there else None
        except UserError as error:
            left.append(error)
            continue
        if done:
            yield done
    if left:
        reasons = list(dict.fromkeys(map(str, left)))
        more = f"; and {len(reasons) - MOST_TOLD} more" if len(reasons) > MOST_TOLD else ""
        raise UserError("; ".join(reasons[:MOST_TOLD]) + more)


def _upload(journal: Journal, tracking: Tracking, *, chosen: bool) -> Uploaded | None:
    """Write a run, unless there is nothing of it."""
    entries = journal.entries()
    if not entries:  # its process was killed before it had written the first
        journal.discard()
        return None
    first = entries[0]
    where = os.path.relpath(journal.output)
    if processes.is_at_work(first["process"]):
        raise UserError(f"a process is at work on the run in {where}: wait until it has ended")
    own = store.uri(tracking)
    meant = own if chosen or redact(own) == first["uri"] else first["uri"]
    opened = store.connect_once(replace(tracking, uri=meant, experiment=first["experiment"]))
    try:
        with store.telling(opened.uri):
            retry.ask(lambda: processes.close_orphans_of_before(opened))
            return _write(opened, journal, entries)
    except StoreError as error:
        raise UserError(f"the run in {where} is not written: {error}") from error


def _write(opened: store.Store, journal: Journal, entries: list[Entry]) -> Uploaded:
    created = entries[0]["write"] == "create"
    if created and entries[-1]["write"] != "end":
        entries.append({"write": "end", "time": journal.touched(), **Ending("KILLED", processes.UNEXPLAINED)._asdict()})
    writer = Writer(opened, journal, again=True)
    for entry in entries:
        retry.ask(partial(writer.write, entry))
    if created:
        _name(writer.run_id, entries, journal.output)
    journal.discard()
    status = entries[-1]["status"] if created else "FINISHED"
    parent = entries[0].get("tags", {}).get("mlflow.parentRunId", "")
    return Uploaded(writer.run_id, status, journal.output, redact(opened.uri), parent)


def _name(run_id: str, entries: list[Entry], output: Path) -> None:
    """Let the output folder tell which run made its model, as after any training."""
    model = output / "model.keras"
    hashes = {entry["tags"].get("model.sha256") for entry in entries if entry["write"] == "batch"}
    if model.is_file() and sha256(model) in hashes:
        write_text(output / "run_id", run_id + "\n")
