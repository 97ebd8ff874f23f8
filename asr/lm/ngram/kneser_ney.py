"""Estimation of n-gram models: interpolated modified Kneser-Ney (Chen & Goodman 1998), as KenLM's lmplz computes it.

    p(w | h) = (a(h w) - D(a)) / S(h) + g(h) p(w | h without its first word)

a is the count for the highest order and for n-grams that begin with <s>, else the number of different words seen before
the n-gram; S(h) sums a over the words after h; D depends on a (1, 2, 3 and more) and the order; g(h) is the mass taken
off, including that of n-grams cut off. Unigrams are interpolated with the uniform distribution.

Everything but the words lies on disk and is worked on block by block: the text may be larger than the memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.callbacks import Note
from asr.errors import TextError
from asr.lm.ngram.arpa import LN10, ArpaModel
from asr.lm.ngram.counts import (
    BEGIN,
    BEGIN_ID,
    END,
    END_ID,
    SIGNS,
    UNKNOWN,
    Corpus,
    Level,
    Steps,
    blocks_of_histories,
    count,
    no_steps,
)
from asr.lm.ngram.disk_arrays import DiskArray, Workspace, count_places, gather
from asr.lm.ngram.pruning import backoff_weights_on_disk, prune

__all__ = ["BEGIN", "END", "SIGNS", "UNKNOWN", "Corpus", "DiskModel", "estimate", "estimate_on_disk"]

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)  # lmplz --discount_fallback, for corpora too small to estimate them
MAX_ORDER = 5
BEGIN_LOG10 = -99.0  # <s> is never predicted
LEAST_PROBABILITY = 1e-99


@dataclass(frozen=True)
class DiskModel:
    """An `ArpaModel` whose arrays lie on disk; a range of rows is read by slicing."""

    words: list[str]
    grams: list[DiskArray]
    log_probs: list[DiskArray]
    backoffs: list[DiskArray]

    @property
    def order(self) -> int:
        return len(self.grams)

    def in_memory(self) -> ArpaModel:
        """The whole model in memory."""
        grams = [array[:].reshape(-1, order) for order, array in enumerate(self.grams, 1)]
        log_probs, backoffs = ([array[:] for array in arrays] for arrays in (self.log_probs, self.backoffs))
        return ArpaModel(self.words, grams, log_probs, backoffs)


def estimate(
    corpus: Corpus, order: int, cutoffs: Sequence[int] = (), note: Note | None = None, threshold: float = 0.0
) -> ArpaModel:
    """As `estimate_on_disk`, the model in memory."""
    return estimate_on_disk(corpus, order, cutoffs, note, threshold).in_memory()


def estimate_on_disk(
    corpus: Corpus,
    order: int,
    cutoffs: Sequence[int] = (),
    note: Note | None = None,
    threshold: float = 0.0,
    steps: Steps = no_steps,
) -> DiskModel:
    """Estimate a model of `order` (1 to 5), in the memory and folder of the corpus's workspace.

    cutoffs: for each order the count at or below which n-grams are left out (the last value goes for all higher orders;
    the first, of unigrams, must be 0; they may not decrease). Their mass goes to the back-off. threshold: then leave
    out n-grams whose absence raises the perplexity by less than this share (`ngram.pruning`). Raises TextError for
    values that cannot be.
    """
    limits = _limits(order, cutoffs)
    space = corpus.space
    levels = count(corpus, order, steps)
    model = _Estimation(space, corpus.allowed, levels)
    for index in range(order):
        model.add_order(limits[index], note, steps, keep_lower=threshold > 0)
    if threshold > 0:
        model.present = prune(space, levels, model.present, model.probabilities, model.lowers, threshold, steps)
        model.backoffs = backoff_weights_on_disk(space, levels, model.present, model.probabilities, steps)
    return _as_model(list(corpus.ids), model, steps)


class _Estimation:
    """The probabilities of a model, order by order from the lowest."""

    def __init__(self, space: Workspace, allowed: NDArray[np.bool_], levels: list[Level]) -> None:
        self.space, self.allowed, self.levels = space, allowed, levels
        self.present: list[DiskArray] = []  # which n-grams the model has
        self.probabilities: list[DiskArray] = []
        self.lowers: list[DiskArray] = []  # of the last word after the history without its first word
        self.backoffs: list[DiskArray] = []  # of histories: one order lower

    def add_order(self, limit: int, note: Note | None, steps: Steps, keep_lower: bool) -> None:
        """The next order; n-grams with counts of at most `limit` are left out."""
        index = len(self.probabilities)
        adjusted = self._adjusted(index)
        start = END_ID if index == 0 else 0  # neither <unk> nor <s> is predicted
        discounts = _discounts(self._counts_of_counts(adjusted, start), index + 1, note)
        if index == 0:
            self._add_unigrams(adjusted[:], discounts)
            return
        present = self._present(index, limit)
        lowers = gather(self.space, self.probabilities[-1], self.levels[index].suffix)
        probabilities, backoffs = self.space.array(np.float64), self.space.array(np.float64)
        level = self.levels[index]
        for rows, histories in blocks_of_histories(self.space, level, len(self.levels[index - 1])):
            history = level.history_and_last(rows.start, rows.stop)[0] - histories.start
            size = histories.stop - histories.start
            direct, gamma = _interpolated(history, size, adjusted[rows], present[rows], discounts)
            used = np.bincount(history[present[rows]], minlength=size) > 0
            probabilities.append(direct + gamma[history] * lowers[rows])
            backoffs.append(np.where(used, gamma, 1.0))
            steps(f"probabilities of {index + 1}-grams", rows.stop, len(level))
        adjusted.close()
        if not keep_lower:
            lowers.close()
        self.present.append(present)
        self.probabilities.append(probabilities)
        self.lowers.append(lowers)
        self.backoffs.append(backoffs)

    def _add_unigrams(self, adjusted: NDArray[np.int64], discounts: NDArray[np.float64]) -> None:
        adjusted = adjusted.copy()
        adjusted[BEGIN_ID] = 0  # never predicted
        history = np.zeros(len(adjusted), np.int64)
        direct, gamma = _interpolated(history, 1, adjusted, self.allowed, discounts)
        uniform = np.full(len(adjusted), 1.0 / (self.allowed.sum() - 1))
        for arrays, values in (
            (self.present, self.allowed), (self.probabilities, direct + gamma[history] * uniform),
            (self.lowers, uniform),
        ):  # fmt: skip
            arrays.append(self.space.array(values.dtype))
            arrays[-1].append(values)

    def _adjusted(self, index: int) -> DiskArray:
        """Of the n-grams of an order: counts, or numbers of different words before."""
        level = self.levels[index]
        if index == len(self.levels) - 1:
            return _copy(self.space, level.counts)
        adjusted = count_places(self.space, self.levels[index + 1].suffix, len(level))
        begin, end = level.begins
        for start, stop in self.space.blocks(end - begin):
            adjusted.write(begin + start, level.counts[begin + start : begin + stop])
        return adjusted

    def _counts_of_counts(self, adjusted: DiskArray, begin: int) -> NDArray[np.int64]:
        """How many n-grams from `begin` on have the counts 0 to 4."""
        totals = np.zeros(6, np.int64)
        for start, stop in self.space.blocks(len(adjusted)):
            totals += np.bincount(np.minimum(adjusted[max(begin, start) : stop], 5), minlength=6)
        return totals[:5]

    def _present(self, index: int, limit: int) -> DiskArray:
        level, present = self.levels[index], self.space.array(np.bool_)
        suffixes = gather(self.space, self.present[-1], level.suffix)
        for start, stop in self.space.blocks(len(level)):
            history, last = level.history_and_last(start, stop)
            first = int(history[0])
            # An n-gram around one that was left out is left out too.
            of_history = self.present[-1][first : int(history[-1]) + 1][history - first]
            present.append((level.counts[start:stop] > limit) & self.allowed[last] & of_history & suffixes[start:stop])
        suffixes.close()
        return present


def _copy(space: Workspace, array: DiskArray) -> DiskArray:
    copy = space.array(array.dtype)
    for start, stop in space.blocks(len(array)):
        copy.append(array[start:stop])
    return copy


def _interpolated(
    history: NDArray[np.int64],
    size: int,
    adjusted: NDArray[np.int64],
    present: NDArray[np.bool_],
    discounts: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Discounted probabilities of n-grams, without those of the lower order, and the mass left by each history."""
    counts = adjusted.astype(np.float64)
    taken = np.minimum(discounts[np.minimum(adjusted, 3)], counts)
    total = np.bincount(history, counts, size)
    freed = np.bincount(history, np.where(present, taken, counts), size)
    gamma = np.divide(freed, total, out=np.ones(size), where=total > 0)
    direct = np.divide(counts - taken, total[history], out=np.zeros(len(counts)), where=total[history] > 0)
    return np.where(present, direct, 0.0), gamma


