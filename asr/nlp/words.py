"""The words of texts, and their ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.errors import DataError
from asr.text.lines import read_lines

PADDING, UNKNOWN = "<pad>", "<unk>"
# Contractions are two words, as in the Penn Treebank and corpora with its tokens: does n't, it 's.
_ENDING = r"'(?:s|re|ve|ll|d|m)\b"
_WORD = re.compile(rf"\w+(?=n't\b)|n't\b|{_ENDING}|\w+(?:(?!{_ENDING})'\w+)?|[^\w\s]")
_BREAK = re.compile(r"<br ?/?>")
_STOPS = """a an and are as at be but by for from had has have he her his i in is it its of on or she that the their
them they this to was we were which with you"""
STOP_WORDS = frozenset(_STOPS.split())


def words_of(text: str, stop_words: frozenset[str] = frozenset()) -> list[str]:
    """The lower-case words, numbers and single signs (such as an emoji) of a text, without HTML's line breaks."""
    return [word for word in _WORD.findall(_BREAK.sub(" ", text.lower())) if word not in stop_words]


def shortened(words: list[str], most: int) -> list[str]:
    """The words; of more than `most` (0: no limit) the first and last ones, `most` in all."""
    return words if not most or len(words) <= most else [*words[: most // 2], *words[len(words) - (most - most // 2) :]]


class Vocabulary:
    """Padding (0), the unknown word (1), and words by falling count."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.ids = {word: index for index, word in enumerate(self.words)}

    @classmethod
    def of(cls, texts: Iterable[Sequence[str]], min_count: int = 1, most: int = 0) -> Vocabulary:
        """A vocabulary of the `most` most frequent words (0: all) that occur at least `min_count` times."""
        counts = Counter(word for words in texts for word in words)
        frequent = [word for word, count in sorted(counts.items(), key=lambda i: (-i[1], i[0])) if count >= min_count]
        return cls([PADDING, UNKNOWN, *(frequent[:most] if most else frequent)])

    def encode(self, words: Sequence[str]) -> list[int]:
        """The ids of words, at least one."""
        return [self.ids.get(word, 1) for word in words] or [1]


def read_vectors(path: str | Path, vocabulary: Vocabulary, size: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Vectors (words, size) from a text file (`WORD v1 v2 …`, as of GloVe and word2vec), and a mask of its words.

    Raises DataError if the vectors have another size.
    """
    vectors = np.zeros((len(vocabulary.words), size), np.float32)
    known = np.zeros(len(vocabulary.words), bool)
    for number, line in enumerate(read_lines(path), 1):
        word, *values = line.rstrip().split(" ")
        if number == 1 and len(values) == 1:
            continue  # word2vec's header
        if len(values) != size:
            raise DataError(f"{path} line {number} has {len(values)} values; model.embedding_size is {size}.")
        if (index := vocabulary.ids.get(word)) is not None:
            vectors[index], known[index] = [float(value) for value in values], True
    return vectors, known
