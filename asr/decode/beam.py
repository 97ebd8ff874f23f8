"""Beam search over a lexicon with an n-gram language model: arrays and models in, hypotheses out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from asr._native import DecodingGraph, LanguageModel, SearchSettings
from asr.decode.fusion import Fusion
from asr.decode.hypothesis import Hypothesis
from asr.decode.preflight import check_vocabulary
from asr.decode.search.hotwords import HotwordArrays, build_hotwords
from asr.decode.search.session import BeamSession
from asr.decode.search.settings import BeamConfig
from asr.decode.search.trie import load_trie
from asr.errors import ConfigError
from asr.lm.ngram.arpa import LN10, MISSING_LOG10
from asr.lm.ngram.tables import NgramModel
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

__all__ = ["BeamConfig", "BeamDecoder"]

UNKNOWN = "<unk>"
MOST_AHEAD = 300.0  # nats that a look-ahead promises at most, so that its exponential is a number
MISSING_SCORE = MISSING_LOG10 * LN10


class BeamDecoder:
    """A lexicon, a language model (or none) and settings: a `Decoder`.

    Raises TextError if the lexicon uses what is no token, or if the language model knows hardly any of its words.
    """

    def __init__(
        self, tokens: Tokens, lexicon: Lexicon, lm: NgramModel | None = None, config: BeamConfig | None = None
    ) -> None:
        self.tokens = tokens
        self.config = config or BeamConfig()
        arrays, self.words = load_trie(lexicon, tokens)
        self._trie = arrays.compiled(len(tokens), len(self.words))
        self._names = [*self.words, UNKNOWN]  # of the search's word indices
        self.lm = lm
        self._unigrams = np.zeros(len(self._names), np.float32)
        self._language: LanguageModel | None = None
        if lm is not None:
            places = lm.places(self._names)
            check_vocabulary(self.words, lm, int((places[:-1] >= 0).sum()))
            ids = np.where(places < 0, np.int32(lm.unknown), places)
            known = lm.arrays.unigram_log_probs[np.maximum(ids, 0)]
            self._unigrams = np.where(ids < 0, np.float32(MISSING_SCORE), known).astype(np.float32)
            self._language = LanguageModel(lm.tables, ids, lm.begin, lm.end, MISSING_SCORE)
        self._hotwords: HotwordArrays | None = None
        self._fusion: Fusion | None = None
        self._rescored = 0  # best hypotheses that the fusion scores afterwards; 0: it takes part in the search
        self._graph = self._build_graph()

    def _build_graph(self) -> DecodingGraph:
        """What all searches share, with the look-ahead that follows from the settings."""
        config, boundary = self.config, self.tokens.boundary
        if config.unknown_score is not None and boundary is None:
            raise ConfigError("unknown words need a word boundary among the tokens; there is none.")
        unknown = config.unknown_score if config.unknown_score is not None else 0.0
        reachable = config.lm_weight * self._unigrams[:-1]
        if self._hotwords is not None:
            reachable = reachable + self._hotwords.first_gains()[:-1]
        ahead = self._trie.best_below(np.minimum(reachable, MOST_AHEAD).astype(np.float32)).astype(np.float64)
        outside = self._unigrams[-1] * config.lm_weight + unknown
        factors = np.exp(np.minimum(np.append(ahead, outside), MOST_AHEAD))
        factors[0] = 1.0
        settings = SearchSettings(
            lm_weight=config.lm_weight,
            word_score=config.word_score,
            beam_size=config.beam_size,
            threshold=config.threshold,
            token_threshold=config.token_threshold,
            boundary=-1 if boundary is None else boundary,
            open=config.unknown_score is not None,
            unknown_score=unknown,
            letter_score=config.letter_score,
        )
        hotwords = self._hotwords.compiled() if self._hotwords is not None else None
        return DecodingGraph(self._trie, factors, self._language, hotwords, settings)

    def with_settings(self, **changes: float | None) -> Self:
        """This decoder with other settings (fields of BeamConfig); the tree and the tables are shared."""
        other = copy.copy(self)
        other.config = self.config.changed(changes)
        other._graph = other._build_graph()
        return other

    def with_fusion(self, fusion: Fusion | None) -> Self:
        """This decoder with a word model mixed into its language model's scores, or without one."""
        other = copy.copy(self)
        other._fusion, other._rescored = fusion, 0
        return other

    def with_rescoring(self, fusion: Fusion, hypotheses: int) -> Self:
        """This decoder with the word model mixed in afterwards, into the scores of so many best hypotheses."""
        other = self.with_fusion(fusion)
        other._rescored = hypotheses
        return other

    def with_hotwords(self, phrases: Mapping[str, float]) -> Self:
        """This decoder favouring phrases, each by so many nats. Raises TextError for words outside the lexicon."""
        other = copy.copy(self)
        other._hotwords = build_hotwords(phrases, self.words)
        other._graph = other._build_graph()
        return other

    def decode(self, log_probs: NDArray[np.floating], nbest: int = 1, name: str = "log-probs") -> list[Hypothesis]:
        """The `nbest` best hypotheses, best first; at least one.

        log_probs: (frames, tokens), natural logs. Raises TextError for arrays that are no log-probabilities.
        """
        session = self.start(name)
        session.feed(log_probs)
        return session.finish(nbest)

    def start(self, name: str = "log-probs") -> BeamSession:
        """A session for one utterance, fed in pieces. name: of the utterance, for errors."""
        session = BeamSession(self._graph, self.config, self.tokens, self._names, name)
        if self._fusion is not None and self._rescored:
            session.rescore(self._fusion, self.lm, self._rescored)
        elif self._fusion is not None:
            session.join(self._fusion)
        return session
