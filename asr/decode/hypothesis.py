"""What decoding returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr._native import are_log_probs
from asr.errors import TextError

SUMMED_FRAMES = 50  # checked to sum to one, spread evenly over an utterance
LOG_SUM_TOLERANCE = 0.1  # nats by which a frame's probabilities may miss a sum of one (float16 storage)
UNSURE = 1e-4  # a posterior is taken to lie at least that far from 0 and 1


class Word(NamedTuple):
    """A recognised word; times in frames of the log-probabilities, `end_frame` exclusive."""

    word: str
    start_frame: int
    end_frame: int
    confidence: float  # posterior probability in the beam, 0..1
    tokens: tuple[tuple[int, int], ...] = ()  # ids of its tokens, each with its first frame


@dataclass(frozen=True)
class Hypothesis:
    """A word sequence and its scores in nats; `score` is the sum of the other three."""

    words: tuple[Word, ...]
    score: float
    acoustic_score: float
    lm_score: float  # weighted
    word_score: float  # reward per word, in all

    @property
    def text(self) -> str:
        return " ".join(word.word for word in self.words)


def check_log_probs(log_probs: NDArray[np.floating], num_tokens: int, name: str = "log-probs") -> NDArray[np.float32]:
    """The array as float32, (frames, tokens). Raises TextError for another shape, NaN, or what are no log-probs."""
    if log_probs.ndim != 2 or log_probs.shape[1] != num_tokens:
        raise TextError(
            f"{name}: the shape {log_probs.shape} does not fit (frames, {num_tokens} tokens); is it of other tokens?"
        )
    values = np.ascontiguousarray(log_probs, dtype=np.float32)
    if are_log_probs(values, SUMMED_FRAMES, LOG_SUM_TOLERANCE):
        return values
    if np.isnan(values).any():
        raise TextError(f"{name}: it holds NaN; compute it again.")
    if values.max() > LOG_SUM_TOLERANCE:
        raise TextError(
            f"{name}: it holds values above 0, so these are no natural-log probabilities; apply log_softmax."
        )
    if len(empty := np.flatnonzero(np.isneginf(values.max(axis=1, initial=-np.inf)))):
        raise TextError(f"{name}: in frame {empty[0]} no token has a probability above zero; compute it again.")
    some = values[:: -(-len(values) // SUMMED_FRAMES)].astype(np.float64)
    with np.errstate(divide="ignore"):
        sums = np.log(np.exp(some).sum(axis=1))
    if np.median(np.abs(sums)) > LOG_SUM_TOLERANCE:
        kind = "probabilities" if values.min() >= 0 else "scores that are not normalised"
        raise TextError(f"{name}: its frames do not sum to one, they look like {kind}; apply log_softmax.")
    return values