def _limits(order: int, cutoffs: Sequence[int]) -> list[int]:
    if not 1 <= order <= MAX_ORDER:
        raise TextError(f"the order must lie in 1..{MAX_ORDER}, not {order}.")
    limits = list(cutoffs[:order]) or [0]
    limits += [limits[-1]] * (order - len(limits))
    if limits[0] != 0 or any(left > right for left, right in itertools.pairwise(limits)):
        raise TextError(
            f"cut-offs {' '.join(map(str, cutoffs))}: the first must be 0 and none less than the one before."
        )
    return limits


def _discounts(counts_of_counts: NDArray[np.int64], order: int, note: Note | None) -> NDArray[np.float64]:
    """Discounts of counts 0, 1, 2, 3 and more (Chen & Goodman 1998, equation 26)."""
    n1, n2, n3, n4 = map(int, counts_of_counts[1:])
    if min(n1, n2, n3) > 0:
        share = n1 / (n1 + 2 * n2)
        values = [1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3]
        if all(0 <= value <= limit for value, limit in zip(values, (1, 2, 3), strict=True)):
            return np.array([0.0, *values])
    if note is not None:
        note(f"the text is too small to estimate the discounts of {order}-grams; {FALLBACK_DISCOUNTS} are used instead")
    return np.array([0.0, *FALLBACK_DISCOUNTS])


