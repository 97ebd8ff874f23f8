"""Confidences of words as log-odds, and in the context of their utterance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decode.hypothesis import UNSURE

Floats = NDArray[np.float64]


def logit(confidences: Floats) -> Floats:
    """Log-odds of probabilities, which are taken to lie at least `UNSURE` from 0 and 1."""
    values = np.clip(confidences, UNSURE, 1 - UNSURE)
    return np.asarray(np.log(values) - np.log1p(-values))


def in_context(confidences: Floats, bias: float, context: float) -> Floats:
    """The confidences (words,) of an utterance's words, each s(bias + z), as s(bias + z + context * the mean of z)."""
    if not context or not len(confidences):
        return confidences
    log_odds = logit(confidences)
    return np.asarray(1.0 / (1.0 + np.exp(-(log_odds + context * (log_odds.mean() - bias)))))
