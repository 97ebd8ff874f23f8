"""Scores of taggers: precision, recall and F1 of each label, and a paired test of two taggers on the same words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES, CHUNK = 10_000, 500
BLOCK = 100  # words that are swapped together: errors within a sentence are not independent


@dataclass(frozen=True)
class LabelScore:
    """Figures of one label; rates are fractions, 0 where nothing was found or there was nothing to find."""

    precision: float
    recall: float
    f1: float
    count: int  # of the label in the reference


def label_score(actual: NDArray[np.integer], predicted: NDArray[np.integer], label: int) -> LabelScore:
    """Precision, recall and F1 of a label. actual, predicted: (words,), -1 in `actual` where it is not known."""
    right, named, present = _counts(actual, predicted, label).sum(axis=0)
    precision, recall = right / max(1, named), right / max(1, present)
    return LabelScore(float(precision), float(recall), _f1(right, named, present), int(present))


def accuracy(actual: NDArray[np.integer], predicted: NDArray[np.integer]) -> float:
    """The share of words with the right label among those whose label is known."""
    known = actual >= 0
    return float((actual == predicted)[known].mean()) if known.any() else 0.0


def paired_f1(
    actual: NDArray[np.integer], first: NDArray[np.integer], second: NDArray[np.integer], label: int, seed: int = 0
) -> tuple[float, float]:
    """F1 of a label by the second tagger minus that by the first, and the two-sided p-value of no difference.

    A permutation test that swaps the taggers' labels in random blocks of `BLOCK` words (Noreen 1989; Yeh 2000).
    """
    counts = np.stack([_blocks(_counts(actual, labels, label)) for labels in (first, second)])  # (2, blocks, 3)
    total, moved = counts.sum(axis=1), counts[1] - counts[0]
    observed = _f1(*total[1]) - _f1(*total[0])
    random = np.random.default_rng(seed)
    reached = 0
    for _ in range(RESAMPLES // CHUNK):
        swapped = random.integers(0, 2, (CHUNK, len(moved)))
        change = swapped @ moved  # (resamples, 3)
        drawn = _f1s(total[1] - change) - _f1s(total[0] + change)
        reached += int((np.abs(drawn) >= abs(observed) - 1e-12).sum())
    return observed, (reached + 1) / (RESAMPLES + 1)


def _counts(actual: NDArray[np.integer], predicted: NDArray[np.integer], label: int) -> NDArray[np.int64]:
    """Of each word (words, 3): whether the label is right, was given, is there."""
    known = actual >= 0
    given, present = known & (predicted == label), actual == label
    return np.stack([given & present, given, present], axis=1).astype(np.int64)


def _blocks(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    sums: NDArray[np.int64] = np.add.reduceat(counts, np.arange(0, len(counts), BLOCK), axis=0)
    return sums


def _f1(right: float, named: float, present: float) -> float:
    return float(2 * right / max(1, named + present))


def _f1s(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = 2 * counts[:, 0] / np.maximum(1, counts[:, 1] + counts[:, 2])
    return values
