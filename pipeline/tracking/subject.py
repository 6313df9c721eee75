"""What a word on a command line names."""

from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run as MlflowRun

from pipeline.tracking import datasets


@dataclass(frozen=True)
class Subject:
    """A run, or a model file, or a model file with the run that made it; `word` is what named it."""

    word: str
    run: MlflowRun | None
    file: Path | None = None

    @property
    def name(self) -> str:
        """As a person calls it."""
        return str(self.run.info.run_name) if self.run else self.word

    @property
    def id(self) -> str:
        """The run's id; empty where no run is known."""
        return str(self.run.info.run_id) if self.run else ""

    @property
    def params(self) -> dict[str, str]:
        """The run's params."""
        return dict(self.run.data.params) if self.run else {}

    @property
    def tags(self) -> dict[str, str]:
        """The run's tags."""
        return dict(self.run.data.tags) if self.run else {}

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each of the run's metrics."""
        return dict(self.run.data.metrics) if self.run else {}

    @property
    def status(self) -> str:
        """MLflow's state of the run."""
        return str(self.run.info.status) if self.run else ""

    @property
    def test_digest(self) -> str:
        """The hash of the data that it was evaluated on; empty where it was not."""
        inputs = self.run.inputs.dataset_inputs if self.run and self.run.inputs else []
        tested = [item.dataset.digest for item in inputs if any(tag.value == datasets.TEST for tag in item.tags)]
        return str(tested[0]) if tested else ""
