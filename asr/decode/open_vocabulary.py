"""Open-vocabulary search with an n-gram over tokens: whatever the tokens spell may be said.

To the search every token is a word of its own; what it finds is then joined to words at the boundaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.decode.beam import BeamDecoder
from asr.decode.fusion import Fusion
from asr.decode.hypothesis import Hypothesis, Word
from asr.decode.piecewise import WholeSession
from asr.errors import ConfigError
from asr.lm.ngram.tables import NgramModel
from asr.text.lexicon import Lexicon
from asr.text.tokens import BOUNDARY, Tokens


def is_token_model(model: NgramModel, tokens: Tokens) -> bool:
    """Whether an n-gram model is over tokens: none of its words is anything else, and the boundary is one of them."""
    words = [word for word in model.words if not word.startswith("<")]
    return (tokens.boundary is None or BOUNDARY in words) and all(word in tokens.ids for word in words)


def token_lexicon(tokens: Tokens) -> Lexicon:
    """Each token but the blank as a word, spelled by itself."""
    return Lexicon({name: [(name,)] for name in tokens.names[1:]})


class TokenDecoder:
    """A `BeamDecoder` over `token_lexicon`, whose hypotheses are of whole words.

    `lm_weight` and `word_score` count for every token, the boundary's among them.
    """

    words = None

    def __init__(self, decoder: BeamDecoder) -> None:
        self.decoder, self.tokens, self.lm = decoder, decoder.tokens, decoder.lm

    @property
    def config(self) -> Any:
        """The settings of the search."""
        return self.decoder.config

    def with_settings(self, **changes: Any) -> TokenDecoder:
        """This decoder with other settings."""
        return TokenDecoder(self.decoder.with_settings(**changes))

    def with_hotwords(self, phrases: Mapping[str, float]) -> TokenDecoder:
        """Raises ConfigError: what this search calls words are tokens."""
        raise ConfigError("hotwords need a language model over words; this one is over tokens.")

    def with_fusion(self, fusion: Fusion | None) -> TokenDecoder:
        """This decoder for None. Raises ConfigError for a model: what this search calls words are tokens."""
        if fusion is not None:
            raise ConfigError("a neural language model needs an n-gram over words; this one is over tokens.")
        return self

    def with_rescoring(self, fusion: Fusion, hypotheses: int) -> TokenDecoder:
        """Raises ConfigError: what this search calls words are tokens."""
        return self.with_fusion(fusion)

    def start(self, name: str = "log-probs") -> WholeSession:
        """A session for one utterance."""
        return WholeSession(self, name)

    def decode(self, log_probs: NDArray[np.floating], nbest: int = 1, name: str = "log-probs") -> list[Hypothesis]:
        """The `nbest` best hypotheses, best first, as `BeamDecoder.decode` gives them."""
        return [replace(found, words=self._words(found.words)) for found in self.decoder.decode(log_probs, nbest, name)]

    def _words(self, tokens: tuple[Word, ...]) -> tuple[Word, ...]:
        """A word's confidence is the least of its tokens'."""
        glue = "" if self.tokens.are_characters else " "
        words = []
        for ends, group in groupby(tokens, lambda token: token.word == BOUNDARY):
            parts = list(group)
            if not ends:
                text = glue.join(part.word for part in parts)
                confidence = min(part.confidence for part in parts)
                spelling = tuple(token for part in parts for token in part.tokens)
                words.append(Word(text, parts[0].start_frame, parts[-1].end_frame, confidence, spelling))
        return tuple(words)
