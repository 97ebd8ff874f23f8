"""Beam search over a lexicon with an n-gram language model: arrays and models in, hypotheses out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from asr._native import DecodingGraph, LanguageModel, SearchSettings
from asr.decode.fusion import Fusion
from asr.decode.hotwords import Hotwords, WrittenForms, as_hotwords
from asr.decode.hypothesis import Hypothesis
from asr.decode.search.hotwords import HotwordArrays
from asr.decode.search.session import BeamSession
from asr.decode.search.settings import BeamConfig
from asr.decode.vocabulary import MISSING_SCORE, HotwordVocabulary, open_vocabulary, with_hotwords
from asr.errors import ConfigError
from asr.lm.ngram.tables import NgramModel
from asr.text.lexicon import Lexicon
from asr.text.spelling import Speller
from asr.text.tokens import Tokens

__all__ = ["BeamConfig", "BeamDecoder"]


MOST_AHEAD = 300.0  # nats that a look-ahead promises at most, so that its exponential is a number


class BeamDecoder:
    """A lexicon, a language model (or none) and settings: a `Decoder`.

    Raises TextError if the lexicon uses what is no token, or if the language model knows hardly any of its words.
    """

    def __init__(
        self, tokens: Tokens, lexicon: Lexicon, lm: NgramModel | None = None, config: BeamConfig | None = None,
        letter_to_sound: Path | None = None,
    ) -> None:  # fmt: skip
        """letter_to_sound: how hotwords are pronounced that the lexicon lacks; by default as in the lexicon."""
        self.tokens = tokens
        self.config = config or BeamConfig()
        self.lm = lm
        self._speller = Speller(tokens, lexicon, letter_to_sound)
        self._own = open_vocabulary(tokens, lexicon, lm)
        self._hotwords = HotwordVocabulary(self._own, None, WrittenForms({}))
        self._fusion: Fusion | None = None
        self._rescored = 0  # best hypotheses that the fusion scores afterwards; 0: it takes part in the search
        self._take_vocabulary()

    @property
    def words(self) -> Sequence[str]:
        """The words that can be recognised."""
        return self._hotwords.vocabulary.words

    def _take_vocabulary(self) -> None:
        vocabulary = self._hotwords.vocabulary
        self._language: LanguageModel | None = None
        if self.lm is not None:
            lm = self.lm
            self._language = LanguageModel(lm.tables, vocabulary.lm_ids, lm.begin, lm.end, MISSING_SCORE)
        self._graph = self._build_graph()

    def _build_graph(self) -> DecodingGraph:
        """What all searches share, with the look-ahead that follows from the settings."""
        config, boundary = self.config, self.tokens.boundary
        if config.unknown_score is not None and boundary is None:
            raise ConfigError("unknown words need a word boundary among the tokens; there is none.")
        unknown = config.unknown_score if config.unknown_score is not None else 0.0
        vocabulary, favoured = self._hotwords.vocabulary, self._hotwords.arrays
        reachable = config.lm_weight * vocabulary.unigrams[:-1]
        if favoured is not None:
            reachable = reachable + favoured.first_gains()[:-1]
        ahead = vocabulary.trie.best_below(np.minimum(reachable, MOST_AHEAD).astype(np.float32)).astype(np.float64)
        outside = vocabulary.unigrams[-1] * config.lm_weight + unknown
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
        hotwords = favoured.compiled() if favoured is not None else None
        return DecodingGraph(vocabulary.trie, factors, self._language, hotwords, settings)

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

    def with_hotwords(self, hotwords: Hotwords) -> Self:
        """This decoder favouring phrases; words that the lexicon lacks join it.

        Raises TextError for words that cannot be pronounced, ConfigError for what is no hotword.
        """
        other = copy.copy(self)
        other._hotwords = with_hotwords(self._own, as_hotwords(hotwords), self.tokens, self._speller, self.lm)
        other._take_vocabulary()
        return other

    def with_automaton(self, arrays: HotwordArrays | None) -> Self:
        """This decoder favouring what an automaton over its own words favours."""
        other = copy.copy(self)
        other._hotwords = HotwordVocabulary(self._own, arrays, WrittenForms({}))
        other._take_vocabulary()
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
        session = BeamSession(self._graph, self.config, self.tokens, self.words, name, self._hotwords.written)
        if self._fusion is not None and self._rescored:
            session.rescore(self._fusion, self.lm, self._rescored)
        elif self._fusion is not None:
            session.join(self._fusion)
        return session
