"""A run or a model file in plain types, for rooms that do not import MLflow."""

from pathlib import Path
from typing import NamedTuple

from mlflow.entities import DatasetInput
from mlflow.entities import Run as MlflowRun
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from pipeline.runs import parent_run
from pipeline.tracking import datasets


class Dataset(NamedTuple):
    """A data set of a run, and its context, such as `training`."""

    name: str
    digest: str
    context: str


class RunOrModel:
    """A run, or a model file, or a model file with the run that made it; `word` is what the user typed for it.

    Without a run its fields are empty.
    """

    def __init__(self, word: str, run: MlflowRun | None, file: Path | None = None) -> None:
        self.word = word
        self.run = run
        self.file = file
        self.name = str(run.info.run_name) if run else word
        self.id = str(run.info.run_id) if run else ""
        self.status = str(run.info.status) if run else ""
        self.params: dict[str, str] = dict(run.data.params) if run else {}
        self.metrics: dict[str, float] = dict(run.data.metrics) if run else {}
        self.tags: dict[str, str] = dict(run.data.tags) if run else {}
        self.datasets = [_dataset(item) for item in run.inputs.dataset_inputs] if run and run.inputs else []

    @property
    def is_sweep(self) -> bool:
        """Whether it is the parent run of a sweep."""
        return parent_run.KEY in self.tags

    @property
    def test_digest(self) -> str:
        """The digest of the data that it was evaluated on; empty where it was not evaluated."""
        return next((data.digest for data in self.datasets if data.context == datasets.TEST), "")


def _dataset(item: DatasetInput) -> Dataset:
    context = next((tag.value for tag in item.tags if tag.key == MLFLOW_DATASET_CONTEXT), "")
    return Dataset(item.dataset.name, item.dataset.digest, context)
