"""Best-path decoding: the likeliest token of every frame, repeats and blanks removed (Graves et al. 2006, 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asr.decode.hypothesis import Hypothesis, Word, check_log_probs
from asr.decode.piecewise import WholeSession
from asr.decode.search.settings import BeamConfig
from asr.errors import ConfigError
from asr.text.tokens import BOUNDARY, Tokens

if TYPE_CHECKING:
    from asr.decode.fusion import Fusion


def greedy_tokens(log_probs: NDArray[np.floating], blank: int = 0) -> list[tuple[int, int, int]]:
    """Tokens of the best path of (frames, tokens) as (token, first frame, frame after its last)."""
    path: list[tuple[int, int, int]] = []
    previous = blank
    for frame, token in enumerate(log_probs.argmax(axis=1).tolist() if len(log_probs) else []):
        if token != blank:
            if token == previous:
                path[-1] = (token, path[-1][1], frame + 1)
            else:
                path.append((token, frame, frame + 1))
        previous = token
    return path


class GreedyDecoder:
    """A decoder without lexicon and language model: the best path alone."""

    words = None
    lm = None
    config = BeamConfig()  # which has no effect

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

    def start(self, name: str = "log-probs") -> WholeSession:
        """A session for one utterance."""
        return WholeSession(self, name)

    def with_settings(self, **changes: float | None) -> GreedyDecoder:
        """This decoder: the best path has no settings."""
        return self

    def with_hotwords(self, phrases: Mapping[str, float]) -> GreedyDecoder:
        """Raises ConfigError: the best path favours nothing."""
        raise ConfigError("hotwords need a search: give a lexicon or a language model.")

    def with_fusion(self, fusion: Fusion | None) -> GreedyDecoder:
        """This decoder for None. Raises ConfigError for a model: the best path has no language scores."""
        if fusion is not None:
            raise ConfigError("a neural language model needs a search: give a lexicon or an n-gram model.")
        return self

    def with_rescoring(self, fusion: Fusion, hypotheses: int) -> GreedyDecoder:
        """Raises ConfigError: there is one hypothesis."""
        return self.with_fusion(fusion)
