"""A run with its files, histories and relatives in the store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mlflow.entities import Run as MlflowRun
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pipeline.core.errors import StoreError
from pipeline.runs.lookup import Lookup
from pipeline.runs.run_info import RunOrModel
from pipeline.tracking import queries
from pipeline.tracking.store import Store

MetricHistory = Sequence[tuple[int, float]]  # step and value


class StoredRun(RunOrModel):
    """A run as of the moment when it was read. Its files and histories are read when they are needed."""

    def __init__(self, lookup: Lookup, run: MlflowRun) -> None:
        super().__init__(str(run.info.run_id), run)
        self._lookup = lookup
        self._run = run
        self.start = _time(run.info.start_time)
        self.end = None if run.info.end_time is None else _time(run.info.end_time)

    @property
    def experiment(self) -> str:
        """The name of its experiment."""
        return str(self._lookup.client.get_experiment(self._run.info.experiment_id).name)

    @property
    def parent_run_id(self) -> str | None:
        """The id of its sweep's run."""
        return self.tags.get(MLFLOW_PARENT_RUN_ID)

    def metric_history(self, metric: str, run_id: str | None = None) -> MetricHistory:
        """All values of a metric, of this run or another one, by step."""
        points = self._lookup.client.get_metric_history(run_id or self.id, metric)
        return sorted((point.step, point.value) for point in points)

    def download_artifact(self, path: str) -> Path | None:
        """A copy of an artifact; None where the run does not have it."""
        return self._lookup.download_artifact(self._run, path)

    def artifact_paths(self, folder: str) -> list[str]:
        """Paths of the artifacts in a folder; empty where there is no such folder."""
        return [item.path for item in self._lookup.client.list_artifacts(self.id, folder) if not item.is_dir]

    def other(self, run_id: str) -> "StoredRun | None":
        """Another run of the store; None where it no longer exists."""
        try:
            return StoredRun(self._lookup, self._lookup.client.get_run(run_id))
        except StoreError as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def failed_jobs(self) -> "list[StoredRun]":
        """Jobs of a sweep that failed and have not been repeated with success, the latest first."""
        store = Store(self._lookup.client, self._lookup.uri, self._run.info.experiment_id)
        jobs = queries.search_runs(store, f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{self.id}'")
        finished = {run.data.tags.get("config.hash") for run in jobs if run.info.status == "FINISHED"}
        failed: dict[str | None, MlflowRun] = {}
        for run in jobs:
            config_hash = run.data.tags.get("config.hash")
            if run.info.status == "FAILED" and config_hash not in finished:
                failed.setdefault(config_hash, run)
        return [StoredRun(self._lookup, run) for run in failed.values()]

    def log_text(self, text: str, path: str) -> None:
        """Log a text as an artifact.

        Raises:
            StoreError: the store refuses it.
        """
        self._lookup.client.log_text(self.id, text, path)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone()
