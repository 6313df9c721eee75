"""The operations of a run's journal. Every operation is idempotent."""

import dataclasses
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.tracking.multimedia import compress_image_size
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES
from PIL import Image

from pipeline.core.errors import StoreError
from pipeline.tracking import logged_model, queries
from pipeline.tracking.store import Store

KEY = "journal"  # a tag that finds a run whose creation the store has not confirmed
MAX_METRICS_IN_BATCH = 900  # besides a few tags: MLflow's own limit is 1000
MAX_FAILURE_LENGTH = 500  # characters of tag `failure`: more than a table shows

MetricPoint = tuple[str, float, int, int]  # name, value, time in milliseconds, step


@dataclass
class Replayer:
    """Applies the operations of one run to a store, in their order. The first operation sets `run_id`."""

    store: Store
    folder: Path  # of the journal, with the files of the operations
    key: str  # of the journal
    may_repeat: bool = False  # whether the store may have an operation already
    run_id: str = ""
    params: Mapping[str, str] = field(default_factory=dict)

    def apply(self, operation: "Operation") -> None:
        """Apply an operation. After a failure it may have been applied already."""
        try:
            operation.apply(self)
        except Exception:
            self.may_repeat = True
            raise

    def fail(self, reason: str) -> None:
        """End the run as FAILED, because an operation was refused."""
        self.store.client.set_tag(self.run_id, "failure", reason[:MAX_FAILURE_LENGTH])
        self.store.client.set_terminated(self.run_id, "FAILED")


@dataclass(frozen=True)
class Operation:
    """An operation: its fields are those of its line in the journal, where `write` has its name."""

    name_in_journal: ClassVar[str]

    def apply(self, target: Replayer) -> None:
        """Apply it to the store."""
        raise AssertionError("each operation has its own")

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {"write": self.name_in_journal, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class FirstOperation(Operation):
    """The first operation of a journal: which store and experiment it is for, and which process writes it."""

    uri: str  # without credentials
    experiment: str
    process: str


@dataclass(frozen=True)
class CreateRun(FirstOperation):
    """Create a run with its tags and params."""

    name_in_journal = "create"
    name: str
    start: int  # milliseconds
    tags: dict[str, str]
    params: dict[str, str]

    def apply(self, target: Replayer) -> None:
        """Create the run, unless the journal's run exists."""
        runs = queries.search_runs(target.store, f"tags.`{KEY}` = '{target.key}'") if target.may_repeat else []
        if not runs:
            tags = {**self.tags, KEY: target.key}
            runs = [target.store.client.create_run(target.store.experiment_id, self.start, tags, self.name)]
        target.run_id = runs[0].info.run_id
        target.params = self.params
        target.store.client.log_batch(target.run_id, params=[Param(key, value) for key, value in self.params.items()])


@dataclass(frozen=True)
class FindRun(FirstOperation):
    """Add to a run of the store."""

    name_in_journal = "find"
    run_id: str

    def apply(self, target: Replayer) -> None:
        """Note the run's id."""
        target.run_id = self.run_id


@dataclass(frozen=True)
class LogBatch(Operation):
    """Log metrics and set tags."""

    name_in_journal = "batch"
    metrics: list[MetricPoint]
    tags: dict[str, str]

    def apply(self, target: Replayer) -> None:
        """Log them in batches that MLflow accepts."""
        metrics = _metrics(self.metrics)
        tags = [RunTag(key, value) for key, value in self.tags.items()]
        for start in range(0, max(len(metrics), bool(tags)), MAX_METRICS_IN_BATCH):
            batch = metrics[start : start + MAX_METRICS_IN_BATCH]
            target.store.client.log_batch(target.run_id, metrics=batch, tags=() if start else tags)


@dataclass(frozen=True)
class LogInputs(Operation):
    """Log the data sets that the run uses."""

    name_in_journal = "inputs"
    datasets: list[dict[str, dict[str, str]]]

    def apply(self, target: Replayer) -> None:
        """Log the inputs."""
        inputs = [
            DatasetInput(Dataset(**item["dataset"]), [InputTag(key, value) for key, value in item["tags"].items()])
            for item in self.datasets
        ]
        try:
            target.store.client.log_inputs(target.run_id, inputs)
        except StoreError:
            # PostgreSQL refuses a data set that another run has just added. Now MLflow finds that one.
            target.store.client.log_inputs(target.run_id, inputs)


@dataclass(frozen=True)
class LogArtifacts(Operation):
    """Log the files of a folder of the journal."""

    name_in_journal = "files"
    files: str  # the folder
    to: str  # the folder of the run

    def apply(self, target: Replayer) -> None:
        """Upload the files."""
        target.store.client.log_artifacts(target.run_id, str(target.folder / self.files), self.to or None)


@dataclass(frozen=True)
class LogImage(Operation):
    """Log an image of a series, like MLflow's `log_image`, which gives the same image another name each time."""

    name_in_journal = "image"
    files: str  # the folder with image.npy
    key: str
    step: int
    time: int  # milliseconds
    uuid: str
    first: bool  # of the run

    def apply(self, target: Replayer) -> None:
        """Upload the image and its thumbnail."""
        image = Image.fromarray(np.load(target.folder / self.files / "image.npy"))
        name = f"{self.key}+step+{self.step}+timestamp+{self.time}+{uuid.UUID(self.uuid)}"
        with TemporaryDirectory(prefix="image-") as folder:
            image.save(Path(folder) / f"{name}.png")
            compress_image_size(image).save(Path(folder) / f"{name}+compressed.webp")
            target.store.client.log_artifacts(target.run_id, folder, "images")
        if self.first:
            target.store.client.set_tag(target.run_id, MLFLOW_LOGGED_IMAGES, value=True)


@dataclass(frozen=True)
class LogModel(Operation):
    """Log the model and metrics of both model and run."""

    name_in_journal = "model"
    files: str  # the folder that MLflow has saved
    metrics: list[MetricPoint]

    def apply(self, target: Replayer) -> None:
        """Upload the model as the run's only one."""
        folder = target.folder / self.files
        model_id = logged_model.log(target.store, target.run_id, target.params, folder, may_repeat=target.may_repeat)
        target.store.client.log_batch(target.run_id, metrics=_metrics(self.metrics, model_id))


@dataclass(frozen=True)
class EndRun(Operation):
    """End the run."""

    name_in_journal = "end"
    time: int  # milliseconds
    status: str
    failure: str  # empty where the run is FINISHED

    def apply(self, target: Replayer) -> None:
        """Set the status, and tag `failure`."""
        client = target.store.client
        if self.failure:
            client.set_tag(target.run_id, "failure", self.failure[:MAX_FAILURE_LENGTH])
        elif target.may_repeat and "failure" in client.get_run(target.run_id).data.tags:
            client.delete_tag(target.run_id, "failure")  # that it could not be uploaded
        client.set_terminated(target.run_id, self.status, self.time)


OPERATIONS = {
    operation.name_in_journal: operation
    for operation in (CreateRun, FindRun, LogBatch, LogInputs, LogArtifacts, LogImage, LogModel, EndRun)
}


def from_json(fields: Mapping[str, Any]) -> Operation:
    """The operation of a line in a journal."""
    arguments = dict(fields)
    return OPERATIONS[arguments.pop("write")](**arguments)


def _metrics(points: Iterable[MetricPoint], model_id: str | None = None) -> list[Metric]:
    return [Metric(name, value, time, step, model_id) for name, value, time, step in points]
