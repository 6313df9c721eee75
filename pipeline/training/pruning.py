"""Prune a search's trial by successive halving, while it trains."""

import functools
from typing import TYPE_CHECKING

from pipeline.core.errors import Pruned
from pipeline.core.job_context import Trial

if TYPE_CHECKING:
    from optuna import Study

    from pipeline.training.head import Epoch


def prune_if_hopeless(trial: Trial, epoch: "Epoch", epochs: int) -> None:
    """Compare the trial with the others of its study after an epoch of training for `epochs` epochs.

    Raises:
        Pruned: the trial is not among the best ones.
    """
    if epoch.valid is None or not _is_rung(trial, epoch.number, epochs):
        return
    from optuna.trial import Trial as OptunaTrial
    from optuna.trial import TrialState

    study = _load_study(trial.storage, trial.study, trial.epochs, trial.factor)
    stored = study.get_trials(deepcopy=False)[trial.number]
    if epoch.number in stored.intermediate_values:
        return  # compared before its process was killed, and not pruned then
    optuna_trial = OptunaTrial(study, stored._trial_id)  # noqa: SLF001 - Optuna has no other way to get a stored trial
    optuna_trial.report(epoch.valid.error, epoch.number)
    if optuna_trial.should_prune():
        study.tell(stored.number, state=TrialState.PRUNED)
        error = f"a validation error of {epoch.valid.error:.2%} after epoch {epoch.number}"
        raise Pruned(f"{error} was not among the best of the search")


def _is_rung(trial: Trial, epoch: int, epochs: int) -> bool:
    """Whether trials are compared after this epoch. After the last one a comparison would save nothing."""
    rung = trial.epochs
    while 0 < rung < epoch:
        rung *= trial.factor
    return rung == epoch < epochs


@functools.cache
def _load_study(storage: str, name: str, epochs: int, factor: int) -> "Study":
    import optuna

    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=epochs, reduction_factor=factor)
    return optuna.load_study(study_name=name, storage=storage, pruner=pruner)
