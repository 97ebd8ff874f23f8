"""What every decoder offers: log-probabilities in, hypotheses out, whole or in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from asr.decode.fusion import Fusion
from asr.decode.hotwords import Hotwords
from asr.decode.hypothesis import Hypothesis
from asr.decode.search.settings import BeamConfig
from asr.lm.ngram.tables import NgramModel
from asr.text.tokens import Tokens


class DecodingSession(Protocol):
    """One utterance being decoded. Not to be used by two threads at once."""

    def feed(self, log_probs: NDArray[np.floating]) -> None:
        """Decode the next piece (frames, tokens), of any size. Raises TextError if these are no log-probabilities."""
        ...

    def partial(self, ahead: NDArray[np.floating] | None = None) -> Hypothesis:
        """The best hypothesis so far, as if the utterance ended here. Changes nothing.

        The last words may still change; what a neural language model has not scored yet has the n-gram's scores.
        ahead: frames (frames, tokens) that come next by a first guess: the hypothesis is then that after them, but
        they are not fed.
        """
        ...

    def finish(self, nbest: int = 1) -> list[Hypothesis]:
        """The `nbest` best hypotheses of the utterance, best first, at least one; nothing may be fed after it.

        They do not depend on how the utterance was cut into pieces, nor on calls of `partial`.
        """
        ...


class Decoder(Protocol):
    """Turns log-probabilities (frames, tokens) into hypotheses; may be used by many threads at once."""

    @property
    def tokens(self) -> Tokens:
        """What the columns of the log-probabilities stand for."""
        ...

    @property
    def config(self) -> BeamConfig:
        """Settings of the search."""
        ...

    @property
    def words(self) -> Sequence[str] | None:
        """The words that can be recognised; None where any can be spelled."""
        ...

    @property
    def lm(self) -> NgramModel | None:
        """The n-gram model, of words or of tokens, if there is one."""
        ...

    def decode(self, log_probs: NDArray[np.floating], nbest: int = 1, name: str = "log-probs") -> list[Hypothesis]:
        """The `nbest` best hypotheses, best first; at least one.

        log_probs: (frames, tokens), natural logs, blank first. name: of the utterance, for errors. Raises TextError
        for arrays that are no log-probabilities.
        """
        ...

    def start(self, name: str = "log-probs") -> DecodingSession:
        """A session for one utterance, fed in pieces."""
        ...

    def with_settings(self, **changes: float | None) -> Self:
        """This decoder with other settings (fields of BeamConfig). Raises ConfigError for unknown ones."""
        ...

    def with_fusion(self, fusion: Fusion | None) -> Self:
        """This decoder with a word model mixed into its language scores. Raises ConfigError where there are none."""
        ...

    def with_rescoring(self, fusion: Fusion, hypotheses: int) -> Self:
        """This decoder with the word model mixed in afterwards, into the scores of so many best hypotheses.

        Raises ConfigError where that cannot be.
        """
        ...

    def with_hotwords(self, hotwords: Hotwords) -> Self:
        """This decoder favouring phrases; words that it lacks join it, where it can tell how they are said.

        Raises TextError for words that cannot be spelled, ConfigError where there can be no hotwords.
        """
        ...
