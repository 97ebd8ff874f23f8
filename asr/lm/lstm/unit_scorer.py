"""A language model of characters or subwords as one of words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asr.lm.word_model import END, VocabularyModel
from asr.text.lm_units import Units


class UnitScorer:
    """The probability of a word is that of its units, one after another; states are the model's own."""

    def __init__(self, model: VocabularyModel, units: Units) -> None:
        self.model, self.units = model, units

    def start(self) -> object:
        """The state at the beginning of a sentence."""
        return self.model.start()

    def knows(self, word: str) -> bool:
        """Whether all units of a word are in the vocabulary."""
        return all(self.model.knows(unit) for unit in self.units.split(word))

    def score(self, states: Sequence[object], words: Sequence[str]) -> tuple[NDArray[np.float64], list[object]]:
        """ln P of each word after its state, NaN where the model has none for one of its units."""
        spelled = [[END] if word == END else self.units.split(word) for word in words]
        totals, after = np.zeros(len(words)), list(states)
        for place in range(max(map(len, spelled), default=0)):
            rows = [row for row, units in enumerate(spelled) if place < len(units)]
            found, next_states = self.model.score([after[row] for row in rows], [spelled[row][place] for row in rows])
            totals[rows] += np.asarray(found)
            for row, state in zip(rows, next_states, strict=True):
                after[row] = state
        return totals, after
