"""One training run in MLflow: opened, written in batches beside the training, and never left RUNNING."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from mlflow.entities import DatasetInput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from pipeline.config import Config, params, without_passwords
from pipeline.errors import Diverged, Stopped
from pipeline.tracking import provenance
from pipeline.tracking.lane import Lane
from pipeline.tracking.logged_model import SavedModel
from pipeline.tracking.store import Store

FLUSH_SECONDS = 3  # often enough to watch a run in the UI, seldom enough to cost nothing
MOST_METRICS = 900  # in one batch, with a few tags: MLflow's own limit is 1000
MOST_TAG_LETTERS = 500  # more than a table shows


class Run:
    """A run to write into. Calls do not wait for the store, which gets what they write in their order.

    Metrics and tags gather until the next flush. Where a write fails, one of the next calls raises what it raised.
    """

    def __init__(self, store: Store, identify: Callable[[], str]) -> None:
        """The first write is to create the run, or to find it, and to give its id."""
        self._client = store.client
        self._experiment_id = store.experiment_id
        self._lane = Lane(store.uri)
        self._id = self._lane.post(identify)
        self._params: dict[str, str] = {}
        self._metrics: list[Metric] = []
        self._tags: list[RunTag] = []
        self._flushed = time.monotonic()
        self.written = self._lane.empty
        self.wait = self._lane.wait

    @property
    def id(self) -> str:
        """The run's id, once the run is there."""
        return self._id.result()

    def params(self, values: Mapping[str, str]) -> None:
        """Set params, which the run's model will have too."""
        self._params |= values
        params = [Param(key, value) for key, value in values.items()]
        self._lane.post(lambda: self._client.log_batch(self.id, params=params))

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Note metrics of a step; they reach the store within a few seconds."""
        self._metrics += _metrics(values, step)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def tags(self, values: Mapping[str, str]) -> None:
        """Note tags."""
        self._tags += [RunTag(key, value) for key, value in values.items()]

    def flush(self) -> None:
        """Write what has gathered."""
        self._lane.post(self._batch())
        self._flushed = time.monotonic()

    def inputs(self, datasets: Sequence[DatasetInput]) -> None:
        """Note which data the run uses."""

        def write() -> None:
            try:
                self._client.log_inputs(self.id, datasets)
            except MlflowException:
                # PostgreSQL refuses a data set that another run has just added: now MLflow finds that one.
                self._client.log_inputs(self.id, datasets)

        self._lane.post(write)

    def image(self, key: str, image: npt.NDArray[np.uint8], step: int) -> None:
        """Add an RGB image, uint8 (height, width, 3), to the series that the UI slides through."""
        self._lane.post(lambda: self._client.log_image(self.id, image, key=key, step=step))

    def artifact(self, path: Path, folder: str = "") -> None:
        """Keep a copy of the file, in a folder of the run's, as it will be when its turn comes."""
        self._lane.post(lambda: self._client.log_artifact(self.id, str(path), folder or None))

    def artifacts(self, folder: Path) -> None:
        """Keep a copy of the folder, under its name."""
        self._lane.post(lambda: self._client.log_artifacts(self.id, str(folder), folder.name))

    def text(self, text: str, path: str) -> None:
        """Keep a text as a file."""
        self._lane.post(lambda: self._client.log_text(self.id, text, path))

    def model(self, saved: SavedModel, figures: Mapping[str, float]) -> None:
        """Keep the model. The figures are metrics of both, model and run."""

        def write() -> None:
            model_id = saved.log(self._client, self._experiment_id, self.id, self._params)
            self._client.log_batch(self.id, metrics=_metrics(figures, 0, model_id))

        self._lane.post(write)

    def end(self, ending: "Ending") -> None:
        """Write what is left and end the run so, or as failed where it could not be written."""

        def write(unwritten: Exception | None) -> None:
            if self._id.exception() is not None:
                return  # there is no run
            status, failure = ending if ending.failure else Ending.by(unwritten)
            if failure:
                self.tags({"failure": failure[:MOST_TAG_LETTERS]})
            try:
                self._batch()()
            except Exception:
                status = "FAILED"
                raise
            finally:
                self._client.set_terminated(self.id, status)

        self._lane.end(write)

    def _batch(self) -> Callable[[], None]:
        """The writing of what has gathered."""
        metrics, self._metrics, tags, self._tags = self._metrics, [], self._tags, []

        def write() -> None:
            for start in range(0, max(len(metrics), bool(tags)), MOST_METRICS):
                some = metrics[start : start + MOST_METRICS]
                self._client.log_batch(self.id, metrics=some, tags=() if start else tags)

        return write


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
        return cls("FAILED" if failed else "KILLED", without_passwords(told))


@contextmanager
def open_run(store: Store, config: Config, data_md5: str) -> Iterator[Run]:
    """A run with its params, tags and provenance, which ends as what is raised in the context makes it end.

    Its last writes may still be on their way after the context: `wait` for them, or `lane.drain` after an exception.
    """
    name, tags = provenance.run_name(config), provenance.of_job(config, data_md5)
    run = Run(store, lambda: str(store.client.create_run(store.experiment_id, tags=tags, run_name=name).info.run_id))
    ending = Ending()
    try:
        run.params(params(config))
        run.text(provenance.composed(config), f"{provenance.FOLDER}/config.yaml")
        run.artifacts(provenance.files())
        yield run
    except BaseException as error:
        ending = Ending.by(error)
        raise
    finally:
        run.end(ending)


def _metrics(values: Mapping[str, float], step: int, model_id: str | None = None) -> list[Metric]:
    now = time.time_ns() // 1_000_000
    return [Metric(name, value, now, step, model_id) for name, value in values.items()]
