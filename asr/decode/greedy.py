"""Best-path decoding: the likeliest token of every frame, repeats and blanks removed (Graves et al. 2006, 3.2)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from asr.decode.hotwords import Hotwords, as_hotwords
from asr.decode.hypothesis import Hypothesis, Word, check_log_probs
from asr.decode.search.settings import BeamConfig
from asr.errors import ConfigError
from asr.text.tokens import Tokens

if TYPE_CHECKING:
    from asr.decode.fusion import Fusion
    from asr.lm.ngram.tables import NgramModel


def greedy_tokens(log_probs: NDArray[np.floating], blank: int = 0) -> list[tuple[int, int, int]]:
    """Tokens of the best path of (frames, tokens) as (token, first frame, frame after its last)."""
    tokens: list[tuple[int, int, int]] = []
    previous = blank
    for frame, token in enumerate(log_probs.argmax(axis=1).tolist() if len(log_probs) else []):
        if token != blank:
            if token == previous:
                tokens[-1] = (token, tokens[-1][1], frame + 1)
            else:
                tokens.append((token, frame, frame + 1))
        previous = token
    return tokens


class GreedyDecoder:
    """Best-path decoding as a `Decoder`: for models without a lexicon, or as a lower bound."""

    words: None = None
    lm: NgramModel | None = None

    def __init__(self, tokens: Tokens, config: BeamConfig | None = None) -> None:
        """config: kept, but without effect on the best path."""
        self.tokens, self.config = tokens, config or BeamConfig()

    def decode(self, log_probs: NDArray[np.floating], nbest: int = 1, name: str = "log-probs") -> list[Hypothesis]:
        """One hypothesis, whatever `nbest`. Raises TextError for arrays that are no log-probabilities."""
        session = self.start(name)
        session.feed(log_probs)
        return session.finish(nbest)

    def start(self, name: str = "log-probs") -> GreedySession:
        """A session for one utterance, fed in pieces. name: of the utterance, for errors."""
        return GreedySession(self.tokens, name)

    def with_settings(self, **changes: float | None) -> Self:
        """This decoder with other settings, which have no effect. Raises ConfigError for unknown ones."""
        return type(self)(self.tokens, self.config.changed(changes))

    def with_fusion(self, fusion: Fusion | None) -> Self:
        """This decoder, for None. Raises ConfigError otherwise: the best path has no language scores."""
        if fusion is not None:
            raise ConfigError("neural language models need the beam search: give a lexicon.")
        return self

    def with_rescoring(self, fusion: Fusion, hypotheses: int) -> Self:
        """Raises ConfigError: there are no hypotheses but one."""
        raise ConfigError("neural language models need the beam search: give a lexicon.")

    def with_hotwords(self, hotwords: Hotwords) -> Self:
        """This decoder, without a phrase. Raises ConfigError otherwise: the best path has no words to favour."""
        if as_hotwords(hotwords):
            raise ConfigError("hotwords need the beam search: give a lexicon.")
        return self


class _Run(NamedTuple):
    """Frames in a row whose likeliest token is the same; peak: its highest log-probability."""

    token: int
    start: int
    end: int
    peak: float


class GreedySession:
    """A `DecodingSession` of the best path."""

    def __init__(self, tokens: Tokens, name: str) -> None:
        self._tokens, self._name = tokens, name
        self._runs: list[_Run] = []
        self._best: list[NDArray[np.float32]] = []  # of each frame, piece by piece
        self._frames = 0
        self._finished = False

    def feed(self, log_probs: NDArray[np.floating]) -> None:
        """Go on through the next piece (frames, tokens). Raises TextError if these are no log-probabilities."""
        if self._finished:
            raise RuntimeError("the utterance has ended: start a new session.")
        values = check_log_probs(log_probs, len(self._tokens), self._name)
        if not len(values):
            return
        for token, start, end in greedy_tokens(values):
            run = _Run(token, self._frames + start, self._frames + end, float(values[start:end, token].max()))
            if start == 0 and self._runs and self._runs[-1].end == self._frames and self._runs[-1].token == token:
                last = self._runs.pop()  # it goes on from the piece before
                run = _Run(token, last.start, run.end, max(last.peak, run.peak))
            self._runs.append(run)
        self._best.append(values.max(axis=1))
        self._frames += len(values)

    def partial(self, ahead: NDArray[np.floating] | None = None) -> Hypothesis:
        """The best path so far, and through the frames `ahead`.

        A word's confidence is the geometric mean of its tokens' peak probabilities.
        """
        if ahead is not None:
            other = copy.copy(self)
            other._runs, other._best = self._runs[:], self._best[:]
            other.feed(ahead)
            return other.partial()
        words = []
        for text, first, end in self._tokens.split([run.token for run in self._runs]):
            runs = self._runs[first:end]
            peak = float(np.exp(np.mean([run.peak for run in runs])))
            spelling = tuple((run.token, run.start) for run in runs)
            words.append(Word(text, runs[0].start, runs[-1].end, round(min(peak, 1.0), 4), spelling))
        score = float(np.concatenate(self._best).sum()) if self._best else 0.0
        return Hypothesis(tuple(words), score, score, 0.0, 0.0)

    def finish(self, nbest: int = 1) -> list[Hypothesis]:
        """The best path, whatever `nbest`."""
        self._finished = True
        return [self.partial()]
