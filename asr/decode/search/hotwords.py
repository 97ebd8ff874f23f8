"""Words and phrases to be favoured, as an automaton over words (Aho & Corasick 1975)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from asr._native import Hotwords
from asr.errors import ConfigError
from asr.text.word_list import WordList

LARGEST_BOOST = 100.0  # nats; the search counts with exponentials of sums of them

Phrase = tuple[str, ...]
Key = TypeVar("Key", int, str)


class WordEnds(NamedTuple):
    """Where words end and begin for a search whose words are pieces of words."""

    closing: NDArray[np.float64]  # (places,): for the phrases that are complete here if a word ends here
    closers: NDArray[np.uint8]  # (lexicon's words + 1,): whether it closes the word before
    first: int  # the place where an utterance begins


class HotwordArrays(NamedTuple):
    """The automaton on flat arrays, as large as its phrases; place 0 is where no phrase has begun.

    The words that go on from place i have the indices from starts[i] to starts[i + 1]. Places are numbered breadth
    first.
    """

    words: NDArray[np.int32]  # (lexicon's words + 1,): number of a word in the automaton, -1 for none
    starts: NDArray[np.int32]  # (places + 1,)
    numbers: NDArray[np.int32]  # of the words that go on, ascending at each place
    places: NDArray[np.int32]  # the places after them
    failures: NDArray[np.int32]  # (places,): where a phrase that breaks off goes on
    partial: NDArray[np.float64]  # (places,): lent for the words of a phrase that is not yet complete
    won: NDArray[np.float64]  # (places,): for the phrases that are complete here
    ends: WordEnds | None = None

    def compiled(self) -> Hotwords:
        """The automaton as the compiled search reads it."""
        return Hotwords(*self[:-1], *(self.ends or ()))

    def first_gains(self) -> NDArray[np.float64]:
        """What each of the lexicon's words, and last the unknown word, adds where no phrase has begun."""
        after = np.zeros(len(self.words), np.int64)
        first = np.full(int(self.words.max(initial=0)) + 1, 0, np.int64)
        first[self.numbers[: self.starts[1]]] = self.places[: self.starts[1]]
        after[self.words >= 0] = first[self.words[self.words >= 0]]
        return np.asarray(self.partial[after] + self.won[after])


def build_hotwords(phrases: Mapping[Phrase, float], words: WordList) -> HotwordArrays | None:
    """The automaton of phrases with their boosts in nats; None without a phrase.

    words: of the lexicon, those of the phrases among them. A phrase's boost is lent word by word, in equal parts, and
    taken back if it is not completed. Raises ConfigError for a boost that the search cannot count with.
    """
    check_boosts({" ".join(phrase): boost for phrase, boost in phrases.items()})
    if not phrases:
        return None
    numbers = {word: number for number, word in enumerate(sorted({word for phrase in phrases for word in phrase}))}
    children: list[dict[int, int]] = [{}]
    partial, won = [0.0], [0.0]
    # Breadth first: the first words of all phrases, then the second ones, ...
    places = dict.fromkeys(phrases, 0)
    for depth in range(max(map(len, phrases))):
        for phrase, boost in phrases.items():
            if depth >= len(phrase):
                continue
            number = numbers[phrase[depth]]
            place = children[places[phrase]].setdefault(number, len(children))
            if place == len(children):
                children.append({})
                partial.append(0.0)
                won.append(0.0)
            places[phrase] = place
            if depth + 1 < len(phrase):
                partial[place] = max(partial[place], boost * (depth + 1) / len(phrase))
            else:
                won[place] = boost
    failures = failures_of(children)
    for place in range(1, len(children)):
        back = failures[place]
        won[place] += won[back]
        partial[place] = max(partial[place], partial[back]) if children[place] else partial[back]
    of_words = np.full(len(words) + 1, -1, np.int32)
    for word, number in numbers.items():
        of_words[words.get(word)] = number
    return HotwordArrays(
        of_words, *flat_steps(children), np.array(failures, np.int32), np.array(partial), np.array(won)
    )


def check_boosts(boosts: Mapping[str, float]) -> None:
    """Raise ConfigError for a phrase whose boost the search cannot count with."""
    for phrase, boost in boosts.items():
        if not abs(boost) <= LARGEST_BOOST:  # true of NaN
            raise ConfigError(
                f"the boost of the hotword '{phrase}' must be a number within {LARGEST_BOOST:g} nats of 0, not {boost}."
            )


def flat_steps(children: Sequence[Mapping[int, int]]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """The ways on from each place as `starts`, `numbers` and `places` of `HotwordArrays`."""
    steps = [sorted(child.items()) for child in children]
    starts = np.cumsum([0, *map(len, steps)]).astype(np.int32)
    flat = np.array([step for ways in steps for step in ways], np.int32).reshape(-1, 2)
    return starts, np.ascontiguousarray(flat[:, 0]), np.ascontiguousarray(flat[:, 1])


def failures_of(children: Sequence[Mapping[Key, int]]) -> list[int]:
    """For each place of a tree of phrases, numbered breadth first, that of its longest suffix which begins a phrase."""
    failures = [0] * len(children)
    for place, child in enumerate(children):  # breadth first, so that shorter suffixes come first
        for key, after in child.items():
            back = failures[place]
            while back and key not in children[back]:
                back = failures[back]
            failures[after] = children[back].get(key, 0) if place else 0
    return failures
