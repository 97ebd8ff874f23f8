"""The probabilities of all next words under an LSTM language model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.lm.lstm.folder import UNKNOWN_ID, LstmLmFolder
from asr.lm.lstm.scorer import LstmScorer, LstmState


class LstmNextWords:
    """The model in a folder, as `asr.lm.sampling` asks for it; its words may be characters or subwords."""

    def __init__(self, folder: LstmLmFolder) -> None:
        self._scorer = LstmScorer(folder)
        self.words, self.never = list(folder.words), [UNKNOWN_ID]

    def start(self) -> LstmState:
        """The state at the beginning of a sentence."""
        return self._scorer.start()

    def next_scores(self, state: LstmState) -> NDArray[np.float64]:
        """ln P of every word after a state (words,)."""
        return self._scorer.next_scores(state)

    def after(self, state: LstmState, word: int) -> LstmState:
        """The state after one more word."""
        return state.after(word)
