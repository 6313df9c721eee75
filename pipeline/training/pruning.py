"""A job that is of no more use to its sweep: a hopeless trial of a search, or one after a failure that ends all."""

import functools
import json
import os
from typing import TYPE_CHECKING, Any

from pipeline.core.app import check_stop_mark
from pipeline.core.errors import Pruned

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna import Study

    from pipeline.training.head import Epoch

TRIAL = "SWEEP_TRIAL"  # in a job's environment: the search's study, the trial's number, and how it is pruned


def watched(on_epoch: "Callable[[Epoch, Any], Any]", epochs: int) -> "Callable[[Epoch, Any], Any]":
    """The observer of a training of so many epochs; it raises `Stopped` where the sweep has no more use for the job."""
    told = json.loads(os.environ.get(TRIAL, "{}"))
    compared = _compared_after(told["epochs"], told["factor"], epochs) if told else set()

    def observe(epoch: "Epoch", weights: Any) -> None:
        on_epoch(epoch, weights)
        check_stop_mark()
        if epoch.number in compared and epoch.valid is not None:
            _compare(told, epoch.number, epoch.valid.error)

    return observe


def _compared_after(first: int, factor: int, epochs: int) -> set[int]:
    """The epochs after which trials are compared: the last is not among them, since it leaves nothing to save."""
    found = set()
    while 0 < first < epochs:
        found.add(first)
        first *= factor
    return found


def _compare(told: dict[str, Any], epoch: int, error: float) -> None:
    from optuna.trial import Trial, TrialState

    study = _study(told["storage"], told["study"], told["epochs"], told["factor"])
    known = study.get_trials(deepcopy=False)[told["trial"]]
    if epoch in known.intermediate_values:
        return  # compared before its process was killed, and not pruned then
    trial = Trial(study, known._trial_id)  # noqa: SLF001 - a Trial is not had otherwise
    trial.report(error, epoch)
    if trial.should_prune():
        study.tell(known.number, state=TrialState.PRUNED)
        raise Pruned(f"a validation error of {error:.2%} after epoch {epoch} was not among the best of the search")


@functools.cache
def _study(storage: str, name: str, epochs: int, factor: int) -> "Study":
    import optuna

    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=epochs, reduction_factor=factor)
    return optuna.load_study(study_name=name, storage=storage, pruner=pruner)
