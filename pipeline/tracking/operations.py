"""Makes the writes that a run's journal tells. Each may be made again, and leaves what once would have left."""

import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.multimedia import compress_image_size
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES
from PIL import Image

from pipeline.tracking import logged_model, queries
from pipeline.tracking.journal import Entry, Journal
from pipeline.tracking.store import Store

KEY = "journal"  # a tag: a run whose creation the store has not answered is found by it
MOST_METRICS = 900  # in one batch, with a few tags: MLflow's own limit is 1000
MOST_TAG_LETTERS = 500  # more than a table shows


class Writer:
    """Of one run, whose id is known once the first entry is written."""

    def __init__(self, store: Store, journal: Journal, *, again: bool = False) -> None:
        """`again` where the store may have got some of the writes before."""
        self.run_id = ""
        self._store = store
        self._client = store.client
        self._again = again
        self._journal = journal
        self._params: dict[str, str] = {}
        self._writes: dict[str, Callable[[Entry], None]] = {
            "create": self._create,
            "find": self._find,
            "batch": self._batch,
            "inputs": self._inputs,
            "files": self._files,
            "image": self._image,
            "model": self._model,
            "end": self._end,
        }

    def write(self, entry: Entry) -> None:
        """Make the write."""
        try:
            self._writes[entry["write"]](entry)
        except Exception:
            self._again = True
            raise

    def fail(self, reason: str) -> None:
        """End a run as failed of which something could not be written."""
        self._client.set_tag(self.run_id, "failure", reason[:MOST_TAG_LETTERS])
        self._client.set_terminated(self.run_id, "FAILED")

    def _create(self, entry: Entry) -> None:
        found = queries.runs(self._store, f"tags.`{KEY}` = '{self._journal.key}'") if self._again else []
        if not found:
            tags = {**entry["tags"], KEY: self._journal.key}
            found = [self._client.create_run(self._store.experiment_id, entry["start"], tags, entry["name"])]
        self.run_id = found[0].info.run_id
        self._params = entry["params"]
        self._client.log_batch(self.run_id, params=[Param(key, value) for key, value in self._params.items()])

    def _find(self, entry: Entry) -> None:
        self.run_id = entry["run_id"]

    def _batch(self, entry: Entry) -> None:
        metrics, tags = _metrics(entry["metrics"]), [RunTag(key, value) for key, value in entry["tags"].items()]
        for start in range(0, max(len(metrics), bool(tags)), MOST_METRICS):
            some = metrics[start : start + MOST_METRICS]
            self._client.log_batch(self.run_id, metrics=some, tags=() if start else tags)

    def _inputs(self, entry: Entry) -> None:
        used = [
            DatasetInput(Dataset(**each["dataset"]), [InputTag(key, value) for key, value in each["tags"].items()])
            for each in entry["datasets"]
        ]
        try:
            self._client.log_inputs(self.run_id, used)
        except MlflowException:
            # PostgreSQL refuses a data set that another run has just added: now MLflow finds that one.
            self._client.log_inputs(self.run_id, used)

    def _files(self, entry: Entry) -> None:
        self._client.log_artifacts(self.run_id, str(self._journal.folder / entry["files"]), entry["to"] or None)

    def _image(self, entry: Entry) -> None:
        """As MLflow's `log_image`, which gives the same image another name each time."""
        image = Image.fromarray(np.load(self._journal.folder / entry["files"] / "image.npy"))
        name = f"{entry['key']}+step+{entry['step']}+timestamp+{entry['time']}+{uuid.UUID(entry['uuid'])}"
        with TemporaryDirectory(prefix="image-") as folder:
            image.save(Path(folder) / f"{name}.png")
            compress_image_size(image).save(Path(folder) / f"{name}+compressed.webp")
            self._client.log_artifacts(self.run_id, folder, "images")
        if entry["first"]:
            self._client.set_tag(self.run_id, MLFLOW_LOGGED_IMAGES, value=True)

    def _model(self, entry: Entry) -> None:
        folder = self._journal.folder / entry["files"]
        model_id = logged_model.log(self._store, self.run_id, self._params, folder, again=self._again)
        self._client.log_batch(self.run_id, metrics=_metrics(entry["metrics"], model_id))

    def _end(self, entry: Entry) -> None:
        if entry["failure"]:
            self._client.set_tag(self.run_id, "failure", entry["failure"][:MOST_TAG_LETTERS])
        elif self._again and "failure" in self._client.get_run(self.run_id).data.tags:
            self._client.delete_tag(self.run_id, "failure")  # that it could not be written
        self._client.set_terminated(self.run_id, entry["status"], entry["time"])


def _metrics(noted: Iterable[tuple[str, float, int, int]], model_id: str | None = None) -> list[Metric]:
    return [Metric(name, value, time, step, model_id) for name, value, time, step in noted]
