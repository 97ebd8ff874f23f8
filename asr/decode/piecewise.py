"""Sessions of decoders that take an utterance as a whole."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr.decode.hypothesis import Hypothesis
from asr.text.tokens import Tokens


class WholeDecoder(Protocol):
    """Decodes an utterance in one call."""

    tokens: Tokens

    def decode(self, log_probs: NDArray[np.floating], nbest: int = 1, name: str = "log-probs") -> list[Hypothesis]:
        """The best hypotheses of (frames, tokens)."""
        ...


class WholeSession:
    """A session that keeps its pieces and decodes them together when it is asked."""

    def __init__(self, decoder: WholeDecoder, name: str) -> None:
        self._decoder, self._name = decoder, name
        self._pieces: list[NDArray[np.floating]] = [np.zeros((0, len(decoder.tokens)), np.float32)]

    def feed(self, log_probs: NDArray[np.floating]) -> None:
        """Take the next piece, (frames, tokens)."""
        self._pieces.append(np.asarray(log_probs))

    def partial(self) -> Hypothesis:
        """The best hypothesis so far, as if the utterance ended here."""
        return self.finish()[0]

    def finish(self, nbest: int = 1) -> list[Hypothesis]:
        """The best hypotheses of the whole utterance."""
        return self._decoder.decode(np.concatenate(self._pieces), nbest, self._name)
