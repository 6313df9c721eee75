"""One training run in MLflow: opened, written in batches, and never left RUNNING."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.models import infer_signature

from pipeline.config import Config, flatten
from pipeline.errors import Diverged, Stopped
from pipeline.tracking import provenance
from pipeline.tracking.store import Store

FLUSH_SECONDS = 3  # often enough to watch a run in the UI, seldom enough to cost nothing
MOST_METRICS = 1000  # in one batch: MLflow's own limit
MOST_TAG_LETTERS = 500  # more than a table shows

# What the model needs where it is served. Left to infer it, MLflow starts a process and takes 12 s a run.
REQUIREMENTS = [f"{name}=={version(name)}" for name in ("mlflow", "tensorflow", "keras", "numpy")]


class Run:
    """An open run. Metrics gather until the next flush."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.client = store.client
        self.uri = store.uri
        self.id = run_id
        self._metrics: list[Metric] = []
        self._flushed = time.monotonic()

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Note metrics of a step; they reach the store within a few seconds."""
        now = time.time_ns() // 1_000_000
        self._metrics += [Metric(name, value, now, step) for name, value in values.items()]
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the metrics that have gathered."""
        for start in range(0, len(self._metrics), MOST_METRICS):
            self.client.log_batch(self.id, metrics=self._metrics[start : start + MOST_METRICS])
        self._metrics = []
        self._flushed = time.monotonic()

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self.client.log_batch(self.id, tags=[RunTag(key, value) for key, value in values.items()])

    def image(self, key: str, image: npt.NDArray[np.uint8], step: int) -> None:
        """Add an RGB image, uint8 (height, width, 3), to the series that the UI slides through."""
        self.client.log_image(self.id, image, key=key, step=step)

    def artifact(self, path: Path) -> None:
        """Keep a copy of the file."""
        self.client.log_artifact(self.id, str(path))

    def model(self, model: Any, pixels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]) -> None:
        """Keep the Keras model, with the example's pixels and probabilities as its signature."""
        import mlflow.tensorflow  # with the model already built, TensorFlow costs nothing more

        mlflow.set_tracking_uri(self.uri)  # which is the process's: another run may have set it since
        # No input example: MLflow would read the model back to try it, for as long as all the rest of a run takes.
        with mlflow.start_run(run_id=self.id):
            mlflow.tensorflow.log_model(
                model,
                name="model",
                signature=infer_signature(pixels, probabilities),
                pip_requirements=REQUIREMENTS,
            )


@contextmanager
def open_run(store: Store, config: Config, data_md5: str) -> Iterator[Run]:
    """A run with its params and tags, which ends FINISHED, FAILED after an error, or KILLED if ended from outside."""
    tags = provenance.of_job(config, data_md5)
    created = store.client.create_run(store.experiment_id, run_name=provenance.run_name(config), tags=tags)
    run = Run(store, created.info.run_id)
    params = [Param(key, str(value)) for key, value in flatten(config) if not key.startswith("sweep.")]
    status, failure = RunStatus.FINISHED, ""
    try:
        store.client.log_batch(run.id, params=params)
        yield run
    except BaseException as error:
        failed = isinstance(error, Exception) and not isinstance(error, Stopped)
        status = RunStatus.FAILED if failed else RunStatus.KILLED
        failure = "diverged" if isinstance(error, Diverged) else str(error) or type(error).__name__
        raise
    finally:
        try:
            run.flush()
            if failure:
                run.tags({"failure": failure[:MOST_TAG_LETTERS]})
        finally:
            store.client.set_terminated(run.id, RunStatus.to_string(status))
