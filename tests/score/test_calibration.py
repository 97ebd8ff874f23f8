from __future__ import annotations

import numpy as np
import pytest

from asr.score.calibration import expected_calibration_error, fit_logistic, words_right


def test_words_are_right_where_the_alignment_says_equal():
    references = [["a", "b", "c"], [], ["x"]]
    hypotheses = [["a", "z", "c", "d"], ["q"], []]
    assert words_right(references, hypotheses) == [True, False, True, False, False]


def test_the_error_is_the_gap_of_each_bin_weighted_by_its_words():
    confidences = [0.95, 0.95, 0.95, 0.95, 0.35, 0.35]
    right = [True, True, True, False, True, False]
    expected = (4 * abs(0.95 - 0.75) + 2 * abs(0.35 - 0.5)) / 6
    assert expected_calibration_error(confidences, right) == pytest.approx(expected)
    assert expected_calibration_error([1.0, 0.0], [True, False]) == 0.0
    assert expected_calibration_error([], []) == 0.0


def test_logistic_regression_recovers_what_the_words_were_drawn_from():
    random = np.random.default_rng(0)
    features = random.normal(size=(20_000, 2))
    chance = 1 / (1 + np.exp(-(0.5 + features @ [1.5, -0.7])))
    right = random.random(len(chance)) < chance
    found = fit_logistic(features, right)
    assert found.bias == pytest.approx(0.5, abs=0.06)
    assert found.weights == pytest.approx((1.5, -0.7), abs=0.06)
    assert expected_calibration_error(found(features), right) < 0.01


def test_few_words_give_no_extreme_weights():
    features = np.array([[3.0, 0.101], [2.0, 0.102], [4.0, 0.101], [-1.0, 0.103]])
    right = np.array([True, True, True, False])  # told apart without a mistake
    found = fit_logistic(features, right)
    deviations = features.std(axis=0)
    assert all(0.2 < abs(weight) < 2.0 for weight in found.weights * deviations)
    moved = fit_logistic(features * [10.0, 5.0] + [7.0, -2.0], right)
    assert moved(features * [10.0, 5.0] + [7.0, -2.0]) == pytest.approx(found(features), abs=0.02)


def test_nothing_to_learn_is_no_error():
    found = fit_logistic(np.zeros((3, 2)), np.ones(3, bool))
    assert found(np.zeros((1, 2)))[0] == pytest.approx(3.5 / 4)
