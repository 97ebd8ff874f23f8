"""Confidences of words as log-odds, and in the context of their utterance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decode.hypothesis import UNSURE

SMALLEST = -50.0  # log-probability that an entropy is computed with: nothing of a smaller one is seen in it
FARTHEST = 500.0  # log-odds from 0, beyond which they are as good as infinite

Floats = NDArray[np.float64]


def logit(confidences: Floats) -> Floats:
    """Log-odds of probabilities, which are taken to lie at least `UNSURE` from 0 and 1."""
    values = np.clip(confidences, UNSURE, 1 - UNSURE)
    return np.asarray(np.log(values) - np.log1p(-values))


def in_context(confidences: Floats, bias: float, context: float, shift: float = 0.0) -> Floats:
    """The confidences (words,) of an utterance's words as its whole bears on them.

    Each is s(bias + z) and becomes s(bias + z + context * the mean of z + shift).
    """
    if not (context or shift) or not len(confidences):
        return confidences
    log_odds = logit(confidences)
    moved = log_odds + context * (log_odds.mean() - bias) + shift
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(moved, -FARTHEST, FARTHEST))))


class MeanEntropy:
    """The mean over frames of the entropy of a network's outputs, in nats; 0 before the first frame.

    In noise and in rooms a network spreads its probability over more tokens: that tells of words that are wrong where
    the search's posterior does not.
    """

    def __init__(self) -> None:
        self._sum, self._frames = 0.0, 0

    def feed(self, log_probs: NDArray[np.floating]) -> MeanEntropy:
        """Take in the next frames (frames, tokens); returns itself."""
        values = np.maximum(log_probs, SMALLEST)
        self._sum -= float(np.einsum("ft,ft->", np.exp(values), values))
        self._frames += len(values)
        return self

    @property
    def value(self) -> float:
        return self._sum / self._frames if self._frames else 0.0
