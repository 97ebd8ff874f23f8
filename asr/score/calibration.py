"""Calibration of confidences: of the words with confidence 0.8, 80 in 100 should be correct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asr.score.edit_distance import DELETE, EQUAL, align

BINS = 10
LEAST_DEVIATION = 1e-4  # of a feature that is told apart from a constant


def words_right(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> list[bool]:
    """Whether each word of the hypotheses, in order, is correct by the alignment with its reference."""
    alignments = align(references, hypotheses)
    return [edit.kind == EQUAL for alignment in alignments for edit in alignment.edits if edit.kind != DELETE]


def expected_calibration_error(confidences: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3), a fraction; 0 if there is no word.

    It is the mean distance of confidence and accuracy over bins of equal width, weighted by their number of words.
    """
    values, hits = np.asarray(confidences, np.float64), np.asarray(right, np.float64)
    if not len(values):
        return 0.0
    index = np.minimum((values * bins).astype(int), bins - 1)
    gaps = np.bincount(index, values, bins) - np.bincount(index, hits, bins)
    return float(np.abs(gaps).sum() / len(values))


@dataclass(frozen=True)
class Logistic:
    """A logistic regression: the probability of being correct is sigmoid(bias + weights . features)."""

    bias: float
    weights: tuple[float, ...]

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (rows,) of features (rows, values)."""
        return np.asarray(1 / (1 + np.exp(-(self.bias + features @ np.array(self.weights)))))


def fit_logistic(features: NDArray[np.float64], right: NDArray[np.bool_]) -> Logistic:
    """Logistic regression of correctness on features (rows, values), by scikit-learn.

    A normal prior of deviation 1 holds the weights of standardised features, so that few rows give no extreme ones. If
    all words are correct, or none, the weights are 0 and the bias gives their share with half a word added to each
    class.
    """
    if right.all() or not right.any():
        share = (right.sum() + 0.5) / (len(right) + 1)
        return Logistic(float(np.log(share / (1 - share))), (0.0,) * features.shape[1])
    from sklearn.linear_model import LogisticRegression

    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), LEAST_DEVIATION)
    model = LogisticRegression(C=1.0, max_iter=1000).fit((features - mean) / deviation, right)
    weights = model.coef_[0] / deviation
    return Logistic(float(model.intercept_[0] - weights @ mean), tuple(weights.tolist()))
