"""Perplexity of texts under a language model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TextScore:
    """A language model's figures on a text. The end of every sentence counts as a word in both perplexities."""

    perplexity: float  # unknown words at the probability that the model gives them
    perplexity_known: float  # without unknown words
    words: int  # ends of sentences not counted
    sentences: int
    unknown: int
    log_prob: float  # sum of ln P


def score_text(log_probs: NDArray[np.floating], known: NDArray[np.bool_], sentences: int) -> TextScore:
    """Figures of a text from the ln P of its words and ends of sentences, (words,), and whether the model knows each.

    An infinite ln P is left out of `perplexity` and `log_prob`.
    """
    finite = np.isfinite(log_probs)
    return TextScore(
        perplexity=round(math.exp(-log_probs[finite].mean()), 2),
        perplexity_known=round(math.exp(-log_probs[known].mean()), 2),
        words=len(log_probs) - sentences,
        sentences=sentences,
        unknown=int((~known).sum()),
        log_prob=round(float(log_probs[finite].sum()), 3),
    )


def render(score: TextScore) -> str:
    """The figures as one line of text."""
    share = score.unknown / max(1, score.words)
    return (
        f"perplexity {score.perplexity} ({score.perplexity_known} without unknown words); "
        f"{score.words:,} words and {score.sentences:,} ends of sentences counted, "
        f"{score.unknown:,} words unknown ({share:.2%})"
    )
