"""An MLflow run: started, uploaded in the background, and never left RUNNING."""

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from mlflow.entities import DatasetInput

from pipeline.core.atomic import write_text
from pipeline.core.config import Config, params
from pipeline.core.errors import Diverged, Stopped, StoreError, Unwritten
from pipeline.core.job_context import JobContext
from pipeline.core.text import redact
from pipeline.tracking import processes, provenance, upload_queue
from pipeline.tracking.journal import Journal
from pipeline.tracking.logged_model import SavedModel
from pipeline.tracking.operations import (
    CreateRun,
    EndRun,
    FindRun,
    FirstOperation,
    LogArtifacts,
    LogBatch,
    LogImage,
    LogInputs,
    LogModel,
    MetricPoint,
    Operation,
    Replayer,
)
from pipeline.tracking.store import Store
from pipeline.tracking.store_errors import short_reason
from pipeline.tracking.upload_queue import UploadQueue

METRIC_NAME = re.compile(r"[\w/.\- :]{1,250}")
FLUSH_SECONDS = 3  # often enough to watch a run in the UI, seldom enough to cost nothing


class Run:
    """An MLflow run. Calls return at once; a background queue uploads them in order.

    A journal in the output folder holds all of them until the store has them. Metrics and tags gather until the next
    flush.
    """

    def __init__(self, store: Store, output: Path, first: FirstOperation) -> None:
        self._display_uri = store.display_uri
        self._journal = Journal.create(output)
        self._replayer = Replayer(store, self._journal.folder, self._journal.key)
        self._queue = UploadQueue(store.uri, self._not_uploaded)
        self._metrics: list[MetricPoint] = []
        self._tags: dict[str, str] = {}
        self._last_flush = time.monotonic()
        self._images = 0
        self._created = isinstance(first, CreateRun)
        self._finished = False
        self._journal.add(first)
        self._queue.submit(partial(self._replayer.apply, first))

    @property
    def id(self) -> str:
        """The run's id, once the store has created the run."""
        return self._replayer.run_id

    def wait(self) -> None:
        """Wait until the store has the whole run.

        Raises:
            Unwritten: the store has not taken everything. The journal keeps it.
        """
        self._queue.wait()

    def is_uploaded(self) -> bool:
        """Whether no upload is pending."""
        return self._queue.is_empty()

    def log_metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of a step; they reach the store within a few seconds.

        Raises:
            StoreError: the store has refused to create the run.
            ValueError: MLflow accepts no metric of this name.
        """
        failure = self._queue.failure
        if failure is not None and not self.id:
            self._queue.reported = True
            reason = short_reason(failure)
            raise StoreError(
                f"the MLflow store {self._display_uri} creates no run ({reason})", reason=reason
            ) from failure
        if refused := [name for name in values if not METRIC_NAME.fullmatch(name)]:
            # The store would refuse the run's upload after its training.
            raise ValueError(f"no name of an MLflow metric: {refused[0]!r}; use letters, digits, blanks, and _ - . : /")
        self._metrics += _points(values, step)
        if time.monotonic() - self._last_flush > FLUSH_SECONDS:
            self.flush()

    def set_tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self._tags |= values

    def flush(self) -> None:
        """Upload the metrics and tags that have gathered."""
        metrics, tags = self._metrics, self._tags
        self._metrics, self._tags = [], {}
        self._last_flush = time.monotonic()
        if metrics or tags:
            self._submit(LogBatch(metrics, tags))

    def log_inputs(self, datasets: Sequence[DatasetInput]) -> None:
        """Log which data sets the run uses."""
        items = [
            {"dataset": dict(item.dataset), "tags": {tag.key: tag.value for tag in item.tags}} for item in datasets
        ]
        self._submit(LogInputs(items))

    def log_image(self, key: str, image: npt.NDArray[np.uint8], step: int) -> None:
        """Log an RGB image, uint8 (height, width, 3), of the series that the UI slides through."""
        folder = self._journal.new_files_dir()
        np.save(folder / "image.npy", image)
        first = not self._images
        self._images += 1
        self._submit(LogImage(folder.name, key, step, _now_ms(), uuid.uuid4().hex, first))

    def log_files(self, paths: Iterable[Path], folder: str = "") -> None:
        """Log copies of the files, made now, in a folder of the run."""
        copies = self._journal.new_files_dir()
        for path in paths:  # copytree would hide the reason of an error
            shutil.copyfile(path, copies / path.name)
        self._submit(LogArtifacts(copies.name, folder))

    def log_artifacts(self, folder: Path) -> None:
        """Log a copy of the folder, made now, under its name. It has files only."""
        self.log_files(folder.iterdir(), folder.name)

    def log_text(self, text: str, path: str) -> None:
        """Log a text as a file."""
        copies = self._journal.new_files_dir()
        target = Path(path)
        (copies / target.name).write_text(text, encoding="utf-8")
        self._submit(LogArtifacts(copies.name, "" if target.parent == Path() else str(target.parent)))

    def log_model(self, saved: SavedModel, metrics: Mapping[str, float]) -> None:
        """Log the model, and metrics of both model and run."""
        folder = self._journal.new_files_dir()
        saved.save(folder / "model")
        self._submit(LogModel(f"{folder.name}/model", _points(metrics, 0)))

    def end(self, error: BaseException | None = None) -> None:
        """End the run: FINISHED, FAILED by an exception, or KILLED where it was stopped.

        It also ends as FAILED where the store refuses one of its operations. Once the store has a FINISHED run, the
        file `run_id` in the output folder names it.
        """
        try:
            self.flush()
        except BaseException as failure:
            with suppress(OSError):  # of a full disk, which may be the failure itself
                self._end(error or failure)
            raise
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._finished = error is None
        try:
            self._submit(EndRun(_now_ms(), *status_and_failure(error)))
        finally:
            self.close()

    def close(self) -> None:
        """Upload what has gathered. The run cannot be used any more."""
        try:
            self.flush()
        finally:
            self._queue.on_finished(self._clean_up)

    def _submit(self, operation: Operation) -> None:
        try:
            self._journal.add(operation)
        finally:  # the store may have room where this disk has none
            self._queue.submit(partial(self._replayer.apply, operation))

    def _not_uploaded(self, failure: Exception) -> Unwritten:
        return Unwritten(
            f"the run could not be uploaded to {self._display_uri} ({short_reason(failure)}): once the store works, "
            f"`python -m pipeline.upload {os.path.relpath(self._journal.output)}` uploads it"
        )

    def _clean_up(self, failure: Exception | None) -> None:
        if failure is None:
            if self._finished:
                write_run_id(self._journal.output, self.id)
            self._journal.delete()
        elif self._created and self.id and not (isinstance(failure, StoreError) and failure.transient):
            with suppress(Exception):  # the journal has everything
                self._replayer.fail(short_reason(failure))


def write_run_id(output: Path, run_id: str) -> None:
    """Name the run that made the model in an output folder."""
    write_text(output / "run_id", f"{run_id}\n")


def status_and_failure(error: BaseException | None) -> tuple[str, str]:
    """The final status of a run and its tag `failure`: FAILED by an exception, KILLED where it was stopped."""
    if error is None:
        return "FINISHED", ""
    failure = "diverged" if isinstance(error, Diverged) else str(error) or type(error).__name__
    failed = isinstance(error, Exception) and not isinstance(error, Stopped)
    return "FAILED" if failed else "KILLED", redact(failure)


def start_run(store: Store, config: Config, context: JobContext, data_md5: str) -> Run:
    """Start a run with its params, tags and provenance. The caller must end it."""
    if context.parent_run_id is None:  # else the sweep has warned
        provenance.warn_without_commit()
    first = CreateRun(
        uri=store.display_uri,
        experiment=config.tracking.experiment,
        process=processes.this_process(),
        name=provenance.run_name(config, context),
        start=_now_ms(),
        tags=provenance.job_tags(config, context, data_md5),
        params=params(config),
    )
    run = Run(store, context.output_dir, first)
    try:
        run.log_text(provenance.config_yaml(config), f"{provenance.FOLDER}/config.yaml")
        run.log_artifacts(provenance.provenance_files())
    except BaseException as error:
        with suppress(OSError):  # of a full disk, which may be the error itself
            run.end(error)
        raise
    return run


@contextmanager
def resume_run(store: Store, experiment: str, output: Path, run_id: str) -> Iterator[Run]:
    """Add to a run of the store. All of it is uploaded when the context ends.

    Raises:
        Unwritten: the store has not taken everything. The journal in the output folder keeps it.
    """
    first = FindRun(store.display_uri, experiment, processes.this_process(), run_id)
    try:
        with closing(Run(store, output, first)) as run:
            yield run
        run.wait()
    finally:
        upload_queue.flush_all()  # else Python, at its end, waits without end for a store that does not answer


def _points(values: Mapping[str, float], step: int) -> list[MetricPoint]:
    now = _now_ms()
    return [(name, float(value), now, step) for name, value in values.items()]


def _now_ms() -> int:
    """Now in milliseconds, MLflow's unit."""
    return time.time_ns() // 1_000_000
