"""Which jobs of a sweep differ significantly from the best one, and which settings over several seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.core.config import flatten
from pipeline.sweep.sweep_job import SweepJob, ranked, varied_keys

if TYPE_CHECKING:
    from pipeline.data.wrong_images import WrongImages
    from pipeline.tracking.queries import Result

SEEDS = ("seed", "model.seed")
NO_SETTINGS = ("tracking.", "sweep.", "promotion.")  # no result depends on them

Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """A test against the first row: its p-value, and that adjusted by Holm for all rows; None where not compared.

    A row is tied if it does not differ significantly. The first row is tied.
    """

    p_value: float | None
    p_adjusted: float | None
    tied: bool | None


@dataclass(frozen=True)
class Standing:
    """A finished job. `interval` is Wilson's 95 % interval of the validation error, a fraction."""

    job: SweepJob
    result: "Result"
    interval: Interval | None  # None where an earlier version trained it
    comparison: Comparison  # McNemar's exact test on the validation images


@dataclass(frozen=True)
class Group:
    """The finished jobs that differ in their seeds only, and their validation errors by seed, as fractions."""

    jobs: list[SweepJob]  # in the order of the sweep
    errors: dict[tuple[object, ...], float]
    mean: float
    deviation: float | None  # the standard deviation; None for a single seed, like the interval
    interval: Interval | None  # the 95 % interval of the mean
    comparison: Comparison  # the paired t test over the seeds that both groups have


def standings(jobs: Sequence[SweepJob], significance: float) -> list[Standing]:
    """The finished jobs, the best first."""
    pairs = ranked(jobs)
    p_values = [None, *(_mcnemar(pairs[0][0].wrong_images, job.wrong_images) for job, _ in pairs[1:])]
    return [
        Standing(job, result, _interval(job.wrong_images), comparison)
        for (job, result), comparison in zip(pairs, _comparisons(p_values, significance), strict=False)
    ]


def groups(jobs: Sequence[SweepJob], significance: float) -> list[Group]:
    """The groups by their mean validation error, the lowest first; none where the sweep varies no seed."""
    if not set(varied_keys(jobs)) & set(SEEDS):
        return []
    import numpy as np

    from pipeline.evaluation import stats

    grouped: dict[tuple[object, ...], list[SweepJob]] = {}
    for job in jobs:
        if job.config is not None and job.result is not None:
            leaves = flatten(job.config)
            key = tuple(str(leaf) for leaf in leaves if leaf[0] not in SEEDS and not leaf[0].startswith(NO_SETTINGS))
            grouped.setdefault(key, []).append(job)
    by_mean = sorted(
        ((float(np.mean([*errors.values()])), errors, own) for own in grouped.values() if (errors := _by_seed(own))),
        key=lambda group: group[0],
    )
    p_values: list[float | None] = [None]
    for _, errors, _ in by_mean[1:]:
        common = [seed for seed in by_mean[0][1] if seed in errors]
        pairs = [[of_group[seed] for seed in common] for of_group in (by_mean[0][1], errors)]
        p_values.append(stats.paired_t_test(*pairs))
    return [
        Group(
            own,
            errors,
            mean,
            float(np.std([*errors.values()], ddof=1)) if len(errors) > 1 else None,
            stats.mean_interval([*errors.values()]),
            comparison,
        )
        for (mean, errors, own), comparison in zip(by_mean, _comparisons(p_values, significance), strict=False)
    ]


def _by_seed(jobs: Sequence[SweepJob]) -> dict[tuple[object, ...], float]:
    """The validation error of each seed; the mean where several jobs have it."""
    errors: dict[tuple[object, ...], list[float]] = {}
    for job in jobs:
        if job.config is not None and job.result is not None:
            errors.setdefault((job.config.seed, job.config.model.seed), []).append(job.result.valid_error)
    return {seed: sum(own) / len(own) for seed, own in errors.items()}


def _comparisons(p_values: Sequence[float | None], significance: float) -> list[Comparison]:
    """The comparisons of all rows. The first row is not compared with itself."""
    from pipeline.evaluation import stats

    compared = {row: p_value for row, p_value in enumerate(p_values) if p_value is not None}
    adjusted = dict(zip(compared, stats.holm([*compared.values()]), strict=True))
    comparisons = [Comparison(None, None, tied=True)]
    for row, p_value in enumerate(p_values[1:], 1):
        tied = adjusted[row] >= significance if row in adjusted else None
        comparisons.append(Comparison(p_value, adjusted.get(row), tied))
    return comparisons


def _mcnemar(first: "WrongImages | None", other: "WrongImages | None") -> float | None:
    """The p-value on the images that both have; None where the images are unknown or are others.

    With train.drop_last, a job validates on the first ones, in whole minibatches.
    """
    from pipeline.evaluation import stats

    if first is None or other is None or first.data != other.data:
        return None
    common = min(len(first.wrong), len(other.wrong))
    return stats.mcnemar(first.wrong[:common], other.wrong[:common]).p_value if common else None


def _interval(images: "WrongImages | None") -> Interval | None:
    from pipeline.evaluation import stats

    if images is None or not len(images.wrong):
        return None
    return stats.wilson_interval(int(images.wrong.sum()), len(images.wrong))
