"""Linear interpolation of language models, with weights by expectation-maximisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.errors import TextError

STEPS, CLOSE_ENOUGH = 200, 1e-7


def mixture_log_probs(log_probs: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln P (words,) of a mixture, for natural logs `log_probs` (models, words) and `weights` (models,).

    A model that has none for a word (NaN) adds nothing to its probability; NaN where no model has one.
    """
    known = ~np.isnan(log_probs)
    with np.errstate(divide="ignore"):
        parts = np.where(known, log_probs, -np.inf) + np.log(weights)[:, None]
    return np.where(known.any(axis=0), np.logaddexp.reduce(parts, axis=0), np.nan)


def of_known_words(log_probs: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """ln P `log_probs` (models, words), minus infinity where a model lacks a word that another one of them has.

    Such a model's ln P is that of all unknown words together. Taken for that of the word it would make the model of the
    fewest words the best. Of a word that no model has they may be compared. known: (models, words).
    """
    return np.where(~known & known.any(axis=0), -np.inf, log_probs)


def comparable_words(log_probs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which words (words,) all models have a ln P of, `log_probs` (models, words), that one of them thinks possible."""
    return np.asarray(~np.isnan(log_probs).any(axis=0) & np.isfinite(log_probs).any(axis=0))


def mixture_weights(log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights (models,) of the mixture under which the words, of ln P `log_probs` (models, words), are likeliest.

    Expectation-maximisation (Jelinek & Mercer 1980): each step gives a model its mean share in the probability of the
    words; there is a single maximum. Words for which a model has no ln P (NaN) are left out. Raises TextError if no
    word is left.
    """
    known = log_probs[:, comparable_words(log_probs)]
    if not known.shape[1]:
        raise TextError("no word of the text is known to all the models; do they differ in case?")
    weights = np.full(len(known), 1 / len(known))
    for _ in range(STEPS):
        with np.errstate(divide="ignore"):
            shares = np.exp(known + np.log(weights)[:, None] - mixture_log_probs(known, weights))
        before, weights = weights, shares.mean(axis=1)
        if np.abs(weights - before).max() < CLOSE_ENOUGH:
            break
    return np.asarray(weights / weights.sum())
