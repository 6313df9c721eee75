"""What a word on a command line names, in plain types: for rooms that do not import MLflow."""

from pathlib import Path
from typing import NamedTuple

from mlflow.entities import DatasetInput
from mlflow.entities import Run as MlflowRun
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from pipeline.runs import parent_run
from pipeline.tracking import datasets


class Dataset(NamedTuple):
    """Data that a run used, and what for."""

    name: str
    digest: str
    use: str


class Subject:
    """A run, or a model file, or a model file with the run that made it; `word` is what named it.

    What no run tells is empty.
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
        self.datasets = [_dataset(used) for used in run.inputs.dataset_inputs] if run and run.inputs else []

    @property
    def is_sweep(self) -> bool:
        """Whether it is a sweep's own run, the parent of its jobs' runs."""
        return parent_run.KEY in self.tags

    @property
    def test_digest(self) -> str:
        """The hash of the data that it was evaluated on; empty where it was not."""
        return next((data.digest for data in self.datasets if data.use == datasets.TEST), "")


def _dataset(used: DatasetInput) -> Dataset:
    use = next((tag.value for tag in used.tags if tag.key == MLFLOW_DATASET_CONTEXT), "")
    return Dataset(used.dataset.name, used.dataset.digest, use)
