"""One training run in MLflow: opened, written in batches beside the training, and never left RUNNING."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from hydra.core.hydra_config import HydraConfig
from mlflow.entities import DatasetInput

from pipeline.core.config import Config, params
from pipeline.core.errors import Diverged, Stopped, StoreError, Unwritten
from pipeline.core.text import redact
from pipeline.tracking import processes, provenance, store_errors, upload_queue
from pipeline.tracking.journal import Entry, Journal
from pipeline.tracking.logged_model import SavedModel
from pipeline.tracking.operations import Writer
from pipeline.tracking.store import Store
from pipeline.tracking.upload_queue import Lane

FLUSH_SECONDS = 3  # often enough to watch a run in the UI, seldom enough to cost nothing


class Run:
    """A run to write into. Calls do not wait for the store, which gets what they write in their order.

    All of it is in a journal in the output folder until the store has it. Metrics and tags gather until the next flush.
    """

    def __init__(self, store: Store, experiment: str, output: Path, first: Entry) -> None:
        """The first entry is to create the run, or to find it."""
        self._told = redact(store.uri)
        self._journal = Journal.begin(output)
        self._writer = Writer(store, self._journal)
        self._lane = Lane(store.uri, self._unwritten)
        self._metrics: list[tuple[str, float, int, int]] = []
        self._tags: dict[str, str] = {}
        self._flushed = time.monotonic()
        self._images = 0
        self._created = first["write"] == "create"
        self.written = self._lane.written
        self.wait = self._lane.wait  # raises Unwritten
        begun = {**first, "uri": self._told, "experiment": experiment, "process": processes.own()}
        self._journal.add(begun)
        self._lane.post(partial(self._writer.write, begun))

    @property
    def id(self) -> str:
        """The run's id, once the run is written."""
        return self._writer.run_id

    def log_metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Note metrics of a step; they reach the store within a few seconds.

        Raises:
            StoreError: the store has refused to begin the run.
        """
        refused = self._lane.failure
        if refused is not None and not self.id:
            self._lane.told = True
            raise StoreError(
                f"the MLflow store {self._told} begins no run ({store_errors.reason(refused)})"
            ) from refused
        self._metrics += _metrics(values, step)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def set_tags(self, values: Mapping[str, str]) -> None:
        """Note tags."""
        self._tags |= values

    def flush(self) -> None:
        """Write what has gathered."""
        metrics, tags = self._metrics, self._tags
        self._metrics, self._tags = [], {}
        self._flushed = time.monotonic()
        if metrics or tags:
            self._post({"write": "batch", "metrics": metrics, "tags": tags})

    def log_inputs(self, datasets: Sequence[DatasetInput]) -> None:
        """Note which data the run uses."""
        told = [{"dataset": dict(each.dataset), "tags": {tag.key: tag.value for tag in each.tags}} for each in datasets]
        self._post({"write": "inputs", "datasets": told})

    def log_image(self, key: str, image: npt.NDArray[np.uint8], step: int) -> None:
        """Add an RGB image, uint8 (height, width, 3), to the series that the UI slides through."""
        folder = self._journal.place()
        np.save(folder / "image.npy", image)
        which = {"key": key, "step": step, "time": _now(), "uuid": uuid.uuid4().hex, "first": not self._images}
        self._images += 1
        self._post({"write": "image", "files": folder.name, **which})

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Keep a copy of the file as it is now, in a folder of the run's."""
        place = self._journal.place()
        shutil.copyfile(path, place / path.name)
        self._post({"write": "files", "files": place.name, "to": folder})

    def log_artifacts(self, folder: Path) -> None:
        """Keep a copy of the folder, under its name."""
        place = self._journal.place()
        shutil.copytree(folder, place, dirs_exist_ok=True)
        self._post({"write": "files", "files": place.name, "to": folder.name})

    def log_text(self, text: str, path: str) -> None:
        """Keep a text as a file."""
        place = self._journal.place()
        where = Path(path)
        (place / where.name).write_text(text, encoding="utf-8")
        self._post({"write": "files", "files": place.name, "to": "" if where.parent == Path() else str(where.parent)})

    def log_model(self, saved: SavedModel, figures: Mapping[str, float]) -> None:
        """Keep the model. The figures are metrics of both, model and run."""
        place = self._journal.place()
        saved.save(place / "model")
        self._post({"write": "model", "files": f"{place.name}/model", "metrics": _metrics(figures, 0)})

    def end(self, ending: "Ending") -> None:
        """Write what is left and end the run so, or as failed where the store refuses to have it written."""
        try:
            self.flush()
        finally:
            try:
                self._post({"write": "end", "time": _now(), **ending._asdict()})
            finally:
                self.close()

    def close(self) -> None:
        """Write what is left: nothing more will be."""
        try:
            self.flush()
        finally:
            self._lane.end(self._close)

    def _post(self, entry: Entry) -> None:
        try:
            self._journal.add(entry)
        finally:  # the store may have room where this disk has none
            self._lane.post(partial(self._writer.write, entry))

    def _unwritten(self, failure: Exception) -> Unwritten:
        where = os.path.relpath(self._journal.output)
        return Unwritten(
            f"the run could not be written to {self._told} ({store_errors.reason(failure)}): when the store is mended, "
            f"`python -m pipeline.upload {where}` writes it"
        )

    def _close(self, failure: Exception | None) -> None:
        if failure is None:
            self._journal.discard()
        elif self._created and self.id and not store_errors.passing(failure):
            with suppress(Exception):  # the journal has it all
                self._writer.fail(store_errors.reason(failure))


