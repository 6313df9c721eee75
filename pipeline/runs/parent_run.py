"""The parent run of a sweep; the runs of its jobs are its children."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS

from pipeline.core.text import redact, truncate
from pipeline.tracking import queries
from pipeline.tracking.queries import Result
from pipeline.tracking.store import Store

KEY = "sweep.key"


class Parent:
    """The open run of a sweep."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.id = run_id

    def log(self, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Log metrics and set tags. They replace those of an earlier start."""
        now = time.time_ns() // 1_000_000
        values = [Metric(name, value, now, 0) for name, value in metrics.items()]
        self.store.client.log_batch(self.id, values, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_importance(self, shares: Mapping[str, float]) -> None:
        """Log the share of each setting in the variance of the validation error."""
        self.log({f"importance/{_accepted_name(key)}": share for key, share in shares.items()}, {})

    def record_best(self, best: Result, params: Mapping[str, str]) -> None:
        """Record the best run, its scores and its params. MLflow's params are set once: they cannot be changed."""
        scores = {"best/epoch": best.epoch, "best/valid_error": best.valid_error, "best/valid_loss": best.valid_loss}
        self.log(scores, {"best_run_id": best.run_id})
        known = self.store.client.get_run(self.id).data.params
        missing = [Param(key, value) for key, value in params.items() if key not in known]
        self.store.client.log_batch(self.id, params=missing)

    def log_table(self, columns: Sequence[str], rows: Sequence[Sequence[object]], name: str) -> None:
        """Log a table. MLflow's own `log_table` would append to the table of an earlier start."""
        self.store.client.log_text(self.id, json.dumps({"columns": columns, "data": rows}), name)
        listed = json.dumps([{"path": name, "type": "table"}])
        self.store.client.set_tag(self.id, MLFLOW_LOGGED_ARTIFACTS, listed)

    def log_artifact(self, path: Path) -> None:
        """Log a copy of the file."""
        self.store.client.log_artifact(self.id, str(path))

    def set_terminated(self, status: str) -> None:
        """End the run with a status of MLflow's."""
        self.store.client.set_terminated(self.id, status)


def open_parent(
    store: Store, key: str, name: str, tags: Mapping[str, str], space: Mapping[str, str], *, fresh: bool
) -> Parent:
    """Open the run of the sweep with this key.

    The latest one is continued, unless it is RUNNING in another process, or a `fresh` one is wanted. `space` has the
    varied settings and their values.
    """
    tags = {**tags, KEY: key}
    running = RunStatus.to_string(RunStatus.RUNNING)
    earlier = [run for run in queries.search_runs(store, f"tags.`{KEY}` = '{key}'") if run.info.status != running]
    if earlier and not fresh:
        parent = Parent(store, earlier[0].info.run_id)
        store.client.update_run(parent.id, status=running)
        parent.log({}, tags)
        if "failure" in earlier[0].data.tags:
            store.client.delete_tag(parent.id, "failure")
        return parent
    created = store.client.create_run(store.experiment_id, run_name=name, tags=tags)
    params = [
        Param(f"space.{_accepted_name(key)}", truncate(redact(value), "multirun.yaml")) for key, value in space.items()
    ]
    store.client.log_batch(created.info.run_id, params=params)
    return Parent(store, created.info.run_id)


def _accepted_name(key: str) -> str:
    """A key of Hydra's as MLflow accepts it: Hydra's may have further characters, for example `group@package`."""
    return re.sub(r"[^\w./ -]", "_", key)
