"""What any language model over words offers to the search, to rescoring and to scoring of texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr.errors import TextError

END = "</s>"
SIDE_BY_SIDE = 256  # sentences scored at once

Scores = NDArray[np.float64] | Sequence[float]


class WordModel(Protocol):
    """Any language model over words.

    A state stands for a history. It is opaque: only the model that returned it may be given it again.
    """

    def start(self) -> object:
        """The state at the beginning of a sentence."""
        ...

    def score(self, states: Sequence[object], words: Sequence[str]) -> tuple[Scores, Sequence[object]]:
        """ln P of each word after its state, and the states after them; `</s>` is asked for like a word.

        NaN stands for a word that the model does not know.
        """
        ...


class VocabularyModel(WordModel, Protocol):
    """A `WordModel` that says which words it knows."""

    def knows(self, word: str) -> bool:
        """Whether a word is in the vocabulary."""
        ...


def known_words(model: VocabularyModel, words: Sequence[str]) -> NDArray[np.bool_]:
    """Whether a model knows each of the words (words,); every model knows the end of a sentence."""
    return np.array([word == END or model.knows(word) for word in words], bool)


def sentence_scores(model: WordModel, sentences: Sequence[Sequence[str]]) -> list[NDArray[np.float64]]:
    """ln P of each word of each sentence and of its end; the sentences go along side by side."""
    states = [model.start()] * len(sentences)
    scores: list[list[float]] = [[] for _ in sentences]
    for place in range(max((len(words) for words in sentences), default=-1) + 1):
        rows = [row for row, words in enumerate(sentences) if place <= len(words)]
        asked = [sentences[row][place] if place < len(sentences[row]) else END for row in rows]
        found, after = model.score([states[row] for row in rows], asked)
        for row, score, state in zip(rows, found, after, strict=True):
            scores[row].append(float(score))
            states[row] = state
    return [np.array(row) for row in scores]


def text_scores(model: WordModel, lines: Iterator[str]) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
    """Words and their ln P (with the end's, last) of each line that has words. Raises TextError if there is none."""
    sentences = (words for line in lines if (words := line.split()))
    found = False
    while batch := list(islice(sentences, SIDE_BY_SIDE)):
        found = True
        yield from zip(batch, sentence_scores(model, batch), strict=True)
    if not found:
        raise TextError("the text holds no word; scoring needs sentences, one a line.")