class Ending(NamedTuple):
    """The status in which a run ends, and why it is not FINISHED."""

    status: str = "FINISHED"
    failure: str = ""

    @classmethod
    def by(cls, error: BaseException | None) -> "Ending":
        """FINISHED by no error, FAILED by an exception, KILLED where it was ended from outside."""
        if error is None:
            return cls()
        told = "diverged" if isinstance(error, Diverged) else str(error) or type(error).__name__
        failed = isinstance(error, Exception) and not isinstance(error, Stopped)
        return cls("FAILED" if failed else "KILLED", redact(told))


@contextmanager
def open_run(store: Store, config: Config, data_md5: str) -> Iterator[Run]:
    """A run with its params, tags and provenance, which ends as what is raised in the context makes it end.

    Its last writes may still be on their way after the context: `wait` for them, or `lane.drain` after an exception.
    """
    first = {
        "write": "create",
        "name": provenance.run_name(config),
        "start": _now(),
        "tags": provenance.of_job(config, data_md5),
        "params": params(config),
    }
    run = Run(store, config.tracking.experiment, Path(HydraConfig.get().runtime.output_dir), first)
    with ending(run):
        run.log_text(provenance.composed(config), f"{provenance.FOLDER}/config.yaml")
        run.log_artifacts(provenance.files())
        yield run


@contextmanager
def ending(run: Run) -> Iterator[None]:
    """End the run as what is raised in the context makes it end."""
    try:
        yield
        run.flush()
    except BaseException as error:
        with suppress(OSError):  # of a full disk, which may be the error itself
            run.end(Ending.by(error))
        raise
    run.end(Ending())


@contextmanager
def find_run(store: Store, experiment: str, output: Path, run_id: str) -> Iterator[Run]:
    """A run of the store, to be written into once more, and written when the context ends.

    Raises:
        Unwritten: the store has not got all of it, which is kept in the output folder.
    """
    try:
        with closing(Run(store, experiment, output, {"write": "find", "run_id": run_id})) as run:
            yield run
        run.wait()
    finally:
        upload_queue.drain()  # or Python, at its end, waits without end for a store that does not answer


def _metrics(values: Mapping[str, float], step: int) -> list[tuple[str, float, int, int]]:
    now = _now()
    return [(name, float(value), now, step) for name, value in values.items()]


def _now() -> int:
    """Milliseconds, as MLflow has them."""
    return time.time_ns() // 1_000_000
