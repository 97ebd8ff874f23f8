"""Words and phrases to be favoured, as an automaton over words (Aho & Corasick 1975)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr._native import Hotwords
from asr.errors import ConfigError, TextError

LARGEST_BOOST = 100.0  # nats; the search counts with exponentials of sums of them


class HotwordArrays(NamedTuple):
    """The automaton on flat arrays; place 0 is where no phrase has begun."""

    words: NDArray[np.int32]  # (lexicon's words + 1,): number of a word in the automaton, -1 for none
    following: NDArray[np.int32]  # (places, numbers): the place after a word
    partial: NDArray[np.float64]  # (places,): lent for the words of a phrase that is not yet complete
    won: NDArray[np.float64]  # (places,): for the phrases that are complete here

    def compiled(self) -> Hotwords:
        """The automaton as the compiled search reads it."""
        return Hotwords(*self)

    def first_gains(self) -> NDArray[np.float64]:
        """What each of the lexicon's words, and last the unknown word, adds where no phrase has begun."""
        after = np.where(self.words >= 0, self.following[0, np.maximum(self.words, 0)], 0)
        return np.asarray(self.partial[after] + self.won[after])


def build_hotwords(phrases: Mapping[str, float], words: Sequence[str]) -> HotwordArrays | None:
    """The automaton of phrases with their boosts in nats, over the lexicon's `words`; None without a phrase.

    A phrase's boost is lent word by word, in equal parts, and taken back if it is not completed. Raises TextError
    naming words that the lexicon does not have.
    """
    index = {word: number for number, word in enumerate(words)}
    split = {tuple(phrase.split()): boost for phrase, boost in phrases.items() if phrase.split()}
    for text, boost in phrases.items():
        if not abs(boost) <= LARGEST_BOOST:  # true of NaN
            raise ConfigError(
                f"the boost of the hotword '{text}' must be a number within {LARGEST_BOOST:g} nats of 0, not {boost}."
            )
    absent = sorted({word for phrase in split for word in phrase if word not in index})
    if absent:
        raise TextError(
            f"{len(absent)} hotwords are not in the lexicon, first {', '.join(absent[:3])}; "
            "add them to it, or check their case."
        )
    if not split:
        return None
    numbers = {word: number for number, word in enumerate(sorted({word for phrase in split for word in phrase}))}
    children: list[dict[int, int]] = [{}]
    partial, won = [0.0], [0.0]
    for phrase, boost in split.items():
        place = 0
        for done, word in enumerate(phrase, 1):
            if numbers[word] not in children[place]:
                children[place][numbers[word]] = len(children)
                children.append({})
                partial.append(0.0)
                won.append(0.0)
            place = children[place][numbers[word]]
            if done < len(phrase):
                partial[place] = max(partial[place], boost * done / len(phrase))
        won[place] = boost
    following = _with_failures(children, len(numbers), partial, won)
    of_words = np.full(len(words) + 1, -1, np.int32)
    for word, number in numbers.items():
        of_words[index[word]] = number
    return HotwordArrays(of_words, following, np.array(partial), np.array(won))


def _with_failures(
    children: list[dict[int, int]], count: int, partial: list[float], won: list[float]
) -> NDArray[np.int32]:
    """The place after each word at each place; a phrase that breaks off goes on as its longest suffix that is begun.

    A place also wins what the phrases win that end in it as suffixes.
    """
    following = np.zeros((len(children), count), np.int32)
    failure = [0] * len(children)
    queue: deque[int] = deque()
    for number, child in children[0].items():
        following[0, number] = child
        queue.append(child)
    while queue:
        place = queue.popleft()
        won[place] += won[failure[place]]
        partial[place] = max(partial[place], partial[failure[place]]) if children[place] else partial[failure[place]]
        following[place] = following[failure[place]]
        for number, child in children[place].items():
            failure[child] = int(following[failure[place], number])
            following[place, number] = child
            queue.append(child)
    return following
