"""N-best lists of a dev set with their errors, and the weights that would rank the best hypotheses first.

Och 2003, "Minimum error rate training in statistical machine translation": the lists of each search are added to those
before, so that weights far from those of one search are judged by hypotheses that they would favour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decode.fusion import Fusion
from asr.decode.hypothesis import Hypothesis
from asr.lm.ngram.tables import NgramModel
from asr.lm.word_model import WordModel, sentence_scores
from asr.score.edit_distance import align

# Points of a grid; neither is ever 0, so that what a search has added up can be divided by them.
LM_WEIGHTS = np.linspace(0.2, 2.5, 47)
WORD_SCORES = np.linspace(-3.875, 3.875, 32)
TIE = 1e-6  # errors by which what lies nearer is better
REACH = (0.5, 2.0)  # how far from weights that were tried the next may lie: beyond, the lists say little

Floats = NDArray[np.float64]


class Weights(NamedTuple):
    """Language-model weight, word score and neural share of one search."""

    lm_weight: float
    word_score: float
    neural_share: float = 0.0

    def near(self, other: Weights) -> bool:
        """Whether a search with the other weights would add nothing: they are neighbours on the grid."""
        return (
            self.neural_share == other.neural_share
            and abs(self.lm_weight - other.lm_weight) < 1.5 * (LM_WEIGHTS[1] - LM_WEIGHTS[0])
            and abs(self.word_score - other.word_score) < 1.5 * (WORD_SCORES[1] - WORD_SCORES[0])
        )


class Table(NamedTuple):
    """N-best lists as arrays (utterance, hypothesis)."""

    errors: Floats
    words: Floats
    acoustic: Floats
    languages: Floats  # (share, utterance, hypothesis)


class NbestLists:
    """The best hypotheses of each utterance, each text once.

    references: words of each utterance by id. A neural model scores each new hypothesis for each of the shares it might
    have; without one the language model's scores are those of the search.
    """

    def __init__(
        self,
        references: dict[str, list[str]],
        lm: NgramModel | None,
        model: WordModel | None = None,
        shares: Sequence[float] = (0.0,),
    ) -> None:
        self.references, self.shares, self._lm, self._model = references, tuple(shares), lm, model
        # For each text: errors, words, the acoustic score, and the language model's score for each share.
        self._lists: dict[str, dict[str, list[float]]] = {name: {} for name in references}

    def add(self, name: str, hypotheses: Iterable[Hypothesis], weights: Weights) -> None:
        """Add an utterance's hypotheses from a search with these weights."""
        known, new = self._lists[name], []
        for hypothesis in hypotheses:
            if hypothesis.text in known:
                row = known[hypothesis.text]
                row[2] = max(row[2], hypothesis.acoustic_score)
            else:
                new.append(hypothesis)
        texts = [[word.word for word in hypothesis.words] for hypothesis in new]
        errors = [alignment.counts.errors for alignment in align([self.references[name]] * len(new), texts)]
        for hypothesis, count, language in zip(new, errors, self._language(new, weights.lm_weight), strict=True):
            rewards = hypothesis.word_score / weights.word_score  # words, or tokens where those are what is searched
            known[hypothesis.text] = [count, rewards, hypothesis.acoustic_score, *language]

    def best(self, tried: Sequence[Weights]) -> Weights:
        """The point of a grid, within reach of the weights tried, with the fewest errors of the top hypotheses.

        Errors are averaged with those of the neighbours on the grid, since single points win by luck; ties go to the
        point nearest to the first weights tried.
        """
        table = self._padded()
        near = np.zeros((len(LM_WEIGHTS), len(WORD_SCORES)), bool)
        for weights in tried:
            near |= np.outer(
                np.abs(LM_WEIGHTS - weights.lm_weight) <= REACH[0], np.abs(WORD_SCORES - weights.word_score) <= REACH[1]
            )
        distance = np.hypot(
            *np.meshgrid(LM_WEIGHTS - tried[0].lm_weight, WORD_SCORES - tried[0].word_score, indexing="ij")
        )
        candidates = []
        for share, language in zip(self.shares, table.languages, strict=True):
            surface = np.full(near.shape, np.inf)
            for row, column in np.argwhere(near):
                scores = table.acoustic + LM_WEIGHTS[row] * language + WORD_SCORES[column] * table.words
                first = scores.argmax(axis=1)[:, None]
                surface[row, column] = np.take_along_axis(table.errors, first, axis=1).sum()
            smooth = _smoothed(surface) + TIE * distance
            row, column = np.unravel_index(np.argmin(smooth), smooth.shape)
            weights = Weights(round(float(LM_WEIGHTS[row]), 3), round(float(WORD_SCORES[column]), 3), share)
            candidates.append((smooth[row, column], weights))
        return min(candidates)[1]

    def _language(self, hypotheses: Sequence[Hypothesis], lm_weight: float) -> list[list[float]]:
        """The language model's ln P of each text, for each share."""
        if self._model is None:
            return [[hypothesis.lm_score / lm_weight] for hypothesis in hypotheses]
        texts = [[word.word for word in hypothesis.words] for hypothesis in hypotheses]
        fusions = [Fusion(self._model, share) for share in self.shares]
        rows = []
        for words, neural in zip(texts, sentence_scores(self._model, texts), strict=True):
            ngram = np.array(self._lm.score_sentence(words)) if self._lm is not None else None
            rows.append([float(fusion.mixed(neural, ngram).sum()) for fusion in fusions])
        return rows

    def _padded(self) -> Table:
        """The lists as arrays; what pads a short list has an acoustic score of minus infinity."""
        longest = max(map(len, self._lists.values()))
        table = np.zeros((3 + len(self.shares), len(self._lists), longest))
        table[2] = -np.inf
        for row, known in enumerate(self._lists.values()):
            table[:, row, : len(known)] = np.array(list(known.values())).T
        return Table(table[0], table[1], table[2], table[3:])


def _smoothed(surface: Floats) -> Floats:
    """Means over each point and its neighbours, of those that are finite; infinite where the point is."""
    finite = np.isfinite(surface)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(np.where(finite, surface, 0.0), 1), (3, 3)).sum(
        axis=(2, 3)
    )
    count = np.lib.stride_tricks.sliding_window_view(np.pad(finite, 1), (3, 3)).sum(axis=(2, 3))
    return np.where(finite, around / np.maximum(1, count), np.inf)
