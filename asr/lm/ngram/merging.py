"""One back-off model of several: static linear interpolation, as SRILM's `ngram -mix-lm` does it (Stolcke 2002).

Every n-gram that one of the models lists gets the weighted sum of what all models say of it; the back-off weights are
made anew, so that the words after each history sum to one. Of n-grams that no model lists the sum of the models is only
approached: the histories of all share one back-off weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import TextError
from asr.lm.ngram.arpa import ArpaModel
from asr.lm.ngram.counts import BEGIN, END, UNKNOWN
from asr.lm.ngram.pruning import backoff_weights, prune_in_memory

SIGNS = (BEGIN, END, UNKNOWN)  # in ARPA files, and no words
LEAST_KNOWN = 0.5  # of the words of a text that pruning counts in
TOKENS_AT_ONCE = 4_000_000  # of a text whose histories are counted
Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass
class _Level:
    """All n-grams of one order that a model lists, or that begin or end a longer one; sorted."""

    rows: Ids  # (n-grams, order)
    last: Ids
    prefix: Ids  # places in the level below
    suffix: Ids


def merge(
    models: Sequence[ArpaModel],
    weights: Sequence[float],
    threshold: float = 0.0,
    texts: Sequence[Iterable[str]] = (),
) -> ArpaModel:
    """The interpolated model; a word that a model lacks has no probability there.

    threshold: then leave out n-grams whose absence raises the perplexity by less than this share (`ngram.pruning`);
    texts: for that, the sentences that each model was estimated from. Raises TextError if there is not one weight, and
    with a threshold one text, for each model.
    """
    if len(models) != len(weights) or not models:
        raise TextError("interpolation needs one weight for each model.")
    if threshold > 0 and len(texts) != len(models):
        raise TextError("pruning an interpolated model needs one text for each model.")
    words = list(dict.fromkeys(word for model in models for word in model.words))
    levels, kept, probabilities = _mixed(words, models, weights)
    if threshold > 0 and len(levels) > 1:  # unigrams are never left out
        frequencies = _frequencies(words, levels[:-1], weights, texts)
        kept = prune_in_memory(levels, kept, probabilities, frequencies, threshold)
    return _listed(words, levels, kept, probabilities, backoff_weights(levels, kept, probabilities))


def _mixed(
    words: list[str], models: Sequence[ArpaModel], weights: Sequence[float]
) -> tuple[list[_Level], list[NDArray[np.bool_]], list[Floats]]:
    """The n-grams of each order, whether a model lists them, and their interpolated probabilities."""
    ids = {word: index for index, word in enumerate(words)}
    places = [np.array([ids[word] for word in model.words], np.int64) for model in models]
    levels = _levels([[place[grams] for grams in model.grams] for model, place in zip(models, places, strict=True)])
    probabilities: list[Floats] = [np.zeros(len(level.rows)) for level in levels]
    kept: list[NDArray[np.bool_]] = [np.zeros(len(level.rows), bool) for level in levels]
    for model, place, weight in zip(models, places, weights, strict=True):
        effective: Floats = np.zeros(0)
        backoffs: Floats = np.zeros(0)
        for order, level in enumerate(levels):
            said, after = np.full(len(level.rows), np.nan), np.ones(len(level.rows))
            if order < model.order:
                listed = _places(levels, place[model.grams[order]])
                said[listed] = np.exp(model.log_probs[order].astype(np.float64))
                after[listed] = np.exp(model.backoffs[order].astype(np.float64))
                kept[order][listed] = True
            lower = backoffs[level.prefix] * effective[level.suffix] if order else np.zeros(len(level.rows))
            effective, backoffs = np.where(np.isnan(said), lower, said), after
            probabilities[order] += weight * effective
    return levels, kept, probabilities


def _levels(grams: Sequence[Sequence[Ids]]) -> list[_Level]:
    """The levels of n-grams in common ids, closed under leaving out the first or the last word."""
    order = max(map(len, grams))
    rows: list[Ids] = []
    for length in range(order, 0, -1):
        parts = [levels[length - 1] for levels in grams if length <= len(levels)]
        if rows:
            parts += [rows[0][:, 1:], rows[0][:, :-1]]
        rows.insert(0, np.unique(np.concatenate(parts), axis=0))
    levels: list[_Level] = []
    for found in rows:
        nowhere = np.zeros(len(found), np.int64)
        below = found.shape[1] > 1
        prefix = _places(levels, found[:, :-1]) if below else nowhere
        suffix = _places(levels, found[:, 1:]) if below else nowhere
        levels.append(_Level(found, found[:, -1], prefix, suffix))
    return levels


def _places(levels: Sequence[_Level], rows: Ids) -> Ids:
    """Where n-grams stand in their level, which holds them all."""
    words = len(levels[0].rows)
    place = rows[:, 0]
    for column in range(1, rows.shape[1]):
        level = levels[column]
        place = np.searchsorted(level.prefix * words + level.last, place * words + rows[:, column])
    return place


def _frequencies(
    words: list[str], levels: Sequence[_Level], weights: Sequence[float], texts: Sequence[Iterable[str]]
) -> list[Floats]:
    """How often each n-gram of some orders stands in the texts, a share of all tokens, weighted as the models are."""
    frequencies: list[Floats] = [np.zeros(len(level.rows)) for level in levels]
    for number, (text, weight) in enumerate(zip(texts, weights, strict=True), 1):
        counts: list[Ids] = [np.zeros(len(level.rows), np.int64) for level in levels]
        for tokens in _tokens(words, text):
            place = tokens
            for index, level in enumerate(levels):
                if index:
                    place = _longer(level, place[:-1], tokens[index:], len(words))
                counts[index] += np.bincount(place[place >= 0], minlength=len(level.rows))
        _check_known(counts[0], words, number)
        for total, count in zip(frequencies, counts, strict=True):
            total += weight * count / max(counts[0].sum(), 1)
    return frequencies


def _check_known(counts: Ids, words: list[str], number: int) -> None:
    """Raise TextError if most words of a text are unknown: nearly all n-grams would be left out for want of counts."""
    signs = {sign: int(counts[words.index(sign)]) for sign in SIGNS if sign in words}
    known = int(counts.sum()) - sum(signs.values())
    every = known + signs.get(UNKNOWN, 0)
    if known < LEAST_KNOWN * every or not known:
        raise TextError(
            f"of text {number} for pruning, the models know {known:,} of {every:,} words; is it another text, or in "
            "another case?"
        )


def _tokens(words: list[str], text: Iterable[str]) -> Iterator[Ids]:
    """The words of a text, each sentence between <s> and </s>, in arrays of whole sentences; -1: no word."""
    ids = {word: index for index, word in enumerate(words)}
    begin, end, unknown = (ids.get(sign, -1) for sign in (BEGIN, END, UNKNOWN))
    pending: list[int] = []
    for sentence in text:
        pending += [begin, *(ids.get(word, unknown) for word in sentence.split()), end]
        if len(pending) >= TOKENS_AT_ONCE:
            yield np.array(pending, np.int64)
            pending.clear()
    yield np.array(pending, np.int64)


def _longer(level: _Level, places: Ids, last: Ids, words: int) -> Ids:
    """Where n-grams stand in their level, from the places of their beginnings (-1: nowhere) and their last words."""
    if not len(level.rows):
        return np.full(len(places), -1, np.int64)
    known = level.prefix * words + level.last  # in order
    wanted = places * words + last
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where((places >= 0) & (last >= 0) & (known[found] == wanted), found, -1)


def _listed(
    words: list[str],
    levels: Sequence[_Level],
    kept: Sequence[NDArray[np.bool_]],
    probabilities: Sequence[Floats],
    backoffs: Sequence[Floats],
) -> ArpaModel:
    def logs(values: Floats, keep: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.log(np.maximum(values[keep], 1e-99)).astype(np.float32)

    return ArpaModel(
        words,
        [level.rows[keep].astype(np.int32) for level, keep in zip(levels, kept, strict=True)],
        [logs(values, keep) for values, keep in zip(probabilities, kept, strict=True)],
        [logs(values, keep) for values, keep in zip(backoffs, kept, strict=True)],
    )
