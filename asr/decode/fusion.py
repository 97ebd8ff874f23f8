"""Language models that score whole batches of words, inside the search and after it.

The search goes on with the n-gram's scores; every few frames the words that have ended since, in hypotheses near the
best, are scored in one batch, and the hypotheses corrected (delayed fusion: the scores in the end are exactly those of
the interpolated model; what was pruned meanwhile is pruned on n-gram scores). Words of hypotheses further below wait
until these come nearer: most are pruned first. States are kept by history, so that no word is scored twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr._native import Ending, PendingWord, SearchSession
from asr.decode.hypothesis import Hypothesis
from asr.errors import ConfigError
from asr.lm.ngram.tables import NgramModel
from asr.lm.word_model import END, WordModel, sentence_scores

Floats = NDArray[np.float64]

UNKNOWN = "<unk>"  # what a word model is asked for in place of words outside the lexicon
# ln P of a word that the model does not know where no n-gram tells: what the shipped one gives to a word of no text.
UNKNOWN_LOG_PROB = -15.0


@dataclass(frozen=True)
class Fusion:
    """A word model and how it is mixed with the n-gram: share * P_model + (1 - share) * P_ngram."""

    model: WordModel
    share: float = 0.5
    every: int = 20  # frames between two batches
    margin: float = 7.0  # nats below the best: words of hypotheses further below wait

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.every < 1:
            raise ConfigError("the neural language model's share must lie in 0..1, and `every` be at least 1.")
        if not self.margin >= 0:
            raise ConfigError("the margin of the neural language model must be 0 nats or more.")

    def mixed(self, neural: Floats, ngram: Floats | None) -> Floats:
        """ln P of the mixture. NaN of `neural`, a word it does not know, leaves the n-gram's; None is no n-gram."""
        if ngram is None:
            return np.where(np.isnan(neural), UNKNOWN_LOG_PROB, neural)
        with np.errstate(divide="ignore", invalid="ignore"):  # a share of 0 or 1; NaN for unknown words
            both = np.logaddexp(neural + np.log(self.share), ngram + np.log1p(-self.share))
        return np.where(np.isnan(neural), ngram, both)


class FusedSession:
    """A search of one utterance that a word model takes part in."""

    def __init__(
        self, search: SearchSession, fusion: Fusion, names: Sequence[str], lm_weight: float, has_ngram: bool
    ) -> None:
        """names: of the search's words, by index, without that of unknown words; lm_weight: of the mixture; has_ngram:
        whether the search has one."""
        self._search, self._fusion, self._names = search, fusion, names
        self._lm_weight, self._has_ngram = lm_weight, has_ngram
        # Without an n-gram, words without a score are no worse than others: none may wait.
        self._margin = fusion.margin if has_ngram else np.inf
        self._states: dict[int, object] = {search.first_history: fusion.model.start()}  # by id of the history

    def feed(self, log_probs: NDArray[np.float32]) -> None:
        """Search on through (frames, tokens); hypotheses are corrected at the same frames whatever the pieces."""
        every = self._fusion.every
        first = 0
        while first < len(log_probs):
            stop = first + every - self._search.frames % every
            self._search.advance(log_probs[first:stop])
            if self._search.frames % every == 0:
                self._correct(self._search.pending(self._margin))
            first = stop

    def final_gains(self) -> list[float]:
        """Correct the hypotheses a last time; what the last word and `</s>` change in each of the search's results.

        Results more than the margin below the best keep the n-gram's scores.
        """
        while self._correct(self._search.pending_at_end(self._margin)):
            pass  # the best may be lower now, and others be within the margin
        endings = self._search.endings()
        states = [self._states.get(ending.history) for ending in endings]
        scores = np.array([ending.score for ending in endings])
        gains, left = np.zeros(len(endings)), np.array([state is not None for state in states])
        while True:
            totals = scores + gains
            rows = np.flatnonzero(left & (totals >= totals.max() - self._margin)).tolist()
            if not rows:
                found: list[float] = gains.tolist()
                return found
            gains[rows] = self._end_gains([states[row] for row in rows], [endings[row] for row in rows])
            left[rows] = False

    def _end_gains(self, states: Sequence[object], endings: Sequence[Ending]) -> Floats:
        """What the last words, where there are any, and `</s>` change after states."""
        gains, before = np.zeros(len(endings)), list(states)
        added = [row for row, ending in enumerate(endings) if ending.word >= 0]
        if added:
            words = [self._name(endings[row].word) for row in added]
            ngram = np.array([endings[row].ngram_score for row in added])
            gains[added], after = self._gain([states[row] for row in added], words, ngram)
            for row, state in zip(added, after, strict=True):
                before[row] = state
        ngram = np.array([ending.ngram_end_score for ending in endings])
        ends, _ = self._gain(before, [END] * len(endings), ngram)
        return gains + ends

    def _correct(self, pending: Sequence[Sequence[PendingWord]]) -> int:
        """Score the words and correct the hypotheses that hold them; returns how many words there were."""
        histories: list[int] = []
        gains: list[float] = []
        for batch in pending:  # those that a word of one batch goes on from are in an earlier one
            before = [self._states[word.parent] for word in batch]
            names = [self._name(word.word) for word in batch]
            found, after = self._gain(before, names, np.array([word.ngram_score for word in batch]))
            ids = [word.history for word in batch]
            self._states.update(zip(ids, after, strict=True))
            histories += ids
            gains += found.tolist()
        self._search.apply_language_scores(histories, gains)
        return len(histories)

    def _name(self, word: int) -> str:
        return self._names[word] if word < len(self._names) else UNKNOWN

    def _gain(self, states: Sequence[object], words: Sequence[str], ngram: Floats) -> tuple[Floats, Sequence[object]]:
        """Weighted difference that the model makes for words after states, given their n-gram scores; states after."""
        scores, after = self._fusion.model.score(states, words)
        mixed = self._fusion.mixed(np.asarray(scores, np.float64), ngram if self._has_ngram else None)
        return self._lm_weight * (mixed - (ngram if self._has_ngram else 0.0)), after


def rescore(
    hypotheses: Sequence[Hypothesis], fusion: Fusion, lm: NgramModel | None, lm_weight: float
) -> list[Hypothesis]:
    """N-best hypotheses with the n-gram's score replaced by the mixture's, best first."""
    if not hypotheses:
        return []
    sentences = [[word.word for word in hypothesis.words] for hypothesis in hypotheses]
    neural = sentence_scores(fusion.model, sentences)
    found = []
    for hypothesis, words, scores in zip(hypotheses, sentences, neural, strict=True):
        ngram = np.array(lm.score_sentence(words)) if lm is not None else None
        change = lm_weight * float((fusion.mixed(scores, ngram) - (0.0 if ngram is None else ngram)).sum())
        found.append(replace(hypothesis, score=hypothesis.score + change, lm_score=hypothesis.lm_score + change))
    return sorted(found, key=lambda hypothesis: -hypothesis.score)
