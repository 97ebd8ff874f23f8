"""Pronunciations of words that no dictionary lists: a joint letter-phone n-gram.

After Bisani & Ney 2008, "Joint-sequence models for grapheme-to-phoneme conversion", simplified: every letter stands
for none, one or two phones. The alignment is found by expectation-maximisation, then an n-gram over letter-phone pairs
with Witten-Bell interpolation is counted, and a word's best pairs are found by a beam search.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from asr.errors import TextError
from asr.text.lexicon import Pronunciations

Phones = tuple[str, ...]
Pair = tuple[str, Phones]

ORDER = 6
EM_ROUNDS = 4
MAX_PHONES = 2  # phones one letter may stand for
BEAM = 12
RARE = 1e-4  # what is a smaller share of a letter's pairs is not tried
START: Pair = ("<s>", ())
END: Pair = ("</s>", ())


class Hypothesis(NamedTuple):
    """A way to say the letters so far."""

    score: float  # ln P
    history: tuple[Pair, ...]  # the latest pairs
    phones: Phones


class LetterToSound:
    """A letter-to-sound model trained on a dictionary."""

    def __init__(self, dictionary: Pronunciations, order: int = ORDER) -> None:
        """Raises TextError if no entry of `dictionary` can be aligned (more than two phones a letter)."""
        self.order = order
        entries = [(word, way) for word, ways in dictionary.items() for way in ways]
        costs = _train_alignment(entries)
        aligned = [pairs for word, way in entries if (pairs := _align(word, way, costs))]
        if not aligned:
            raise TextError("no dictionary entry could be aligned letter by letter; is it a pronouncing dictionary?")
        self._counts: dict[tuple[Pair, ...], dict[Pair, int]] = defaultdict(lambda: defaultdict(int))
        seen: dict[str, Counter[Pair]] = defaultdict(Counter)
        for pairs in aligned:
            sequence = [START, *pairs, END]
            for place in range(1, len(sequence)):
                seen[sequence[place][0]][sequence[place]] += 1
                for length in range(min(order - 1, place) + 1):
                    self._counts[tuple(sequence[place - length : place])][sequence[place]] += 1
        self._totals = {context: sum(nexts.values()) for context, nexts in self._counts.items()}
        self._choices = {letter: _common(pairs) for letter, pairs in seen.items()}
        self._shares: dict[tuple[tuple[Pair, ...], str], list[float]] = {}
        self._word = ""  # the word before, and the best hypotheses after each of its letters
        self._beams = [[Hypothesis(0.0, (START,), ())]]

    def pronounce(self, word: str) -> Phones | None:
        """The likeliest phones of a word, or None if it holds a letter that the dictionary never had.

        Words in alphabetical order are fastest: a word goes on from what it begins with in common with the one before.
        """
        if any(letter not in self._choices for letter in word):
            return None
        shared = _in_common(word, self._word)
        self._word, self._beams = word, self._beams[: shared + 1]
        for letter in word[shared:]:
            self._beams.append(self._extended(self._beams[-1], letter))
        return next((said.phones for said in self._extended(self._beams[-1], END[0]) if said.phones), None)

    def _extended(self, beam: list[Hypothesis], letter: str) -> list[Hypothesis]:
        """The best hypotheses with one letter more."""
        longer = []
        for score, history, phones in beam:
            shares = self._distribution(history, letter)
            for pair, share in zip(self._choices[letter], shares, strict=True):
                recent = (*history, pair)[-(self.order - 1) :]
                longer.append(Hypothesis(score + math.log(share), recent, phones + pair[1]))
        return sorted(longer, key=lambda said: (-said.score, said.phones))[:BEAM]

    def _distribution(self, context: tuple[Pair, ...], letter: str) -> list[float]:
        """Of each of the letter's pairs after a context, by Witten & Bell:
        P(p|c) = (count(c p) + kinds(c) P(p|shorter c)) / (count(c) + kinds(c))."""
        known = self._shares.get((context, letter))
        if known is not None:
            return known
        nexts = self._counts.get(context)
        lower = self._distribution(context[1:], letter) if context else [1e-6] * len(self._choices[letter])
        if nexts is None:
            return lower
        kinds, total = len(nexts), self._totals[context]
        shares = [
            (nexts.get(pair, 0) + kinds * less) / (total + kinds)
            for pair, less in zip(self._choices[letter], lower, strict=True)
        ]
        self._shares[context, letter] = shares
        return shares


def _in_common(word: str, other: str) -> int:
    """Letters that both begin with."""
    differ = (place for place, letters in enumerate(zip(word, other, strict=False)) if letters[0] != letters[1])
    return next(differ, min(len(word), len(other)))


def _common(pairs: Counter[Pair]) -> list[Pair]:
    """Without those that are misspellings and slips of the alignment."""
    return [pair for pair, count in pairs.items() if count >= RARE * pairs.total()]


def _train_alignment(entries: Sequence[tuple[str, Phones]]) -> dict[Pair, float]:
    """Negative log-probabilities of letter-phone pairs by EM (Viterbi after a first flat round)."""
    counts: dict[Pair, float] = defaultdict(float)
    for word, way in entries:  # flat start: a letter may be any run of phones near its place in the word
        for place, letter in enumerate(word):
            centre = place * len(way) / len(word)
            for start in range(max(0, int(centre) - 1), min(len(way), int(centre) + 2)):
                for length in range(1, MAX_PHONES + 1):
                    if start + length <= len(way):
                        counts[letter, way[start : start + length]] += 1.0 if length == 1 else 0.05
            counts[letter, ()] += 0.3
    costs = _costs(counts)
    for _ in range(EM_ROUNDS):
        counts = defaultdict(float)
        for word, way in entries:
            for pair in _align(word, way, costs) or ():
                counts[pair] += 1.0
        costs = _costs(counts)
    return costs


def _costs(counts: dict[Pair, float]) -> dict[Pair, float]:
    totals: dict[str, float] = defaultdict(float)
    for (letter, _), count in counts.items():
        totals[letter] += count
    return {pair: -math.log(count / totals[pair[0]]) for pair, count in counts.items()}


def _align(word: str, way: Phones, costs: dict[Pair, float]) -> list[Pair] | None:
    """The cheapest division of a word's phones among its letters, or None if there is none."""
    if len(way) > MAX_PHONES * len(word):
        return None
    columns = len(way) + 1
    best = [[math.inf] * columns for _ in range(len(word) + 1)]
    back = [[0] * columns for _ in range(len(word) + 1)]
    best[0][0] = 0.0
    for place, letter in enumerate(word):
        for used in range(columns):
            cost = best[place][used]
            if cost == math.inf:
                continue
            for length in range(min(MAX_PHONES, len(way) - used) + 1):
                step = costs.get((letter, way[used : used + length]))
                if step is not None and cost + step < best[place + 1][used + length]:
                    best[place + 1][used + length] = cost + step
                    back[place + 1][used + length] = length
    if best[-1][-1] == math.inf:
        return None
    pairs: list[Pair] = []
    used = len(way)
    for place in range(len(word), 0, -1):
        length = back[place][used]
        pairs.append((word[place - 1], way[used - length : used]))
        used -= length
    return pairs[::-1]
