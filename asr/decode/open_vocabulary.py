"""Open-vocabulary search with an n-gram over tokens: whatever the tokens spell may be said.

To the search every token is a word of its own; its results are then joined to words as the kind of tokens has it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.fusion import Fusion
from asr.decode.hotwords import Hotword, Hotwords, WrittenForms, as_hotwords
from asr.decode.hypothesis import Hypothesis, Word
from asr.decode.search.session import BeamSession
from asr.decode.search.spelled_hotwords import build_spelled_hotwords
from asr.errors import ConfigError, TextError
from asr.lm.ngram.tables import NgramModel
from asr.text.lexicon import Lexicon
from asr.text.tokens import BOUNDARY, WORD_START, Tokens


def is_token_model(model: NgramModel, tokens: Tokens) -> bool:
    """Whether an n-gram model is over tokens: none of its words is anything else, and the boundary is one of them."""
    words = [word for word in model.words if not word.startswith("<")]
    return (tokens.boundary is None or BOUNDARY in words) and all(word in tokens.ids for word in words)


def token_lexicon(tokens: Tokens) -> Lexicon:
    """Each token but the blank as a word, spelled by itself."""
    return Lexicon({name: [(name,)] for name in tokens.names[1:]})


class TokenDecoder:
    """A `Decoder` of any words that the tokens spell, on a `BeamDecoder` over `token_lexicon`.

    `lm_weight` and `word_score` count for every token, the boundary's among them.
    """

    words: None = None

    def __init__(self, decoder: BeamDecoder, written: WrittenForms | None = None) -> None:
        """written: how phrases are written."""
        self._decoder, self.tokens, self._written = decoder, decoder.tokens, written or WrittenForms({})

    @property
    def config(self) -> BeamConfig:
        """Settings of the search."""
        return self._decoder.config

    @property
    def lm(self) -> NgramModel | None:
        """The n-gram over tokens."""
        return self._decoder.lm

    def decode(self, log_probs: NDArray[np.floating], nbest: int = 1, name: str = "log-probs") -> list[Hypothesis]:
        """The `nbest` best hypotheses, best first, as `BeamDecoder.decode` gives them."""
        session = self.start(name)
        session.feed(log_probs)
        return session.finish(nbest)

    def start(self, name: str = "log-probs") -> TokenSession:
        """A session for one utterance, fed in pieces. name: of the utterance, for errors."""
        return TokenSession(self._decoder.start(name), self.tokens, self._written)

    def with_settings(self, **changes: float | None) -> Self:
        """This decoder with other settings."""
        return type(self)(self._decoder.with_settings(**changes), self._written)

    def with_fusion(self, fusion: Fusion | None) -> Self:
        """This decoder, for None. Raises ConfigError otherwise: the search knows tokens, the model words."""
        if fusion is not None:
            raise ConfigError("a neural language model of words cannot join an n-gram of tokens: give a lexicon.")
        return self

    def with_rescoring(self, fusion: Fusion, hypotheses: int) -> Self:
        """Raises ConfigError: the scores of tokens and of words do not mix."""
        raise ConfigError("a neural language model of words cannot join an n-gram of tokens: give a lexicon.")

    def with_hotwords(self, hotwords: Hotwords) -> Self:
        """This decoder favouring phrases, in whatever tokens their words are spelled.

        Raises TextError for words that the tokens cannot spell, ConfigError where they are phones.
        """
        favoured = as_hotwords(hotwords)
        spelled = [_spelled(hotword, self.tokens) for hotword in favoured]
        boosts = {" ".join(words): hotword.nats() for words, hotword in zip(spelled, favoured, strict=True)}
        mark = WORD_START if self.tokens.kind == "subwords" else BOUNDARY if self.tokens.boundary is not None else ""
        decoder = self._decoder.with_automaton(build_spelled_hotwords(boosts, self._decoder.words, mark))
        forms = {words: hotword.phrase.split() for words, hotword in zip(spelled, favoured, strict=True)}
        return type(self)(decoder, WrittenForms(forms))


def _spelled(hotword: Hotword, tokens: Tokens) -> tuple[str, ...]:
    """The words of a phrase in the tokens' case. Raises TextError or ConfigError."""
    if not tokens.spells_words:
        raise ConfigError("an n-gram of phones has no words to favour: give a lexicon.")
    if hotword.pronunciations:
        raise ConfigError(f"hotword '{hotword.phrase}': these tokens spell words, so it needs no pronunciation.")
    return tuple(in_case_of(tokens, word) for word in hotword.phrase.split())


def in_case_of(tokens: Tokens, word: str) -> str:
    """A hotword in the case in which the tokens can spell it. Raises TextError if they cannot."""
    form = next((form for form in (word, word.lower(), word.upper()) if tokens.spell(form)), None)
    if form is None:
        raise TextError(f"the hotword '{word}' cannot be spelled in the tokens; write it in their letters.")
    return form


class TokenSession:
    """A `DecodingSession` whose hypotheses are of whole words."""

    def __init__(self, session: BeamSession, tokens: Tokens, written: WrittenForms) -> None:
        self._session, self._tokens, self._written = session, tokens, written

    def feed(self, log_probs: NDArray[np.floating]) -> None:
        """Search on through the next piece (frames, tokens). Raises TextError if these are no log-probabilities."""
        self._session.feed(log_probs)

    def partial(self, ahead: NDArray[np.floating] | None = None) -> Hypothesis:
        """The best hypothesis so far, and after the frames `ahead`, as if the utterance ended there."""
        return self._joined(self._session.partial(ahead))

    def finish(self, nbest: int = 1) -> list[Hypothesis]:
        """The `nbest` best hypotheses of the utterance, best first."""
        return [self._joined(hypothesis) for hypothesis in self._session.finish(nbest)]

    def _joined(self, hypothesis: Hypothesis) -> Hypothesis:
        """With tokens joined to words; a word's confidence is the least of its tokens'."""
        parts = hypothesis.words
        words = []
        for text, first, end in self._tokens.split([self._tokens.ids[part.word] for part in parts]):
            inside = parts[first:end]
            confidence = min(part.confidence for part in inside)
            spelling = tuple(token for part in inside for token in part.tokens)
            words.append(Word(text, inside[0].start_frame, inside[-1].end_frame, confidence, spelling))
        forms = self._written.applied([word.word for word in words])
        return replace(
            hypothesis, words=tuple(word._replace(word=form) for word, form in zip(words, forms, strict=True))
        )
