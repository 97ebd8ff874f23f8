from __future__ import annotations

import numpy as np
import pytest

from asr.score.classification import mcnemar, score_classes, wilson_interval


def test_figures_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    random = np.random.default_rng(0)
    actual, predicted = random.integers(0, 4, 300), random.integers(0, 4, 300)
    predicted[:150] = actual[:150]
    score = score_classes(actual, predicted, 4)
    assert score.accuracy == pytest.approx(accuracy_score(actual, predicted))
    assert score.macro_f1 == pytest.approx(f1_score(actual, predicted, average="macro"))
    assert (score.confusion == confusion_matrix(actual, predicted)).all()


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (7, 10), (10, 10), (450, 500)])
def test_intervals_of_shares_hold_what_a_score_test_does_not_reject(hits, count):
    """Wilson's interval by its definition: the shares p with |hits / n - p| at most 1.96 standard errors of p."""
    shares = np.linspace(0, 1, 1_000_001)
    accepted = shares[np.abs(hits / count - shares) <= 1.959964 * np.sqrt(shares * (1 - shares) / count)]
    interval = wilson_interval(hits, count)
    assert (interval.low, interval.high) == pytest.approx((accepted[0], accepted[-1]), abs=2e-6)


def test_only_what_one_gets_right_and_the_other_not_counts():
    first, second = np.array([True] * 90 + [False] * 10), np.array([True] * 90 + [True] * 9 + [False])
    assert mcnemar(first, second) == pytest.approx(2 * 0.5**9)
    assert mcnemar(first, first) == 1.0
