"""Sentences drawn from an LSTM language model, word by word, from all words or from the most probable ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import ConfigError
from asr.lm.lstm.folder import UNKNOWN_ID, LstmLmFolder
from asr.lm.lstm.scorer import END_ID, LstmScorer
from asr.text.lm_units import WORD_END

Floats = NDArray[np.float64]

LONGEST_WORD = 50  # units, on average over a sentence: what ends no words is cut, too


@dataclass(frozen=True)
class Sampling:
    """How sentences are drawn."""

    temperature: float = 1.0  # divides the scores in nats
    top_k: int = 0  # draw from so many most probable words; 0: from all
    top_p: float = 1.0  # draw from the most probable words that have this share of the probability together
    max_words: int = 50  # after which a sentence is cut

    def __post_init__(self) -> None:
        # False of NaN, with which one and the same word would be drawn for ever.
        if not (0 < self.temperature < math.inf and 0 < self.top_p <= 1 and self.top_k >= 0 and self.max_words >= 1):
            raise ConfigError(
                "`temperature` and `max_words` must be above 0, the first finite, `top_k` 0 or more, `top_p` above 0 and "
                "at most 1."
            )


def kept_scores(scores: Floats, top_k: int = 0, top_p: float = 1.0) -> Floats:
    """The scores (words,) in nats, minus infinity for the words that are not to be drawn.

    top_k: the so many most probable words are kept, 0 for all (Fan et al. 2018, section 5.4). top_p: of these, the
    smallest set of most probable words that has at least this share of their probability (nucleus sampling; Holtzman et
    al. 2020, section 3.1). Of equals the first is kept. The scores need not be normalised.
    """
    if not top_k and top_p >= 1:
        return scores
    order = np.argsort(-scores, kind="stable")
    if top_k:
        order = order[:top_k]
    if top_p < 1:
        sums = np.cumsum(np.exp(scores[order] - scores[order[0]]))
        order = order[: 1 + int(np.searchsorted(sums, top_p * sums[-1]))]
    kept = np.full(len(scores), -np.inf)
    kept[order] = scores[order]
    return kept


class Sampler:
    """Draws sentences from the model in a folder."""

    def __init__(self, folder: LstmLmFolder, sampling: Sampling | None = None, seed: int = 1) -> None:
        self.sampling = sampling or Sampling()
        self._scorer, self._units = LstmScorer(folder), folder.units
        self._random = np.random.default_rng(seed)

    def draw(self) -> str:
        """A sentence; the unknown word is never drawn."""
        drawn: list[str] = []
        words, state = 0, self._scorer.start()
        while words < self.sampling.max_words and len(drawn) < LONGEST_WORD * self.sampling.max_words:
            index = self._choice(self._scorer.next_scores(state))
            if index == END_ID:
                break
            drawn.append(self._scorer.words[index])
            words += self._units is None or drawn[-1].endswith(WORD_END)
            state = state.after(index)
        return " ".join(drawn) if self._units is None else "".join(drawn).replace(WORD_END, " ").strip()

    def _choice(self, scores: Floats) -> int:
        scores = scores / self.sampling.temperature
        scores[UNKNOWN_ID] = -np.inf
        scores = kept_scores(scores, self.sampling.top_k, self.sampling.top_p)
        return int((scores + self._random.gumbel(size=len(scores))).argmax())  # the Gumbel-max trick
