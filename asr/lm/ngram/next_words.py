"""The probabilities of all next words under an n-gram model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.errors import TextError
from asr.lm.ngram.arpa import ArpaModel
from asr.lm.ngram.tables import UNKNOWN_WORDS


class NgramNextWords:
    """An n-gram model, as `asr.lm.sampling` asks for it; a state is the words so far that matter, oldest first.

    The search's tables find the score of one word after a history; here all n-grams that begin with it are found.
    """

    def __init__(self, model: ArpaModel, source: str = "") -> None:
        """source: what to call the model in errors. Raises TextError if it lacks `<s>` or `</s>`."""
        self.words = model.words
        for sign in ("<s>", "</s>"):
            if sign not in self.words:
                raise TextError(f"language model {source} has no {sign}; estimate it on sentences with their ends.")
        self._begin = self.words.index("<s>")
        self.never = [index for index, word in enumerate(self.words) if word in (*UNKNOWN_WORDS, "<s>")]
        self._single = model.log_probs[0].astype(np.float64), model.backoffs[0].astype(np.float64)
        longer = zip(model.grams[1:], model.log_probs[1:], model.backoffs[1:], strict=True)
        self._longer = [_Sorted(*order) for order in longer]

    def start(self) -> tuple[int, ...]:
        """The state at the beginning of a sentence."""
        return (self._begin,)[: len(self._longer)]

    def after(self, state: tuple[int, ...], word: int) -> tuple[int, ...]:
        """The state after one more word."""
        longest = len(self._longer)
        return (*state, word)[-longest:] if longest else ()

    def next_scores(self, state: tuple[int, ...]) -> NDArray[np.float64]:
        """ln P of every word after a state (words,): those of ever longer histories, each where it has the word.

        A history that the model lacks has no longer ones that count, and its back-off weight is 1.
        """
        scores = self._single[0].copy()
        for length in range(1, len(state) + 1):
            weight = self._backoff(state[-length:])
            if weight is None:
                break
            scores += weight
            words, found = self._longer[length - 1].after(state[-length:])
            scores[words] = found
        return scores

    def _backoff(self, history: tuple[int, ...]) -> float | None:
        if len(history) == 1:
            return float(self._single[1][history[0]])
        return self._longer[len(history) - 2].backoff(history)


class _Sorted:
    """The n-grams of one order, sorted, so that those that begin alike lie together."""

    def __init__(self, grams: NDArray[np.int32], log_probs: NDArray[np.float32], backoffs: NDArray[np.float32]) -> None:
        order = np.lexsort(grams.T[::-1])
        self._grams, self._log_probs, self._backoffs = grams[order], log_probs[order], backoffs[order]

    def _rows(self, words: tuple[int, ...]) -> slice:
        """The rows of the n-grams that begin with these words."""
        first, end = 0, len(self._grams)
        for place, word in enumerate(words):
            column = self._grams[first:end, place]
            key = np.int32(word)  # of the column's type, which would be converted else
            start, after = np.searchsorted(column, key), np.searchsorted(column, key, "right")
            first, end = first + int(start), first + int(after)
        return slice(first, end)

    def after(self, history: tuple[int, ...]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The last words of the n-grams that begin with a history, and their ln P."""
        rows = self._rows(history)
        return self._grams[rows, -1], self._log_probs[rows]

    def backoff(self, gram: tuple[int, ...]) -> float | None:
        """The back-off weight of an n-gram of this order; None: there is none."""
        found = self._backoffs[self._rows(gram)]
        return float(found[0]) if len(found) else None
