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


def test_coverage_counts_values_within_their_interval():
    assert errors.coverage(ACTUAL, [0, 0, 5], [1, 3, 9]) == pytest.approx(2 / 3)


def test_the_test_of_equal_accuracy_at_one_step_is_a_paired_t_test():
    from scipy.stats import ttest_1samp

    gaps = np.random.default_rng(3).normal(0.2, 1.0, 60)
    found = errors.diebold_mariano(np.ones(60), 1 + gaps)
    expected = ttest_1samp(gaps, 0.0)  # Harvey's correction makes the variance the unbiased one
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_correlated_losses_of_long_horizons_do_not_pass_for_evidence():
    random = np.random.default_rng(4)
    wrong = {1: 0, 8: 0}
    for _ in range(300):
        gaps = np.convolve(random.normal(size=207), np.ones(8), "valid")
        for horizon in wrong:
            wrong[horizon] += errors.diebold_mariano(np.zeros(200), gaps, horizon).p_value < 0.05
    assert wrong[1] > 100  # as if independent
    assert wrong[8] < 45
    with pytest.raises(ValueError, match="too few"):
        errors.diebold_mariano([1.0, 2.0], [1.0, 2.0])
