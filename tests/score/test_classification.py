from __future__ import annotations

import numpy as np
import pytest

from asr.score.classification import mcnemar, score_classes, wilson_interval


def test_figures_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    random = np.random.default_rng(0)
    actual, predicted = random.integers(0, 4, 300), random.integers(0, 4, 300)
    predicted[:150] = actual[:150]
    found = score_classes(actual, predicted, 4)
    assert found.accuracy == pytest.approx(accuracy_score(actual, predicted))
    assert found.macro_f1 == pytest.approx(f1_score(actual, predicted, average="macro"))
    assert (found.confusion == confusion_matrix(actual, predicted)).all()


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (7, 10), (10, 10), (450, 500)])
def test_intervals_of_shares_are_scipys(hits, count):
    from scipy.stats import binomtest

    expected = binomtest(hits, count).proportion_ci(method="wilson")
    found = wilson_interval(hits, count)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_only_what_one_gets_right_and_the_other_not_counts():
    first, second = np.array([True] * 90 + [False] * 10), np.array([True] * 90 + [True] * 9 + [False])
    assert mcnemar(first, second) == pytest.approx(2 * 0.5**9)
    assert mcnemar(first, first) == 1.0
