"""Upload the runs whose journals are still on disk, because the store was away or their process was killed."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline.core.atomic import sha256
from pipeline.core.config import Tracking
from pipeline.core.errors import StoreError, UserError
from pipeline.core.text import redact
from pipeline.tracking import processes, retry, store
from pipeline.tracking.journal import Journal, find_journals
from pipeline.tracking.operations import CreateRun, EndRun, FirstOperation, LogBatch, Operation, Replayer
from pipeline.tracking.run import write_run_id

MAX_REASONS = 5  # in the error line about runs that are not uploaded


class Uploaded(NamedTuple):
    """An uploaded run and its store; `parent` is the run of its sweep, or empty."""

    run_id: str
    status: str
    folder: Path
    display_uri: str
    parent: str


class Failure(NamedTuple):
    """The output folder of a run that is not uploaded, and why."""

    folder: Path
    reason: str


class NotUploaded(UserError):
    """Some runs are not uploaded."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        reasons = list(dict.fromkeys(failure.reason for failure in failures))
        more = f"; and {len(reasons) - MAX_REASONS} more" if len(reasons) > MAX_REASONS else ""
        super().__init__("; ".join(reasons[:MAX_REASONS]) + more)
        self.failures = failures


def upload(folder: Path, tracking: Tracking, *, chosen: bool) -> Iterator[Uploaded]:
    """Upload all runs in the folder or below it, one after the other, and yield each one.

    They go to the store and experiment that their journals name, unless the user has `chosen` another store.

    Raises:
        NotUploaded: some runs are not uploaded, because a process writes them or the store refuses them. It is raised
            after the others have been uploaded.
    """
    failures: list[Failure] = []
    for journal in find_journals(folder):
        try:
            with journal.locked() as exists:
                uploaded = _upload(journal, tracking, chosen=chosen) if exists else None
        except UserError as error:
            failures.append(Failure(journal.output, str(error)))
            continue
        if uploaded:
            yield uploaded
    if failures:
        raise NotUploaded(failures)


def _upload(journal: Journal, tracking: Tracking, *, chosen: bool) -> Uploaded | None:
    """Upload a run, unless its journal is empty."""
    operations = journal.read()
    if not operations:  # its process was killed before it had written the first one
        journal.delete()
        return None
    first = operations[0]
    assert isinstance(first, FirstOperation)
    output = os.path.relpath(journal.output)
    if processes.is_running(first.process):
        raise UserError(f"a process works on the run in {output}: wait until it has ended")
    configured = store.uri(tracking)
    uri = configured if chosen or redact(configured) == first.uri else first.uri
    try:
        opened = store.connect(replace(tracking, uri=uri, experiment=first.experiment))
        retry.call(lambda: processes.close_orphans_once(opened))
        return _replay(opened, journal, operations)
    except (StoreError, OSError) as error:  # an OSError is about a file of the journal
        raise UserError(f"the run in {output} is not uploaded: {error}") from error


def _replay(opened: store.Store, journal: Journal, operations: list[Operation]) -> Uploaded:
    created, last = isinstance(operations[0], CreateRun), operations[-1]
    if created and not isinstance(last, EndRun):
        last = EndRun(journal.modified_ms(), "KILLED", processes.KILLED)
        operations.append(last)
    replayer = Replayer(opened, journal.folder, journal.key, may_repeat=True)
    for operation in operations:
        retry.call(partial(replayer.apply, operation))
    if created and _has_made_model(journal.output, operations):
        write_run_id(journal.output, replayer.run_id)
    journal.delete()
    status = last.status if isinstance(last, EndRun) else "FINISHED"
    parent = operations[0].tags.get("mlflow.parentRunId", "") if isinstance(operations[0], CreateRun) else ""
    return Uploaded(replayer.run_id, status, journal.output, opened.display_uri, parent)


def _has_made_model(output: Path, operations: list[Operation]) -> bool:
    """Whether the run has made the model file that is in the output folder now."""
    model = output / "model.keras"
    hashes = {operation.tags.get("model.sha256") for operation in operations if isinstance(operation, LogBatch)}
    return model.is_file() and sha256(model) in hashes
