"""How sure measured errors and predicted probabilities are. Pure NumPy and SciPy."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BINS = 15  # as in Guo et al.'s tables


class McNemar(NamedTuple):
    """McNemar's test of two models on the same images: how many only one of them gets wrong, and the p-value."""

    only_first: int
    only_second: int
    p_value: float


class Calibration(NamedTuple):
    """Per bin of predicted probability, float64 (bins,): images, their mean probability, the share that is right.

    Both are NaN in a bin without images. `error` is the expected calibration error, a fraction.
    """

    counts: npt.NDArray[np.intp]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    error: float


def wilson_interval(errors: int, images: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of an error rate, as fractions.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    from scipy.stats import binomtest

    found = binomtest(errors, images).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)


def mcnemar(first_wrong: npt.NDArray[np.bool_], second_wrong: npt.NDArray[np.bool_]) -> McNemar:
    """The exact two-sided test that both models err equally often; bool (N,), the same images in the same order.

    An image that both get right, or both wrong, says nothing; of the others each model has half under the hypothesis.
    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12
    (1947).
    """
    from scipy.stats import binomtest

    only_first = int((first_wrong & ~second_wrong).sum())
    only_second = int((second_wrong & ~first_wrong).sum())
    discordant = only_first + only_second
    p_value = float(binomtest(only_first, discordant).pvalue) if discordant else 1.0
    return McNemar(only_first, only_second, p_value)


def calibration(probability: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """Whether images that were predicted with a probability (N,) are right (N,) as often as it says.

    The expected calibration error is the mean of |accuracy - confidence| over bins of equal width, weighted by their
    images. Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, equation 3.
    """
    edges = np.linspace(0, 1, bins + 1)
    found = np.searchsorted(edges[1:-1], probability, side="left")  # a bin includes its upper edge
    counts = np.bincount(found, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0/0 in an empty bin
        confidence = np.bincount(found, probability, bins) / counts
        accuracy = np.bincount(found, correct, bins) / counts
    error = float(np.nansum(counts * np.abs(accuracy - confidence)) / counts.sum())
    return Calibration(counts, confidence, accuracy, error)
