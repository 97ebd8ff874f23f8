from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from asr.score.tags import accuracy, label_score, paired_f1


def labels(seed: int, right: float, actual: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.where(random.random(len(actual)) < right, actual, random.integers(0, 4, len(actual)))


ACTUAL = np.random.default_rng(0).integers(0, 4, 3000)


def test_scores_equal_scikit_learns():
    predicted = labels(1, 0.6, ACTUAL)
    expected = precision_recall_fscore_support(ACTUAL, predicted, labels=[0, 1, 2, 3])
    for label in range(4):
        found = label_score(ACTUAL, predicted, label)
        assert [found.precision, found.recall, found.f1, found.count] == pytest.approx([row[label] for row in expected])
    assert accuracy(ACTUAL, predicted) == pytest.approx((predicted == ACTUAL).mean())


def test_unknown_labels_count_nowhere():
    actual, predicted = np.array([1, -1, 0, 1]), np.array([1, 1, 1, 0])
    found = label_score(actual, predicted, 1)
    assert (found.precision, found.recall, found.count) == (0.5, 0.5, 2)
    assert accuracy(actual, predicted) == pytest.approx(1 / 3)
    assert label_score(actual, predicted, 3).f1 == 0.0


def test_the_paired_test_tells_a_better_tagger_from_an_equal_one():
    worse, better, equal = labels(1, 0.5, ACTUAL), labels(2, 0.6, ACTUAL), labels(3, 0.5, ACTUAL)
    difference, p_value = paired_f1(ACTUAL, worse, better, 1)
    assert difference == pytest.approx(label_score(ACTUAL, better, 1).f1 - label_score(ACTUAL, worse, 1).f1)
    assert p_value < 0.01
    assert paired_f1(ACTUAL, worse, equal, 1)[1] > 0.05
    assert paired_f1(ACTUAL, worse, worse, 1) == (0.0, 1.0)