def _as_model(words: list[str], model: _Estimation, steps: Steps) -> DiskModel:
    """The n-grams that are present, with words numbered anew."""
    space, present = model.space, model.present
    new_ids = (np.cumsum(present[0][:]) - 1).astype(np.int32)  # of the words that stay
    grams: list[DiskArray] = []
    log_probs: list[DiskArray] = []
    log_backoffs: list[DiskArray] = []
    for index, level in enumerate(model.levels):
        grams.append(space.array(np.int32, index + 1))
        log_probs.append(space.array(np.float32))
        log_backoffs.append(space.array(np.float32))
        for start, stop in space.blocks(len(level)):
            keep = present[index][start:stop]
            rows = start + np.flatnonzero(keep)
            grams[-1].append(new_ids[_words(model.levels, index, rows)])
            values = np.log(np.maximum(model.probabilities[index][start:stop], LEAST_PROBABILITY))
            if index == 0 and start <= BEGIN_ID < stop:
                values[BEGIN_ID - start] = BEGIN_LOG10 * LN10
            log_probs[-1].append(values[keep])
            weights = np.ones(stop - start)
            if index + 1 < len(model.levels):
                weights = model.backoffs[index][start:stop]
            log_backoffs[-1].append(np.log(np.maximum(weights[keep], LEAST_PROBABILITY)))
            steps(f"collecting {index + 1}-grams", stop, len(level))
    known = [word for word, keep in zip(words, present[0][:], strict=True) if keep]
    return DiskModel(known, grams, log_probs, log_backoffs)


def _words(levels: list[Level], index: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Word ids of the n-grams of an order in the given rows, which rise: (rows, index + 1)."""
    columns: list[NDArray[np.int64]] = []
    for level in levels[index::-1]:
        if not len(rows):
            return np.zeros((0, index + 1), np.int64)
        first = int(rows[0])
        history, last = level.history_and_last(first, int(rows[-1]) + 1)
        columns.append(last[rows - first])
        rows = history[rows - first]
    return np.stack(columns[::-1], axis=1)
