"""How much each setting of a sweep matters: its share in the variance of the validation error."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.sweep.sweep_job import SweepJob, ranked, varied_keys

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MIN_JOBS = 16  # with fewer, the shares are chance
LOG_RANGE = 10  # values over a range of at least this factor are spread on a logarithmic scale
SEED = 0  # of the random forest: the same jobs have the same shares


def importance(jobs: Sequence[SweepJob]) -> dict[str, float]:
    """The share of each varied setting, the largest first, by Optuna's fANOVA.

    Empty for fewer than two settings or sixteen finished jobs, and where all validation errors are equal.

    Source: F. Hutter, H. Hoos, K. Leyton-Brown, "An efficient approach for assessing hyperparameter importance",
    ICML 2014.
    """
    keys, finished = varied_keys(jobs), ranked(jobs)
    errors = [result.valid_error for _, result in finished]
    if len(keys) < 2 or len(finished) < MIN_JOBS or len(set(errors)) == 1:  # noqa: PLR2004 - one has the whole
        return {}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    columns = {key: [_value(job.values[key]) for job, _ in finished] for key in keys}
    distributions = {key: _distribution(values) for key, values in columns.items()}
    study = optuna.create_study()
    for number, error in enumerate(errors):
        params = {key: values[number] for key, values in columns.items()}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=error))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=SEED)
    return {
        key: float(share)
        for key, share in optuna.importance.get_param_importances(study, evaluator=evaluator, params=keys).items()
    }


def _value(value: object) -> float | str:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _distribution(values: Sequence[float | str]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < len(values):
        return CategoricalDistribution(sorted(set(map(str, values))))
    low, high = min(numbers), max(numbers)
    return FloatDistribution(low, high, log=low > 0 and high >= LOG_RANGE * low)
