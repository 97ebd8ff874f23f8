"""Modified Kneser-Ney estimated in memory, which the estimate on disk must equal bit for bit.

    p(w | h) = (a(h w) - D(a)) / S(h) + g(h) p(w | h without its first word)

a is the count for the highest order and for n-grams that begin with <s>, else the number of different words seen before
the n-gram; S(h) sums a over the words after h; D depends on a (1, 2, 3 and more) and the order; g(h) is the mass taken
off, including that of n-grams cut off. Unigrams are interpolated with the uniform distribution.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import TextError
from asr.lm.ngram.arpa import LN10, ArpaModel
from asr.lm.ngram.pruning import backoff_weights

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
SIGNS = (UNKNOWN, BEGIN, END)
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)  # lmplz --discount_fallback, for corpora too small to estimate them
MAX_ORDER = 5
LEAST = 1e-12
BEGIN_LOG10 = -99.0  # <s> is never predicted

Note = Callable[[str], None]


@dataclass
class _Grams:
    """The different n-grams of one order."""

    last: NDArray[np.int64]  # word id of the last word
    prefix: NDArray[np.int64]  # index, one order lower, of the n-gram without its last word
    suffix: NDArray[np.int64]  # index, one order lower, of the n-gram without its first word
    counts: NDArray[np.int64]
    begins: NDArray[np.bool_]  # whether it begins with <s>


class Corpus:
    """Sentences as word ids in one array, each between <s> and </s>.

    Words outside the vocabulary keep ids of their own, as in lmplz: they count as neighbours of other words, and only
    then are left out; `allowed` says which words stay. Words that no sentence has get the share of the discounted mass
    that <unk> gets, each.
    """

    def __init__(self, sentences: Iterable[str], vocabulary: Iterable[str] | None = None, unseen: bool = False) -> None:
        """unseen: also hold the words of the vocabulary that no sentence has. Raises TextError if there is no word."""
        self.ids: dict[str, int] = {sign: index for index, sign in enumerate(SIGNS)}
        chunks: list[NDArray[np.int32]] = []
        pending: list[int] = []
        for sentence in sentences:
            words = sentence.split()
            if not words:
                continue
            pending.append(1)
            for word in words:
                index = self.ids.get(word)
                if index is None:
                    index = self.ids[word] = len(self.ids)
                elif index < len(SIGNS):
                    raise TextError(
                        f"the text holds the sign '{word}' as a word; remove it, sentences get it by themselves."
                    )
                pending.append(index)
            pending.append(2)
            if len(pending) > 1_000_000:
                chunks.append(np.array(pending, np.int32))
                pending = []
        chunks.append(np.array(pending, np.int32))
        self.tokens = np.concatenate(chunks)
        if not len(self.tokens):
            raise TextError("the text holds no word; a language model needs sentences, one a line.")
        self.allowed = np.ones(len(self.ids), bool)  # (words,)
        if vocabulary is not None:
            wanted = set(vocabulary) | set(SIGNS)
            if len(wanted & self.ids.keys()) == len(SIGNS):
                raise TextError("no word of the text is in the vocabulary; are they in different case?")
            if unseen:
                self.ids |= {word: index for index, word in enumerate(sorted(wanted - self.ids.keys()), len(self.ids))}
            self.allowed = np.array([word in wanted for word in self.ids])


def estimate(
    corpus: Corpus, order: int, cutoffs: Sequence[int] = (), note: Note | None = None, threshold: float = 0.0
) -> ArpaModel:
    """Estimate a model of `order` (1 to 5).

    cutoffs: for each order the count at or below which n-grams are left out (the last value goes for all higher orders;
    the first, of unigrams, must be 0; they may not decrease). Their mass goes to the back-off. threshold: then leave
    out n-grams whose absence raises the perplexity by less than this share (`ngram.pruning`). Raises TextError for
    values that cannot be.
    """
    limits = _limits(order, cutoffs)
    levels = _count(corpus, order)
    adjusted = [_adjusted(levels, index) for index in range(order)]
    present = [level.counts > limit for level, limit in zip(levels, limits, strict=True)]
    present[0] = corpus.allowed.copy()
    for index in range(1, order):  # an n-gram around one that was left out is left out too
        level = levels[index]
        present[index] &= (
            corpus.allowed[level.last] & present[index - 1][level.prefix] & present[index - 1][level.suffix]
        )
    probabilities: list[NDArray[np.float64]] = []
    backoffs: list[NDArray[np.float64]] = []
    for index, level in enumerate(levels):
        discounts = _discounts(adjusted[index] if index else adjusted[0][len(SIGNS) - 1 :], index + 1, note)
        counts = adjusted[index].astype(np.float64)
        if index == 0:
            counts[SIGNS.index(BEGIN)] = 0.0  # never predicted
        taken = np.minimum(discounts[np.minimum(adjusted[index], 3)], counts)
        groups = level.prefix if index else np.zeros(len(counts), np.int64)
        size = len(levels[index - 1].last) if index else 1
        total = np.bincount(groups, counts, size)
        freed = np.bincount(groups, np.where(present[index], taken, counts), size)
        gamma = np.divide(freed, total, out=np.ones(size), where=total > 0)
        lower = probabilities[-1][level.suffix] if index else np.full(len(counts), 1.0 / (corpus.allowed.sum() - 1))
        direct = np.divide(counts - taken, total[groups], out=np.zeros(len(counts)), where=total[groups] > 0)
        probabilities.append(np.where(present[index], direct, 0.0) + gamma[groups] * lower)
        if index:
            used = np.bincount(groups[present[index]], minlength=size) > 0
            backoffs.append(np.where(used, gamma, 1.0))
    backoffs.append(np.ones(len(levels[-1].last)))
    if threshold > 0:
        frequencies = [level.counts / levels[0].counts.sum() for level in levels]
        present = prune(levels, present, probabilities, frequencies, threshold)
        backoffs = backoff_weights(levels, present, probabilities)
    return _to_arpa(list(corpus.ids), levels, present, probabilities, backoffs)


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


def _count(corpus: Corpus, order: int) -> list[_Grams]:
    """The different n-grams of orders 1 to `order`."""
    tokens = corpus.tokens.astype(np.int64)
    words = len(corpus.ids)
    starts = np.maximum.accumulate(np.where(tokens == 1, np.arange(len(tokens)), 0))
    place = np.arange(len(tokens)) - starts  # 0 at <s>
    index = tokens  # at each position, the index of the n-gram that ends there
    everything = np.arange(words)
    levels = [
        _Grams(everything, everything, everything, np.bincount(tokens, minlength=words), everything == 1)
    ]  # fmt: skip
    valid = np.ones(len(tokens), bool)
    for length in range(2, order + 1):
        valid = place >= length - 1
        positions = np.flatnonzero(valid)
        keys = index[positions - 1] * words + tokens[positions]
        unique, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        prefix = unique // words
        levels.append(_Grams(unique % words, prefix, index[positions[first]], counts, levels[-1].begins[prefix]))
        new_index = np.zeros(len(tokens), np.int64)
        new_index[positions] = inverse
        index = new_index
    return levels


def _adjusted(levels: list[_Grams], index: int) -> NDArray[np.int64]:
    level = levels[index]
    if index == len(levels) - 1:
        return level.counts
    continuations = np.bincount(levels[index + 1].suffix, minlength=len(level.last))
    return np.where(level.begins, level.counts, continuations)


def _discounts(counts: NDArray[np.int64], order: int, note: Note | None) -> NDArray[np.float64]:
    """Discounts of counts 0, 1, 2, 3 and more (Chen & Goodman 1998, equation 26)."""
    n1, n2, n3, n4 = (int((counts == value).sum()) for value in (1, 2, 3, 4))
    if min(n1, n2, n3) > 0:
        share = n1 / (n1 + 2 * n2)
        found = [1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3]
        if all(0 <= value <= limit for value, limit in zip(found, (1, 2, 3), strict=True)):
            return np.array([0.0, *found])
    if note is not None:
        note(f"the text is too small to estimate the discounts of {order}-grams; {FALLBACK_DISCOUNTS} are used instead")
    return np.array([0.0, *FALLBACK_DISCOUNTS])


def _to_arpa(
    words: list[str],
    levels: list[_Grams],
    present: list[NDArray[np.bool_]],
    probabilities: list[NDArray[np.float64]],
    backoffs: list[NDArray[np.float64]],
) -> ArpaModel:
    grams: list[NDArray[np.int32]] = []
    new_ids = (np.cumsum(present[0]) - 1).astype(np.int32)  # of the words that stay
    expanded = levels[0].last[:, None]
    log_probs, log_backoffs = [], []
    for index, (level, keep) in enumerate(zip(levels, present, strict=True)):
        if index:
            expanded = np.concatenate([expanded[level.prefix], level.last[:, None]], axis=1)
        grams.append(new_ids[expanded[keep]])
        values = np.log(np.maximum(probabilities[index], 1e-99))
        if index == 0:
            values[SIGNS.index(BEGIN)] = BEGIN_LOG10 * LN10
        log_probs.append(values[keep].astype(np.float32))
        log_backoffs.append(np.log(np.maximum(backoffs[index][keep], 1e-99)).astype(np.float32))
    return ArpaModel(
        [word for word, keep in zip(words, present[0], strict=True) if keep], grams, log_probs, log_backoffs
    )


def prune(
    levels: Sequence[_Grams],
    present: Sequence[NDArray[np.bool_]],
    probabilities: Sequence[NDArray[np.float64]],
    frequencies: Sequence[NDArray[np.float64]],
    threshold: float,
) -> list[NDArray[np.bool_]]:
    """Which n-grams of each order stay, of those `present`.

    probabilities: of each n-gram's last word after its history, by order. frequencies: of each n-gram as a history.
    threshold: relative rise of perplexity below which an n-gram goes.
    """
    kept = [mask.copy() for mask in present]
    for index in range(len(levels) - 1, 0, -1):
        rise = relative_entropies(levels[index], present[index], probabilities, frequencies, index)
        goes = kept[index] & (np.expm1(rise) < threshold)
        if index + 1 < len(levels):
            needed = np.zeros(len(goes), bool)
            needed[levels[index + 1].prefix[kept[index + 1]]] = True
            goes &= ~needed  # a history that longer n-grams go on from
        kept[index] &= ~goes
    return kept


def relative_entropies(
    level: _Grams,
    present: NDArray[np.bool_],
    probabilities: Sequence[NDArray[np.float64]],
    frequencies: Sequence[NDArray[np.float64]],
    index: int,
) -> NDArray[np.float64]:
    """Relative entropy, in nats a word, of the model without each n-gram of one order to the model with it."""
    direct, lower = probabilities[index], probabilities[index - 1][level.suffix]
    size = len(frequencies[index - 1])
    left = np.maximum(1 - np.bincount(level.prefix, np.where(present, direct, 0), size), LEAST)[level.prefix]
    left_lower = np.maximum(1 - np.bincount(level.prefix, np.where(present, lower, 0), size), LEAST)[level.prefix]
    before = np.log(left) - np.log(left_lower)
    after = np.log(left + direct) - np.log(left_lower + lower)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = direct * (np.log(lower) + after - np.log(direct)) + left * (after - before)
    return np.asarray(-frequencies[index - 1][level.prefix] * change)
