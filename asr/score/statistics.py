"""Bootstrap intervals of word error rates, and a paired test between two systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
DRAWN_AT_ONCE = 4_000_000  # utterances, in all resamples of a chunk: bounds memory
CHUNK = 500  # resamples of a chunk, at most
MIN_GROUPS = 3  # with fewer speakers an interval over speakers is meaningless
MIN_TESTED = 6  # of fewer speakers no permutation has a p-value below 0.05: 2 of 2**5 are as extreme as any


@dataclass(frozen=True)
class Interval:
    """A 95% interval."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedTest:
    """Second system minus first: difference of error rates (negative: the second is better)."""

    difference: float
    interval: Interval
    p_value: float  # two-sided, of no difference
    better: int  # utterances where the second system makes fewer errors
    worse: int
    speakers: int | None = None  # how many were drawn and permuted as wholes; None: utterances were


def bootstrap_interval(
    errors: Sequence[int], lengths: Sequence[int], groups: Sequence[str] | None = None, seed: int = 0
) -> Interval | None:
    """95% percentile interval of sum(errors) / sum(lengths) (Bisani & Ney 2004), or None with too little to resample.

    groups: the speaker of each utterance; whole speakers are then resampled, otherwise utterances.
    """
    sums = _grouped(errors, lengths, groups)
    if len(sums) < (MIN_GROUPS if groups is not None else 2):
        return None
    rates = _resampled(sums, seed)
    return Interval(*np.percentile(rates, [2.5, 97.5]).tolist())


def paired_test(
    first: Sequence[int],
    second: Sequence[int],
    lengths: Sequence[int],
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> PairedTest:
    """Comparison of two systems on the same utterances, from their errors and the reference lengths.

    The interval of the difference is by bootstrap; the p-value is that of a permutation test which swaps the systems'
    errors on random utterances (Noreen 1989). groups: the speaker of each utterance; whole speakers are then drawn and
    swapped, since the utterances of one are not independent, unless there are fewer than `MIN_TESTED`.
    """
    speakers = None if groups is None else len(set(groups))
    if speakers is not None and speakers < MIN_TESTED:
        groups = speakers = None
    difference = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    total = max(1, int(np.sum(lengths)))
    sums = _grouped(difference, lengths, groups)
    rates = _resampled(sums, seed)
    random = np.random.default_rng(seed + 1)
    observed = abs(difference.sum())
    nonzero = sums[sums[:, 0] != 0, 0]
    reached = 0
    for size in _chunks(len(nonzero)):
        signs = random.integers(0, 2, (size, len(nonzero))) * 2 - 1
        reached += int((np.abs(signs @ nonzero) >= observed - 1e-9).sum())
    return PairedTest(
        float(difference.sum()) / total,
        Interval(*np.percentile(rates, [2.5, 97.5]).tolist()),
        (reached + 1) / (RESAMPLES + 1),
        int((difference < 0).sum()),
        int((difference > 0).sum()),
        speakers,
    )


def _chunks(units: int) -> list[int]:
    """How many resamples of so many units to draw at a time: `RESAMPLES` in all."""
    size = min(CHUNK, max(1, DRAWN_AT_ONCE // max(1, units)))
    return [min(size, RESAMPLES - start) for start in range(0, RESAMPLES, size)]


def _grouped(errors: ArrayLike, lengths: ArrayLike, groups: Sequence[str] | None) -> NDArray[np.float64]:
    """Errors and reference lengths of each utterance, or of each group: (units, 2)."""
    pairs = np.stack([np.asarray(errors, np.float64), np.asarray(lengths, np.float64)], axis=1)
    if groups is None:
        return pairs
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.zeros((index.max() + 1, 2))
    np.add.at(sums, index, pairs)
    return sums


def _resampled(sums: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """The error rate of each bootstrap sample, (RESAMPLES,)."""
    random = np.random.default_rng(seed)
    rates = []
    for size in _chunks(len(sums)):
        draws = sums[random.integers(0, len(sums), (size, len(sums)))].sum(axis=1)
        rates.append(draws[:, 0] / np.maximum(draws[:, 1], 1))
    return np.concatenate(rates)
