"""Find runs again."""

from dataclasses import dataclass

from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pipeline.tracking.store import Store, telling


@dataclass(frozen=True)
class Result:
    """What a finished training run came to, and where its files are; `parent` is its sweep's run, or empty."""

    run_id: str
    name: str
    parent: str
    folder: str
    epoch: int  # the best one, of which the validation figures are
    valid_error: float
    valid_loss: float


def results(store: Store, data_md5: str, code_hash: str) -> dict[str, list[Result]]:
    """The experiment's finished training runs with this data and code, by their `config.hash`, the latest first."""
    made = f"tags.`data.md5` = '{data_md5}' and tags.`code.hash` = '{code_hash}'"
    found: dict[str, list[Result]] = {}
    for run in runs(store, f"{made} and attributes.status = 'FINISHED'"):
        tags, metrics = run.data.tags, run.data.metrics
        if "config.hash" in tags and "best/valid_error" in metrics:
            found.setdefault(tags["config.hash"], []).append(
                Result(
                    run.info.run_id,
                    run.info.run_name,
                    tags.get(MLFLOW_PARENT_RUN_ID, ""),
                    tags["output_dir"],
                    int(metrics["best/epoch"]),
                    metrics["best/valid_error"],
                    metrics["best/valid_loss"],
                )
            )
    return found


def trained(store: Store, model_sha256: str, config_hash: str, likely: str | None) -> str | None:
    """The id of the run that made this model file with these settings: the likely one if it did, else the latest."""
    made = f"tags.`model.sha256` = '{model_sha256}' and tags.`config.hash` = '{config_hash}'"
    ids = [run.info.run_id for run in runs(store, f"{made} and attributes.status = 'FINISHED'")]
    return likely if likely in ids else next(iter(ids), None)


def runs(store: Store, wanted: str) -> list[MlflowRun]:
    """All matching runs of the experiment, the latest first.

    Raises:
        StoreError: the store does not tell them.
    """
    found: list[MlflowRun] = []
    token: str | None = None
    while True:
        with telling(store.uri):
            page = store.client.search_runs(
                [store.experiment_id], wanted, ViewType.ACTIVE_ONLY, 1000, ["attributes.start_time DESC"], token
            )
        found += page
        token = page.token
        if not token:
            return found
