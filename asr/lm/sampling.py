"""Sentences drawn from a language model, word by word, from all words or from the most probable ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asr.errors import ConfigError
from asr.lm.word_model import END
from asr.text.lm_units import WORD_END, Units

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
                "`temperature` and `max_words` must be above 0 (and finite), `top_k` 0 or more, `top_p` above "
                "0 and at most 1."
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


class NextWords(Protocol):
    """A language model that gives the probability of every word after a history.

    A state stands for a history. It is opaque: only the model that returned it may be given it again.
    """

    @property
    def words(self) -> list[str]:
        """The words; the id of each is its place."""
        ...

    @property
    def never(self) -> list[int]:
        """Ids of what is no word to draw: the unknown one, the beginning of a sentence."""
        ...

    def start(self) -> Any:
        """The state at the beginning of a sentence."""
        ...

    def next_scores(self, state: Any) -> Floats:
        """ln P of every word after a state (words,)."""
        ...

    def after(self, state: Any, word: int) -> Any:
        """The state after one more word."""
        ...


class Sampler:
    """Draws sentences from a model. units: those of a model of characters or subwords."""

    def __init__(
        self, model: NextWords, units: Units | None = None, sampling: Sampling | None = None, seed: int = 1
    ) -> None:
        self.sampling = sampling or Sampling()
        self._model, self._units = model, units
        self._end = model.words.index(END)
        self._random = np.random.default_rng(seed)

    def draw(self) -> str:
        """A sentence; the unknown word is never drawn."""
        drawn: list[str] = []
        words, state = 0, self._model.start()
        while words < self.sampling.max_words and len(drawn) < LONGEST_WORD * self.sampling.max_words:
            index = self._choice(self._model.next_scores(state))
            if index == self._end:
                break
            drawn.append(self._model.words[index])
            words += self._units is None or drawn[-1].endswith(WORD_END)
            state = self._model.after(state, index)
        return " ".join(drawn) if self._units is None else "".join(drawn).replace(WORD_END, " ").strip()

    def _choice(self, scores: Floats) -> int:
        scores = scores / self.sampling.temperature
        scores[self._model.never] = -np.inf
        scores = kept_scores(scores, self.sampling.top_k, self.sampling.top_p)
        return int((scores + self._random.gumbel(size=len(scores))).argmax())  # the Gumbel-max trick


def load_sampler(path: str | Path, sampling: Sampling | None = None, seed: int = 1) -> Sampler:
    """A sampler of an LSTM language model's folder or a file of n-grams. Raises TextError or CheckpointError."""
    path = Path(path)
    if path.is_dir():
        from asr.lm.lstm.folder import load_lm
        from asr.lm.lstm.next_words import LstmNextWords

        folder = load_lm(path)
        return Sampler(LstmNextWords(folder), folder.units, sampling, seed)
    from asr.lm.ngram.files import read_ngrams
    from asr.lm.ngram.next_words import NgramNextWords

    return Sampler(NgramNextWords(read_ngrams(path), str(path)), None, sampling, seed)
