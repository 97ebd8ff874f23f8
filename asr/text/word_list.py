"""Lists of words of a vocabulary, on arrays that may be mapped from a cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from asr._native import WordIndex, index_words
from asr.errors import TextError

Arrays = Mapping[str, NDArray[Any]]

TEXT, STARTS, SLOTS = "vocabulary_text", "vocabulary_starts", "vocabulary_slots"  # names of arrays in a cache
FORMS = {TEXT: ("|u1", 1), STARTS: ("<i4", 1), SLOTS: ("<i4", 1)}  # type and number of axes of each array


class WordList(Sequence[str]):
    """Words by number and numbers by word, without a Python object for each word: those of 200,000 take 20 ms to make.

    Of equal words the last has the number that `get` returns.
    """

    def __init__(self, arrays: Arrays) -> None:
        """arrays: with those of another list's `arrays`. Raises TextError for some that do not belong together."""
        self.arrays = {name: arrays[name] for name in (TEXT, STARTS, SLOTS)}
        try:
            str(self.arrays[TEXT].data, "utf-8")  # words are made of it later, one by one
            self._index = WordIndex(*self.arrays.values())
        except (ValueError, TypeError) as error:
            raise TextError(f"a list of words is damaged ({error}).") from None

    @classmethod
    def of(cls, words: Iterable[str]) -> WordList:
        """The list of `words`. Raises TextError for one with a line break."""
        if isinstance(words, WordList):
            return words
        listed = list(words)
        text = "\n".join(listed)
        if text.count("\n") > max(0, len(listed) - 1):
            raise TextError(f"the word {next(word for word in listed if chr(10) in word)!r} has a line break.")
        if not listed:
            none = np.zeros(0, np.uint8)
            return cls({TEXT: none, STARTS: np.zeros(1, np.int32), SLOTS: np.full(1, -1, np.int32)})
        return cls.from_text(text.encode())

    def extended(self, words: Sequence[str]) -> WordList:
        """This list with more words after its own. Raises TextError for one with a line break."""
        added = WordList.of(words)
        if not len(self) or not len(added):
            return self if len(self) else added
        return WordList.from_text(b"\n".join([self.arrays[TEXT].tobytes(), added.arrays[TEXT].tobytes()]))

    @classmethod
    def from_text(cls, text: bytes) -> WordList:
        """The list of words in UTF-8 with line breaks between them."""
        packed = np.frombuffer(text, np.uint8)
        starts, slots = index_words(packed)
        return cls({TEXT: packed, STARTS: starts, SLOTS: slots})

    def __len__(self) -> int:
        return self._index.size

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> list[str]: ...
    def __getitem__(self, number: int | slice) -> str | list[str]:
        if isinstance(number, slice):
            return [self._index.word(index) for index in range(*number.indices(len(self)))]
        return self._index.word(number if number >= 0 else number + len(self))

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays[TEXT].tobytes().decode().split("\n") if len(self) else [])

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self._index.find(word) >= 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, WordList):
            return np.array_equal(self.arrays[TEXT], other.arrays[TEXT])
        return list(self) == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # lists have none

    def get(self, word: str, default: int = -1) -> int:
        """The number of a word, or `default` if it is not in the list."""
        number = self._index.find(word)
        return number if number >= 0 else default

    def numbers(self, words: WordList) -> NDArray[np.int32]:
        """The number of each word of another list, -1 for those that are not in this one: (words,)."""
        return self._index.find_all(words.arrays[TEXT]) if len(words) else np.zeros(0, np.int32)
