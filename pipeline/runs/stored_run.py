"""All that the store has of a run."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from sqlalchemy.exc import SQLAlchemyError

from pipeline.core.errors import UserError
from pipeline.runs.lookup import Lookup
from pipeline.runs.run_info import Subject
from pipeline.tracking import queries, store_errors
from pipeline.tracking.store import Store, telling

History = Sequence[tuple[int, float]]  # step and value


class Account(Subject):
    """A run as it was when it was read. Its files and histories are read when they are asked for."""

    def __init__(self, lookup: Lookup, run: MlflowRun) -> None:
        super().__init__(str(run.info.run_id), run)
        self._lookup = lookup
        self._run = run
        self.began = _time(run.info.start_time)
        self.ended = None if run.info.end_time is None else _time(run.info.end_time)

    @property
    def experiment(self) -> str:
        """The name of its experiment."""
        return str(self._lookup.client.get_experiment(self._run.info.experiment_id).name)

    @property
    def sweep(self) -> str | None:
        """The id of the sweep's run that it belongs to."""
        return self.tags.get(MLFLOW_PARENT_RUN_ID)

    def history(self, metric: str, run_id: str | None = None) -> History:
        """All values of a metric, of this run or another one, in the order of their steps."""
        points = self._lookup.client.get_metric_history(run_id or self.id, metric)
        return sorted((point.step, point.value) for point in points)

    def artifact(self, path: str) -> Path | None:
        """A copy of an artifact; None where there is none such."""
        return self._lookup.artifact(self._run, path)

    def files(self, folder: str) -> list[str]:
        """Paths of the artifacts in a folder; none where there is no such folder.

        Raises:
            StoreError: the store does not tell them.
        """
        with telling(self._lookup.uri):
            return [item.path for item in self._lookup.client.list_artifacts(self.id, folder) if not item.is_dir]

    def other(self, run_id: str) -> "Account | None":
        """Another run of the store; None where it is no longer there."""
        try:
            return Account(self._lookup, self._lookup.client.get_run(run_id))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def failed(self) -> "list[Account]":
        """A sweep's jobs that failed and have not been repeated with success, the latest first."""
        store = Store(self._lookup.client, self._lookup.uri, self._run.info.experiment_id)
        jobs = queries.runs(store, f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{self.id}'")
        done = {run.data.tags.get("config.hash") for run in jobs if run.info.status == "FINISHED"}
        failed: dict[str | None, MlflowRun] = {}
        for run in jobs:
            settings = run.data.tags.get("config.hash")
            if run.info.status == "FAILED" and settings not in done:
                failed.setdefault(settings, run)
        return [Account(self._lookup, run) for run in failed.values()]

    def keep(self, text: str, path: str) -> None:
        """Keep a text among the run's artifacts.

        Raises:
            UserError: the store does not take it.
        """
        try:
            self._lookup.client.log_text(self.id, text, path)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise UserError(f"{path} cannot be kept in run {self.id}: {store_errors.reason(error)}") from error


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone()
