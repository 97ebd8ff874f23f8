"""Texts to words, words to ids."""

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
# Contractions are two words, as in the Penn Treebank and the sets that were split like it: does n't, it 's.
_ENDING = r"'(?:s|re|ve|ll|d|m)\b"
_WORD = re.compile(rf"\w+(?=n't\b)|n't\b|{_ENDING}|\w+(?:(?!{_ENDING})'\w+)?|[^\w\s]")
_BREAK = re.compile(r"<br ?/?>")
_STOPS = """a an and are as at be but by for from had has have he her his i in is it its of on or she that the their
them they this to was we were which with you"""
STOP_WORDS = frozenset(_STOPS.split())


def words_of(text: str, stop_words: frozenset[str] = frozenset()) -> list[str]:
    """Lower-case words, numbers and single signs (each emoji is one), without stop words and HTML's line breaks."""
    return [word for word in _WORD.findall(_BREAK.sub(" ", text.lower())) if word not in stop_words]


class Vocabulary:
    """Words by falling count after padding (0) and the unknown word (1)."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.ids = {word: index for index, word in enumerate(self.words)}

    @classmethod
    def of(cls, texts: Iterable[Sequence[str]], min_count: int = 1, most: int = 0) -> Vocabulary:
        """The words that occur at least `min_count` times, the `most` most frequent of them (0: all)."""
        counts = Counter(word for words in texts for word in words)
        kept = [word for word, count in sorted(counts.items(), key=lambda i: (-i[1], i[0])) if count >= min_count]
        return cls([PADDING, UNKNOWN, *(kept[:most] if most else kept)])

    def encode(self, words: Sequence[str], most: int = 0) -> list[int]:
        """Ids, at least one; of texts longer than `most` words the beginning and the end, half each."""
        if most and len(words) > most:
            words = [*words[: most // 2], *words[len(words) - (most - most // 2) :]]
        return [self.ids.get(word, 1) for word in words] or [1]


def read_vectors(path: str | Path, vocabulary: Vocabulary, size: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Vectors (words, size) of a text file (`WORD v1 v2 …`, as GloVe's and word2vec's), and which words it has.

    Raises DataError if the vectors have another size.
    """
    vectors = np.zeros((len(vocabulary.words), size), np.float32)
    found = np.zeros(len(vocabulary.words), bool)
    for number, line in enumerate(read_lines(path), 1):
        word, *values = line.rstrip().split(" ")
        if number == 1 and len(values) == 1:
            continue  # word2vec's header
        if len(values) != size:
            raise DataError(f"{path} line {number} has {len(values)} values; model.embedding_size is {size}.")
        if (index := vocabulary.ids.get(word)) is not None:
            vectors[index], found[index] = [float(value) for value in values], True
    return vectors, found
