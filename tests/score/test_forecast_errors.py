from __future__ import annotations

import math

import numpy as np
import pytest

from asr.score import forecast_errors as errors

ACTUAL, FORECAST = [1.0, 2.0, 4.0], [2.0, 2.0, 1.0]


def test_errors_by_hand():
    assert errors.mae(ACTUAL, FORECAST) == pytest.approx(4 / 3)
    assert errors.mse(ACTUAL, FORECAST) == pytest.approx(10 / 3)
    assert errors.rmse(ACTUAL, FORECAST) == pytest.approx(math.sqrt(10 / 3))
    assert errors.smape(ACTUAL, FORECAST) == pytest.approx(200 * (1 / 3 + 0 + 3 / 5) / 3)
    assert errors.smape([0.0], [0.0]) == 0.0
    history = [1.0, 5.0, 2.0, 9.0]  # seasonal differences at 2: 1, 4
    assert errors.mase(ACTUAL, FORECAST, history, 2) == pytest.approx((4 / 3) / 2.5)
    assert math.isnan(errors.mase(ACTUAL, FORECAST, [3.0, 3.0, 3.0]))
    assert errors.owa(10, 1, 20, 4) == pytest.approx(0.375)
    assert math.isnan(errors.owa(10, 1, 0, 4))


@pytest.mark.parametrize("other", [[1.0], 1.0, [1.0, 2.0], [[1.0], [2.0], [3.0]], [[1.0, 2.0, 3.0]]])
def test_forecasts_of_another_shape_are_refused_not_repeated(other):
    for error in (errors.mae, errors.mse, errors.rmse, errors.smape):
        for pair in ((ACTUAL, other), (other, ACTUAL)):
            with pytest.raises(ValueError, match="cannot be compared"):
                error(*pair)
    with pytest.raises(ValueError, match="cannot be compared"):
        errors.mase(ACTUAL, other, [1.0, 5.0, 2.0])
    with pytest.raises(ValueError, match="cannot be compared"):
        errors.coverage(ACTUAL, other, [1, 3, 9])
    with pytest.raises(ValueError, match="cannot be compared"):
        errors.diebold_mariano(ACTUAL, other)


def test_coverage_counts_values_within_their_interval():
    assert errors.coverage(ACTUAL, [0, 0, 5], [1, 3, 9]) == pytest.approx(2 / 3)


def test_the_test_of_equal_accuracy_at_one_step_is_a_paired_t_test():
    from scipy.stats import ttest_1samp

    gaps = np.random.default_rng(3).normal(0.2, 1.0, 60)
    found = errors.diebold_mariano(np.ones(60), 1 + gaps)
    expected = ttest_1samp(gaps, 0.0)  # Harvey's correction makes the variance the unbiased one
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


@pytest.mark.parametrize(("count", "horizon"), [(12, 3), (20, 6), (20, 10), (40, 12), (200, 8)])
def test_correlated_losses_of_long_horizons_do_not_pass_for_evidence(count, horizon):
    random = np.random.default_rng(4)
    wrong = 0
    for _ in range(1500):
        gaps = np.convolve(random.normal(size=count + horizon - 1), np.ones(horizon), "valid")
        wrong += errors.diebold_mariano(np.zeros(count), gaps, horizon).p_value < 0.05
    assert 0.03 < wrong / 1500 < 0.085  # as if independent it is 0.2 to 0.5
    with pytest.raises(ValueError, match="too few"):
        errors.diebold_mariano([1.0, 2.0], [1.0, 2.0])


def test_the_test_at_several_steps_is_that_of_the_lowest_frequencies():
    from scipy.stats import t as student

    gaps = np.random.default_rng(5).normal(0.4, 1.0, 25).cumsum()
    time = np.arange(25) + 0.5
    waves = [math.sqrt(2 / 25) * (np.cos(math.pi * number * time / 25) @ gaps) for number in (1, 2, 3)]
    statistic = 5 * gaps.mean() / math.sqrt(np.square(waves).mean())
    found = errors.diebold_mariano(np.zeros(25), gaps, 5)  # 0.6 * 25 / 5 frequencies
    assert found.statistic == pytest.approx(statistic)
    assert found.p_value == pytest.approx(2 * student.sf(abs(statistic), 3))


@pytest.mark.parametrize("horizon", [1, 4])
def test_a_difference_that_is_always_the_same_is_no_chance(horizon):
    losses = np.full(20, 2.0)
    assert errors.diebold_mariano(losses, losses, horizon).p_value == 1
    found = errors.diebold_mariano(losses, losses - 1, horizon)
    assert (found.difference, found.statistic, found.p_value) == (-1, -math.inf, 0)
