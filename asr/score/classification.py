"""Scores of classifiers: accuracy with its interval, F1, confusions, and a test between two classifiers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.score.calibration import expected_calibration_error
from asr.score.statistics import Interval


@dataclass(frozen=True)
class ClassScore:
    """Figures of one classifier on one set; rates are fractions."""

    accuracy: float
    interval: Interval  # 95%, of the accuracy
    macro_f1: float
    confusion: NDArray[np.int64]  # (actual, predicted)
    calibration_error: float | None


def score_classes(
    actual: NDArray[np.int64],
    predicted: NDArray[np.int64],
    classes: int,
    confidences: NDArray[np.floating] | None = None,
) -> ClassScore:
    """Scores of predicted class numbers; confidences: the probability of each prediction, for the calibration error."""
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (actual, predicted), 1)
    hits = int(np.trace(confusion))
    right = np.diag(confusion)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    scores = np.divide(2 * right, total, out=np.zeros(classes), where=total > 0)
    error = None if confidences is None else expected_calibration_error(confidences, actual == predicted)
    return ClassScore(
        hits / len(actual), wilson_interval(hits, len(actual)), float(scores[total > 0].mean()), confusion, error
    )


def wilson_interval(hits: int, count: int) -> Interval:
    """95% interval of a share (Wilson 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(hits, count).proportion_ci(method="wilson")
    return Interval(float(interval.low), float(interval.high))


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> float:
    """Two-sided p-value of equal accuracy of two classifiers on the same items (McNemar 1947, exact binomial)."""
    from scipy.stats import binomtest

    only_first, only_second = int((first_right & ~second_right).sum()), int((~first_right & second_right).sum())
    if not only_first + only_second:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)
