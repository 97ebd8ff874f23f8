"""Beam search over a lexicon with an n-gram language model: arrays and models in, hypotheses out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr.decode.hypothesis import Hypothesis, Word, check_log_probs
from asr.decode.search import END_FRAME, LAST_WORD, NO_WORD, PARENT, Language, Settings, search
from asr.decode.trie import build_trie, smear
from asr.errors import ConfigError, TextError
from asr.lm.arpa import LN10, MISSING_LOG10, ArpaModel
from asr.lm.ngram_tables import NgramModel, build_tables
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

MIN_KNOWN_WORDS = 0.5  # share of the lexicon's words that a language model should know


@dataclass(frozen=True)
class BeamConfig:
    """Settings of the search; scores in nats."""

    lm_weight: float = 0.8
    word_score: float = 0.0  # added for every word
    beam_size: int = 100
    threshold: float = 25.0  # hypotheses further below the best are dropped
    token_threshold: float = 12.0  # tokens further below a frame's best are not tried
    confidence_scale: float = 0.3  # of the scores, before the posterior over the beam is taken

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise ConfigError(f"the beam size must be at least 1, not {self.beam_size}.")
        if not all(np.isfinite([self.lm_weight, self.word_score])) or self.lm_weight < 0:
            raise ConfigError("lm_weight must be a number of 0 or more, word_score a number.")


class BeamDecoder:
    """A lexicon, a language model (or none) and settings, ready to decode.

    Raises TextError if the lexicon uses what is no token, or if the language model knows hardly any of its words.
    """

    def __init__(
        self, tokens: Tokens, lexicon: Lexicon, lm: NgramModel | None = None, config: BeamConfig | None = None
    ) -> None:
        self.tokens = tokens
        self.config = config or BeamConfig()
        trie, self.words = build_trie(lexicon, tokens)
        model = lm or _no_model()
        ids = model.word_ids(self.words) if lm is not None else np.full(len(self.words), -1, np.int32)
        unknown = MISSING_LOG10 * LN10
        self._language = Language(lm is not None, model.arrays, ids, model.ids["<s>"], model.ids["</s>"], unknown)
        scores = (
            model.arrays.unigram_log_probs[np.maximum(ids, 0)] if lm is not None else np.zeros(len(ids), np.float32)
        )
        self._trie = smear(trie, np.where((ids >= 0) | (lm is None), scores, np.float32(unknown)).astype(np.float32))
        if lm is not None:
            _check_vocabulary(self.words, lm)

    def with_settings(self, **changes: float) -> BeamDecoder:
        """This decoder with other settings (fields of BeamConfig); the tree and the tables are shared."""
        other = copy.copy(self)
        other.config = replace(self.config, **changes)  # type: ignore[arg-type]
        return other

    def decode(self, log_probs: NDArray[np.floating], nbest: int = 1, name: str = "log-probs") -> list[Hypothesis]:
        """The `nbest` best hypotheses, best first; at least one.

        log_probs: (frames, tokens), natural logs. Raises TextError for arrays that are no log-probabilities.
        """
        values = check_log_probs(log_probs, len(self.tokens), name)
        config = self.config
        boundary = self.tokens.boundary
        settings = Settings(
            float(config.lm_weight),  # one type each: another would compile the search anew
            float(config.word_score),
            config.beam_size,
            float(config.threshold),
            float(config.token_threshold),
            -1 if boundary is None else boundary,
        )
        found = search(values, self._trie, self._language, settings)
        acoustic, language, sequences = _ranked(*found)
        posterior = _posterior((acoustic + language) * config.confidence_scale)
        result = []
        for rank, sequence in enumerate(sequences[:nbest]):
            confidences = _confidences(sequence, sequences, posterior)
            spoken = tuple(
                Word(self.words[word], int(start), int(end), round(float(confidence), 4))
                for (word, start, end), confidence in zip(sequence.tolist(), confidences, strict=True)
            )
            reward = config.word_score * len(spoken)
            score = float(acoustic[rank] + language[rank])
            result.append(Hypothesis(spoken, score, float(acoustic[rank]), float(language[rank]) - reward, reward))
        return result or [Hypothesis((), float("-inf"), float("-inf"), 0.0, 0.0)]


def _ranked(
    acoustic: NDArray[np.float64],
    language: NDArray[np.float64],
    keys: NDArray[np.uint64],
    ends: NDArray[np.int64],
    histories: NDArray[np.int32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[NDArray[np.int32]]]:
    """The search's results, equal word sequences summed up, best first: acoustic and language scores, and for each the
    words as (word, start frame, end frame). The times are those of the strongest of equal sequences."""
    order = np.argsort(-acoustic, kind="stable")
    _, first, inverse = np.unique(keys[order], return_index=True, return_inverse=True)
    summed = np.full(len(first), -np.inf)
    np.logaddexp.at(summed, inverse, acoustic[order])
    chosen = order[first]
    ranks = np.argsort(-(summed + language[chosen]), kind="stable")
    chosen, summed = chosen[ranks], summed[ranks]
    return summed, language[chosen], [_words(histories, int(ends[index])) for index in chosen]


def _words(histories: NDArray[np.int32], end: int) -> NDArray[np.int32]:
    rows = []
    while histories[end, LAST_WORD] != NO_WORD:
        rows.append(histories[end, LAST_WORD : END_FRAME + 1])
        end = int(histories[end, PARENT])
    return np.array(rows[::-1], np.int32).reshape(-1, 3)


def _posterior(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(scores):
        return scores
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())


def _confidences(
    sequence: NDArray[np.int32], sequences: Sequence[NDArray[np.int32]], posterior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """For each word the posterior mass of the hypotheses that hold it at an overlapping time."""
    total = np.zeros(len(sequence))
    for other, mass in zip(sequences, posterior.tolist(), strict=True):
        if mass < 1e-6:
            continue
        same = sequence[:, None, 0] == other[None, :, 0]
        overlap = (sequence[:, None, 1] < other[None, :, 2]) & (other[None, :, 1] < sequence[:, None, 2])
        total += mass * (same & overlap).any(axis=1)
    return np.clip(total, 0.0, 1.0)


def _check_vocabulary(words: Sequence[str], lm: NgramModel) -> None:
    known = sum(word in lm.ids for word in words)
    if known >= MIN_KNOWN_WORDS * len(words):
        return
    for change, fix in ((str.lower, "lower"), (str.upper, "upper")):
        if sum(change(word) in lm.ids for word in words) >= MIN_KNOWN_WORDS * len(words):
            raise TextError(
                f"the language model {lm.source} is in {fix} case and the lexicon is not; "
                f"write the lexicon's words in {fix} case, or estimate the model on text in the lexicon's case."
            )
    raise TextError(
        f"the language model {lm.source} knows {known} of the lexicon's {len(words)} words; is it of another language?"
    )


def _no_model() -> NgramModel:
    """Stands in for a language model where there is none; its scores are never asked for."""
    zeros = np.zeros(2, np.float32)
    return build_tables(ArpaModel(["<s>", "</s>"], [np.array([[0], [1]], np.int32)], [zeros], [zeros]), "none")
