"""What every decoder offers: greedy, over a lexicon, over tokens, over an open vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from asr.decode.hypothesis import Hypothesis
from asr.text.tokens import Tokens

if TYPE_CHECKING:
    from asr.decode.fusion import Fusion
    from asr.lm.ngram.tables import NgramModel

LogProbs = NDArray[np.floating]


class DecodingSession(Protocol):
    """The decoding of one utterance, piece by piece."""

    def feed(self, log_probs: LogProbs) -> None:
        """Decode the next piece, (frames, tokens)."""
        ...

    def partial(self) -> Hypothesis:
        """The best hypothesis so far, as if the utterance ended here. Changes nothing."""
        ...

    def finish(self, nbest: int = 1) -> list[Hypothesis]:
        """The best hypotheses of the whole utterance; the session is over."""
        ...


class Decoder(Protocol):
    """Turns log-probabilities into hypotheses. Safe to use from several threads at once."""

    @property
    def tokens(self) -> Tokens:
        """What the columns of the log-probabilities stand for."""
        ...

    @property
    def words(self) -> Sequence[str] | None:
        """The words that can be recognised; None where the vocabulary is open."""
        ...

    @property
    def lm(self) -> NgramModel | None:
        """The n-gram language model, if there is one."""
        ...

    def decode(self, log_probs: LogProbs, nbest: int = 1, name: str = "log-probs") -> list[Hypothesis]:
        """The `nbest` best hypotheses of (frames, tokens), best first; at least one.

        name: of the utterance, for messages. Raises TextError for values that are no log-probabilities.
        """
        ...

    def start(self, name: str = "log-probs") -> DecodingSession:
        """A session for one utterance. name: of the utterance, for messages."""
        ...

    def with_settings(self, **changes: float | None) -> Decoder:
        """This decoder with other settings of the search; its tables are shared."""
        ...

    def with_hotwords(self, phrases: Mapping[str, float]) -> Decoder:
        """This decoder favouring phrases, each by its boost in nats."""
        ...

    def with_fusion(self, fusion: Fusion | None) -> Decoder:
        """This decoder with a word model mixed into its language model's scores, or without one."""
        ...

    def with_rescoring(self, fusion: Fusion, hypotheses: int) -> Decoder:
        """This decoder with a word model mixed into the scores of that many best hypotheses afterwards."""
        ...
