"""One back-off model of several: static linear interpolation, as SRILM's `ngram -mix-lm` does it (Stolcke 2002).

Every n-gram that one of the models lists gets the weighted sum of what all models say of it; the back-off weights are
made anew, so that the words after each history sum to one. Of n-grams that no model lists the sum of the models is only
approached: the histories of all share one back-off weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import TextError
from asr.lm.ngram.arpa import ArpaModel
from asr.lm.ngram.pruning import backoff_weights

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass
class _Level:
    """All n-grams of one order that a model lists, or that begin or end a longer one; sorted."""

    rows: Ids  # (n-grams, order)
    last: Ids
    prefix: Ids  # places in the level below
    suffix: Ids


def merge(models: Sequence[ArpaModel], weights: Sequence[float]) -> ArpaModel:
    """The interpolated model; a word that a model lacks has no probability there.

    Raises TextError if there is not one weight for each model.
    """
    if len(models) != len(weights) or not models:
        raise TextError("interpolation needs one weight for each model.")
    words = list(dict.fromkeys(word for model in models for word in model.words))
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
    return _listed(words, levels, kept, probabilities, backoff_weights(levels, kept, probabilities))


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
