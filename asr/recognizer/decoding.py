"""Building a decoder for a model: which lexicon, which language model, which settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.decode.greedy import greedy_tokens
from asr.decode.hypothesis import Hypothesis, Word, check_log_probs
from asr.errors import TextError
from asr.text.lexicon import Lexicon
from asr.text.tokens import BOUNDARY, Tokens

NO_LM = "none"

Announce = Callable[[str], None]


class GreedyDecoder:
    """Best-path decoding with the interface of the beam: for models without a lexicon, or as a lower bound."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def decode(self, log_probs: NDArray[np.floating], nbest: int = 1, name: str = "log-probs") -> list[Hypothesis]:
        """One hypothesis; a word's confidence is the geometric mean of its tokens' peak probabilities."""
        values = check_log_probs(log_probs, len(self.tokens), name)
        words: list[Word] = []
        pending: list[tuple[str, int, int, float]] = []

        def close() -> None:
            if pending:
                text = ("" if self.tokens.are_characters else " ").join(entry[0] for entry in pending)
                confidence = float(np.exp(np.mean([entry[3] for entry in pending])))
                words.append(Word(text, pending[0][1], pending[-1][2], round(confidence, 4)))
                pending.clear()

        for token, start, end in greedy_tokens(values):
            if self.tokens.names[token] == BOUNDARY:
                close()
            else:
                pending.append((self.tokens.names[token], start, end, float(values[start:end, token].max())))
        close()
        score = float(values.max(axis=1).sum()) if len(values) else 0.0
        return [Hypothesis(tuple(words), score, score, 0.0, 0.0)]


def make_decoder(
    tokens: Tokens,
    lexicon: Lexicon | None = None,
    lm: str | Path | None = None,
    settings: dict[str, Any] | None = None,
    announce: Announce | None = None,
) -> Any:
    """A decoder for token log-probabilities: a beam search where there is a lexicon or a language model, else greedy.

    lm: an ARPA file, or None. Without a lexicon the language model's own words are spelled in characters. settings:
    values of BeamConfig that differ from its defaults. Raises TextError or ConfigError if the parts do not fit.
    """
    if lexicon is None and lm is None:
        return GreedyDecoder(tokens)
    from asr.decode.beam import BeamConfig, BeamDecoder
    from asr.lm.compiled import compiled_before
    from asr.lm.ngram_tables import load_ngram

    if announce is not None and not compiled_before():
        announce("compiling the search for this machine (once, about ten seconds) …")
    model = load_ngram(lm) if lm is not None else None
    if lexicon is None and model is not None:
        if not tokens.are_characters:
            raise TextError("these tokens are not characters: a lexicon must say how words are spelled in them.")
        lexicon = Lexicon.of_characters((word for word in model.words if not word.startswith("<")), tokens)
        if not len(lexicon):
            raise TextError(f"no word of {lm} can be spelled in the tokens; is it in another case?")
    assert lexicon is not None
    known = {field.name for field in dataclasses.fields(BeamConfig)}
    config = BeamConfig(**{key: value for key, value in (settings or {}).items() if key in known and value is not None})
    return BeamDecoder(tokens, lexicon, model, config)
