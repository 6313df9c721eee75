"""Intervals, tests and calibration, compared with values by hand or by other formulas."""

import numpy as np
import pytest
import scipy.stats

from pipeline.evaluation import stats


@pytest.mark.parametrize(("errors", "images"), [(756, 10_000), (1, 20), (13, 297), (0, 50), (50, 50)])
def test_wilson_interval_is_that_of_scipy(errors: int, images: int) -> None:
    """Without errors it begins at 0, and with nothing but errors it ends at 1."""
    expected = scipy.stats.binomtest(errors, images).proportion_ci(0.95, method="wilson")
    assert stats.wilson_interval(errors, images) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_of_no_errors_has_a_width() -> None:
    """The upper limit for 0 of 50 is z^2 / (n + z^2), 7.1 %. The normal approximation would give 0."""
    low, high = stats.wilson_interval(0, 50)
    assert low == 0
    assert high == pytest.approx(0.0713, abs=1e-4)


def wrong(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Make the mistakes of two models from the number of images of each kind."""
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return np.array(first), np.array(second)


def test_mcnemar_is_a_binomial_test_of_the_discordant_images() -> None:
    """For two of twelve: 2 (1 + 12 + 66) / 2^12."""
    test = stats.mcnemar(*wrong(5, 2, 10, 83))
    assert (test.only_first, test.only_second) == (2, 10)
    assert test.p_value == pytest.approx(2 * 79 / 4096)
    assert stats.mcnemar(*wrong(5, 10, 2, 83)).p_value == pytest.approx(test.p_value)


@pytest.mark.parametrize("counts", [(5, 0, 0, 83), (0, 4, 4, 0)])
def test_mcnemar_of_equal_error_rates_is_one(counts: tuple[int, int, int, int]) -> None:
    """With the same mistakes, there are no discordant images. This is no error."""
    assert stats.mcnemar(*wrong(*counts)).p_value == 1


def test_holm_by_hand() -> None:
    """The smallest of four is multiplied by 4, the next by 3, and so on; none is below its predecessor or above 1."""
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.6, 0.5]) == [1.0, 1.0]
    assert stats.holm([]) == []


def test_interval_of_a_mean_is_that_of_scipy() -> None:
    """A single value has none. Equal values have one without a width."""
    values = [0.07, 0.08, 0.075, 0.071]
    expected = scipy.stats.t.interval(0.95, 3, np.mean(values), scipy.stats.sem(values))
    assert stats.mean_interval(values) == pytest.approx(expected)
    assert stats.mean_interval([0.07]) is None
    assert stats.mean_interval([0.5, 0.5]) == (0.5, 0.5)


@pytest.mark.filterwarnings("error")
def test_paired_t_test_is_that_of_scipy() -> None:
    """SciPy warns where all differences are equal. They have a p-value too."""
    first, second = [0.07, 0.08, 0.075], [0.071, 0.084, 0.076]
    assert stats.paired_t_test(first, second) == pytest.approx(scipy.stats.ttest_rel(first, second).pvalue)
    assert stats.paired_t_test([0.5, 0.25], [0.5, 0.25]) == 1
    assert stats.paired_t_test([0.5, 0.25], [0.75, 0.5]) == 0
    assert stats.paired_t_test([0.5], [0.75]) is None


def test_equal_models_differ_significantly_in_at_most_5_of_100_pairs() -> None:
    """Each pair gets the same images wrong with the same probabilities, as one model with two seeds does."""
    random = np.random.default_rng(1)
    difficulty = random.beta(0.2, 2.5, 10_000)  # 7 % of the images are wrong
    pairs = [(random.random((2, 10_000)) < difficulty) for _ in range(100)]
    assert sum(stats.mcnemar(*pair).p_value < 0.05 for pair in pairs) <= 5


def test_calibration_by_hand() -> None:
    """Two bins with two images each: (2 * |0.5 - 0.375| + 2 * |1 - 0.875|) / 4."""
    bins = stats.calibration(np.array([0.25, 0.5, 0.75, 1.0]), np.array([True, False, True, True]), bins=2)
    np.testing.assert_array_equal(bins.counts, [2, 2])
    np.testing.assert_allclose(bins.confidence, [0.375, 0.875])
    np.testing.assert_allclose(bins.accuracy, [0.5, 1.0])
    assert bins.error == pytest.approx(0.125)


def test_empty_bins_have_no_figures_and_no_weight() -> None:
    """They have NaN: 0 would look like a bin that is always wrong."""
    bins = stats.calibration(np.full(4, 0.9), np.array([True, True, True, False]), bins=10)
    np.testing.assert_array_equal(bins.counts, [0] * 8 + [4, 0])
    assert np.isnan(bins.accuracy[:8]).all()
    assert bins.error == pytest.approx(0.15)


def test_true_probabilities_have_no_calibration_error() -> None:
    """Overconfident ones have the mean difference as error."""
    probability = np.random.default_rng(0).uniform(0.1, 1, 200_000)
    correct = np.random.default_rng(1).uniform(size=200_000) < probability
    assert stats.calibration(probability, correct).error < 0.005
    assert stats.calibration(np.ones(200_000), correct).error == pytest.approx(0.45, abs=0.005)
