"""Language models that score whole batches of words, inside the search and after it.

The search goes on with the n-gram's scores; every few frames the words that have ended since, in hypotheses that are
still alive, are scored in one batch, and the hypotheses corrected (delayed fusion: the scores in the end are exactly
those of the interpolated model; what was pruned meanwhile is pruned on n-gram scores). States are kept by history, so
that no word is scored twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.decode import search
from asr.decode.hypothesis import Hypothesis
from asr.decode.session import Session
from asr.errors import ConfigError
from asr.lm.ngram.tables import NgramModel
from asr.lm.word_model import END, WordModel, sentence_scores


@dataclass(frozen=True)
class Fusion:
    """A word model and how it is mixed with the n-gram: share * P_model + (1 - share) * P_ngram."""

    model: WordModel
    share: float = 0.5
    every: int = 20  # frames between two batches

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.every < 1:
            raise ConfigError("the neural language model's share must lie in 0..1, and `every` be at least 1.")

    def mixed(self, neural: NDArray[np.float64], ngram: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """ln P of the mixture; where the n-gram is None there is none, and the model counts alone."""
        if ngram is None:
            return np.where(np.isnan(neural), 0.0, neural)
        with np.errstate(divide="ignore", invalid="ignore"):  # a share of 0 or 1; NaN for unknown words
            both = np.logaddexp(neural + np.log(self.share), ngram + np.log1p(-self.share))
        return np.where(np.isnan(neural), ngram, both)


class FusedSearch:
    """Runs a session with a fusion."""

    def __init__(self, session: Session, fusion: Fusion, names: Sequence[str], lm: NgramModel | None) -> None:
        self.session, self.fusion, self.names, self.lm = session, fusion, names, lm
        self._states: dict[int, Any] = {int(session.state.hashes[0]): fusion.model.start()}
        self._gains: dict[int, float] = {}

    def run(self, log_probs: NDArray[np.float32]) -> None:
        """Search all of (frames, tokens)."""
        for stop in [*range(self.fusion.every, len(log_probs), self.fusion.every), len(log_probs)]:
            self.session.advance(log_probs, stop)
            self._correct()

    def final_gains(self, out: NDArray[np.int32]) -> NDArray[np.float64]:
        """What the last word and `</s>` of each result change, where the session asks for it."""
        histories = self.session.state.histories
        states = [self._states[int(self.session.state.hashes[row])] for row in out[:, 0]]
        gains = np.zeros(len(out))
        added = np.flatnonzero(out[:, 1] != search.NO_WORD)
        if len(added):
            words, parents = out[added, 1], out[added, 0]
            gains[added], after = self._gain([states[row] for row in added], words, histories[parents])
            for row, state in zip(added.tolist(), after, strict=True):
                states[row] = state
        contexts = self._contexts_after(histories[out[:, 0]], out[:, 1])
        ends = np.full(len(out), -1, np.int32)
        return gains + self._gain(states, ends, contexts)[0]

    def _correct(self) -> None:
        """Score the words that have ended since the last time, and put the hypotheses right."""
        state = self.session.state
        size = int(state.counters[search.SIZE])
        live = state.beam[search.HISTORY, :size]
        changed = np.flatnonzero(state.histories[live, search.FUSED] == 0)
        pending: dict[int, float] = {}
        for batch in self._waiting(live[changed]):
            hashes = state.hashes[batch].tolist()
            self._score_rows(batch, hashes)
            parents = state.histories[batch, search.PARENT].tolist()
            for row, parent, key in zip(batch.tolist(), parents, hashes, strict=True):
                pending[row] = pending.get(parent, 0.0) + self._gains[key]
        gains = np.array([pending[row] for row in live[changed].tolist()])
        state.scores[: search.LANGUAGE, changed] *= np.exp(gains)
        state.scores[search.LANGUAGE, changed] += gains
        state.histories[list(pending), search.FUSED] = 1

    def _waiting(self, rows: NDArray[np.int32]) -> list[NDArray[np.int32]]:
        """Histories not scored yet, these and those that they go on from, in batches: parents first."""
        histories = self.session.state.histories
        batches: list[NDArray[np.int32]] = []
        while len(rows):
            rows = np.unique(rows)
            batches = [np.setdiff1d(batch, rows, assume_unique=True) for batch in batches]
            batches.append(rows)
            parents = histories[rows, search.PARENT]
            rows = parents[histories[parents, search.FUSED] == 0]
        return batches[::-1]

    def _score_rows(self, rows: NDArray[np.int32], hashes: list[int]) -> None:
        first = {key: place for place, key in enumerate(hashes) if key not in self._gains}
        if not first:
            return
        state = self.session.state
        rows = rows[list(first.values())]
        parents = state.histories[rows, search.PARENT]
        before = [self._states[key] for key in state.hashes[parents].tolist()]
        gains, after = self._gain(before, state.histories[rows, search.LAST_WORD], state.histories[parents])
        self._gains.update(zip(first, gains.tolist(), strict=True))
        self._states.update(zip(first, after, strict=True))
        self.session.remember(self._gains, first)

    def _gain(
        self, states: Sequence[Any], words: NDArray[np.int32], histories: NDArray[np.int32]
    ) -> tuple[NDArray[np.float64], Sequence[Any]]:
        """Weighted difference that the model makes for words (-1: the end) after states and n-gram contexts."""
        language = self.session.language
        names = [END if word < 0 else self.names[word] for word in words.tolist()]
        neural, after = self.fusion.model.score(states, names)
        ngram = None
        if language.used:
            ids = np.where(words < 0, language.end, language.word_ids[words]).astype(np.int32)
            ngram = np.zeros(len(ids))
            search.score_rows(language, histories, ids, ngram)
        mixed = self.fusion.mixed(np.asarray(neural, np.float64), ngram)
        return self.session.settings.lm_weight * (mixed - (0.0 if ngram is None else ngram)), after

    def _contexts_after(self, histories: NDArray[np.int32], words: NDArray[np.int32]) -> NDArray[np.int32]:
        """History rows with the n-gram context that they have after one more word (-1: none)."""
        after = histories.copy()
        ids = self.session.language.word_ids[words]
        for row in np.flatnonzero(words != search.NO_WORD).tolist():
            known = ids[row] >= 0
            after[row, search.CONTEXT + 1 :] = histories[row, search.CONTEXT : -1] if known else -1
            after[row, search.CONTEXT] = ids[row]
        return after


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
