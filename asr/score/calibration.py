"""Whether confidences mean what they say: a word of confidence 0.8 should be right in 80 of 100 cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asr.score.edit_distance import DELETE, EQUAL, align

BINS = 10


def words_right(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> list[bool]:
    """For each word of the hypotheses, in order, whether the alignment with its reference finds it right."""
    alignments = align(references, hypotheses)
    return [edit.kind == EQUAL for alignment in alignments for edit in alignment.edits if edit.kind != DELETE]


def expected_calibration_error(confidences: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Mean distance of confidence and share of right words over equally wide bins, weighted by their words.

    Guo et al. 2017, equation 3; a fraction. 0 where there is no word.
    """
    values, hits = np.asarray(confidences, np.float64), np.asarray(right, np.float64)
    if not len(values):
        return 0.0
    index = np.minimum((values * bins).astype(int), bins - 1)
    gaps = np.bincount(index, values, bins) - np.bincount(index, hits, bins)
    return float(np.abs(gaps).sum() / len(values))


@dataclass(frozen=True)
class Logistic:
    """Probability of being right, s(bias + weights . features)."""

    bias: float
    weights: tuple[float, ...]

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (rows,) of features (rows, values)."""
        return np.asarray(1 / (1 + np.exp(-(self.bias + features @ np.array(self.weights)))))


def fit_logistic(features: NDArray[np.float64], right: NDArray[np.bool_]) -> Logistic:
    """Logistic regression of what was right on features (rows, values), by scikit-learn, hardly regularised.

    Where all or none is right there is nothing to learn: the bias then says so with one half more of each kind.
    """
    if right.all() or not right.any():
        share = (right.sum() + 0.5) / (len(right) + 1)
        return Logistic(float(np.log(share / (1 - share))), (0.0,) * features.shape[1])
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=1e4, max_iter=1000).fit(features, right)
    return Logistic(float(found.intercept_[0]), tuple(float(weight) for weight in found.coef_[0]))
