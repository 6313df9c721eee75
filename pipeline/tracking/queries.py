"""Queries for runs of an experiment."""

from dataclasses import dataclass

from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pipeline.tracking.store import Store

SECONDS = "training.seconds"  # a tag: how long the job's bank trained until the last epoch of the job


@dataclass(frozen=True)
class Result:
    """The result of a finished training run. `parent` is the run of its sweep, or empty."""

    run_id: str
    name: str
    parent: str
    folder: str
    epoch: int  # the best one, which has the validation scores
    valid_error: float
    valid_loss: float
    seconds: float  # of its training


def finished_runs(store: Store, data_md5: str, code_hash: str) -> dict[str, list[Result]]:
    """The experiment's finished training runs with this data and code, by `config.hash`, the latest first."""
    query = f"tags.`data.md5` = '{data_md5}' and tags.`code.hash` = '{code_hash}' and attributes.status = 'FINISHED'"
    results: dict[str, list[Result]] = {}
    for run in search_runs(store, query):
        tags, metrics = run.data.tags, run.data.metrics
        if "config.hash" in tags and "best/valid_error" in metrics:
            results.setdefault(tags["config.hash"], []).append(
                Result(
                    run.info.run_id,
                    run.info.run_name,
                    tags.get(MLFLOW_PARENT_RUN_ID, ""),
                    tags["output_dir"],
                    int(metrics["best/epoch"]),
                    metrics["best/valid_error"],
                    metrics["best/valid_loss"],
                    float(tags.get(SECONDS, (run.info.end_time - run.info.start_time) / 1000)),
                )
            )
    return results


def run_of_model(store: Store, model_sha256: str, config_hash: str, preferred: str | None) -> str | None:
    """The id of a finished run that made this model file with these settings: the preferred one, else the latest."""
    query = f"tags.`model.sha256` = '{model_sha256}' and tags.`config.hash` = '{config_hash}'"
    ids = [run.info.run_id for run in search_runs(store, f"{query} and attributes.status = 'FINISHED'")]
    return preferred if preferred in ids else next(iter(ids), None)


def search_runs(store: Store, query: str) -> list[MlflowRun]:
    """All matching runs of the experiment, the latest first."""
    runs: list[MlflowRun] = []
    token: str | None = None
    while True:
        page = store.client.search_runs(
            [store.experiment_id], query, ViewType.ACTIVE_ONLY, 1000, ["attributes.start_time DESC"], token
        )
        runs += page
        token = page.token
        if not token:
            return runs
