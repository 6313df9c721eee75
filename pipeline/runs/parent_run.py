"""A sweep's own run, of which its jobs' runs are children."""

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

    def note(self, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Set metrics and tags; what an earlier part of the sweep has set is replaced."""
        now = time.time_ns() // 1_000_000
        measured = [Metric(name, value, now, 0) for name, value in metrics.items()]
        self.store.client.log_batch(self.id, measured, tags=[RunTag(key, value) for key, value in tags.items()])

    def adopt(self, best: Result, params: Mapping[str, str]) -> None:
        """Name the best run and show its figures, and its params: once, since MLflow's params cannot be changed."""
        measured = {"best/epoch": best.epoch, "best/valid_error": best.valid_error, "best/valid_loss": best.valid_loss}
        self.note(measured, {"best_run_id": best.run_id})
        known = self.store.client.get_run(self.id).data.params
        missing = [Param(key, value) for key, value in params.items() if key not in known]
        self.store.client.log_batch(self.id, params=missing)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]], name: str) -> None:
        """Keep a table as `log_table` does, which would add to an earlier one instead of replacing it."""
        self.store.client.log_text(self.id, json.dumps({"columns": columns, "data": rows}), name)
        listed = json.dumps([{"path": name, "type": "table"}])
        self.store.client.set_tag(self.id, MLFLOW_LOGGED_ARTIFACTS, listed)

    def artifact(self, path: Path) -> None:
        """Keep a copy of the file."""
        self.store.client.log_artifact(self.id, str(path))

    def end(self, status: str) -> None:
        """End the run with one of MLflow's states."""
        self.store.client.set_terminated(self.id, status)


def open_parent(
    store: Store, key: str, name: str, tags: Mapping[str, str], space: Mapping[str, str], *, fresh: bool
) -> Parent:
    """The run of the sweep with this key, continued unless a fresh one is wanted or another process is at work on it.

    `space` has the settings that vary, and what they vary over.
    """
    tags = {**tags, KEY: key}
    running = RunStatus.to_string(RunStatus.RUNNING)
    earlier = [run for run in queries.runs(store, f"tags.`{KEY}` = '{key}'") if run.info.status != running]
    if earlier and not fresh:
        parent = Parent(store, earlier[0].info.run_id)
        store.client.update_run(parent.id, status=running)
        parent.note({}, tags)
        if "failure" in earlier[0].data.tags:
            store.client.delete_tag(parent.id, "failure")
        return parent
    created = store.client.create_run(store.experiment_id, run_name=name, tags=tags)
    # Hydra's keys may have letters, as those of `group@package`, that MLflow's may not.
    params = [
        Param(re.sub(r"[^\w./ -]", "_", f"space.{key}"), truncate(redact(value), "multirun.yaml"))
        for key, value in space.items()
    ]
    store.client.log_batch(created.info.run_id, params=params)
    return Parent(store, created.info.run_id)
