"""Statistics of error rates and predicted probabilities, in NumPy and SciPy."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BINS = 15  # as in Guo et al.'s tables


class McNemar(NamedTuple):
    """McNemar's test of two models on the same images: the images that only one gets wrong, and the p-value."""

    only_first: int
    only_second: int
    p_value: float


class Calibration(NamedTuple):
    """Number of images, mean probability and accuracy by bin of predicted probability, (bins,) each.

    Mean probability and accuracy are NaN in an empty bin. `error` is the expected calibration error, a fraction.
    """

    counts: npt.NDArray[np.intp]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    error: float


def wilson_interval(errors: int, images: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of an error rate, as fractions.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    from scipy.special import ndtri  # scipy.stats takes half a second to import

    z, rate = float(ndtri((1 + level) / 2)), errors / images
    middle = (rate + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z * math.sqrt(rate * (1 - rate) / images + z**2 / (4 * images**2)) / (1 + z**2 / images)
    return (middle - half if errors else 0.0), (middle + half if errors < images else 1.0)


def mcnemar(first_wrong: npt.NDArray[np.bool_], second_wrong: npt.NDArray[np.bool_]) -> McNemar:
    """Test, exactly and two-sided, whether two models have the same error rate; bool (N,), the same images in order.

    Only images that exactly one model gets wrong count. Under the hypothesis, each model has half of them.
    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12
    (1947).
    """
    from scipy.special import bdtr

    only_first = int((first_wrong & ~second_wrong).sum())
    only_second = int((second_wrong & ~first_wrong).sum())
    discordant = only_first + only_second
    # Twice the smaller tail, as the distribution is symmetric.
    p_value = min(1.0, 2 * float(bdtr(min(only_first, only_second), discordant, 0.5)))
    return McNemar(only_first, only_second, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number, in their order: the family-wise error rate is that of one test.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979).
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * factors), 1.0)
    return [float(value) for value in adjusted]


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Return Student's t interval of the mean of at least two values; None for fewer.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    from scipy.special import stdtrit

    if len(values) < 2:  # noqa: PLR2004 - one value has no deviation
        return None
    degrees = len(values) - 1
    half = float(stdtrit(degrees, (1 + level) / 2)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return mean - half, mean + half


def paired_t_test(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the two-sided p-value of the hypothesis that paired values have the same mean; None for less than 2 pairs.

    Where all differences are equal, it is 1 if they are 0, and else 0.
    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    from scipy.special import stdtr

    if len(first) < 2:  # noqa: PLR2004 - one difference has no deviation
        return None
    differences = np.subtract(second, first)
    if np.ptp(differences) == 0:
        return float(differences[0] == 0)
    t = differences.mean() / (differences.std(ddof=1) / math.sqrt(len(differences)))
    return float(2 * stdtr(len(differences) - 1, -abs(t)))


def calibration(probability: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """Compare the probability (N,) of predictions with how often they are correct (N,).

    The expected calibration error is the mean of |accuracy - confidence| over bins of equal width, weighted by their
    number of images.

    Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, equation 3.
    """
    edges = np.linspace(0, 1, bins + 1)
    index = np.searchsorted(edges[1:-1], probability, side="left")  # a bin includes its upper edge
    counts = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0/0 in an empty bin
        confidence = np.bincount(index, probability, bins) / counts
        accuracy = np.bincount(index, correct, bins) / counts
    error = float(np.nansum(counts * np.abs(accuracy - confidence)) / counts.sum())
    return Calibration(counts, confidence, accuracy, error)
