"""Find runs again."""

from dataclasses import dataclass

from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType

from pipeline.tracking.store import Store


@dataclass(frozen=True)
class Sweep:
    """How many runs of a sweep finished, and the best of them."""

    finished: int
    best: MlflowRun | None


def sweep(store: Store, sweep_id: str, since: int) -> Sweep:
    """The sweep's runs that started after `since`, in milliseconds; the best has the lowest validation error.

    Validation loss decides between equal errors. Jobs may differ in their experiment, so all are searched.
    """
    experiments = [experiment.experiment_id for experiment in store.client.search_experiments()]
    wanted = f"tags.`sweep.id` = '{sweep_id}' and attributes.start_time >= {since} and attributes.status = 'FINISHED'"
    finished = _search(store, experiments, wanted)
    measured = [run for run in finished if "best/valid_error" in run.data.metrics]
    return Sweep(len(finished), min(measured, key=_validation, default=None))


def _validation(run: MlflowRun) -> tuple[float, float]:
    return run.data.metrics["best/valid_error"], run.data.metrics["best/valid_loss"]


def trained(store: Store, model_sha256: str, config_hash: str, likely: str | None) -> str | None:
    """The id of the run that made this model file with these settings: the likely one if it did, else the latest."""
    made = f"tags.`model.sha256` = '{model_sha256}' and tags.`config.hash` = '{config_hash}'"
    found = _search(store, [store.experiment_id], f"{made} and attributes.status = 'FINISHED'")
    ids = [run.info.run_id for run in found]
    return likely if likely in ids else next(iter(ids), None)


def _search(store: Store, experiments: list[str], wanted: str) -> list[MlflowRun]:
    """All matching runs, the latest first."""
    found: list[MlflowRun] = []
    token: str | None = None
    while True:
        page = store.client.search_runs(
            experiments, wanted, ViewType.ACTIVE_ONLY, 1000, ["attributes.start_time DESC"], token
        )
        found += page
        token = page.token
        if not token:
            return found
