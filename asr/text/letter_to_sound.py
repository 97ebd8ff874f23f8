"""A letter-to-sound model, a joint letter-phone n-gram: pronunciations for words that no dictionary lists.

A simplified form of Bisani & Ney 2008, "Joint-sequence models for grapheme-to-phoneme conversion": every letter stands
for none, one or two phones. Expectation-maximisation aligns letters with phones, an n-gram over letter-phone pairs is
estimated with Witten-Bell interpolation, and a beam search finds the most probable pairs of a word.
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
RARE = 1e-4  # pairs that are a smaller share of their letter's pairs are misspellings or errors of the alignment
START: Pair = ("<s>", ())
END: Pair = ("</s>", ())


class Hypothesis(NamedTuple):
    """One pronunciation of the letters so far."""

    score: float  # ln P
    history: tuple[Pair, ...]  # the most recent pairs
    phones: Phones


class LetterToSound:
    """A letter-to-sound model, trained on a pronouncing dictionary."""

    def __init__(self, dictionary: Pronunciations, order: int = ORDER) -> None:
        """order: pairs in the longest n-grams. Raises TextError if no entry has at most two phones a letter."""
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
        self._choices = {letter: _frequent(pairs) for letter, pairs in seen.items()}
        self._probabilities: dict[tuple[tuple[Pair, ...], str], list[float]] = {}
        self._word = ""  # the previous word, and the best hypotheses after each of its letters
        self._beams = [[Hypothesis(0.0, (START,), ())]]

    def pronounce(self, word: str) -> Phones | None:
        """The most probable phones of a word, or None if it has a letter that does not occur in the dictionary.

        Words in alphabetical order are fastest: the search reuses the letters that a word shares with the previous one.
        """
        if any(letter not in self._choices for letter in word):
            return None
        shared = _common_prefix(word, self._word)
        self._word, self._beams = word, self._beams[: shared + 1]
        for letter in word[shared:]:
            self._beams.append(self._extended(self._beams[-1], letter))
        return next((best.phones for best in self._extended(self._beams[-1], END[0]) if best.phones), None)

    def _extended(self, beam: list[Hypothesis], letter: str) -> list[Hypothesis]:
        """The best hypotheses after one more letter, best first."""
        longer = []
        for score, history, phones in beam:
            probabilities = self._distribution(history, letter)
            for pair, probability in zip(self._choices[letter], probabilities, strict=True):
                recent = (*history, pair)[-(self.order - 1) :]
                longer.append(Hypothesis(score + math.log(probability), recent, phones + pair[1]))
        return sorted(longer, key=lambda hypothesis: (-hypothesis.score, hypothesis.phones))[:BEAM]

    def _distribution(self, context: tuple[Pair, ...], letter: str) -> list[float]:
        """The probability of each of the letter's pairs after a context, by Witten & Bell 1991:
        P(p|c) = (count(c p) + kinds(c) P(p|shorter c)) / (count(c) + kinds(c))."""
        known = self._probabilities.get((context, letter))
        if known is not None:
            return known
        nexts = self._counts.get(context)
        lower = self._distribution(context[1:], letter) if context else [1e-6] * len(self._choices[letter])
        if nexts is None:
            return lower
        kinds, total = len(nexts), self._totals[context]
        probabilities = [
            (nexts.get(pair, 0) + kinds * backed_off) / (total + kinds)
            for pair, backed_off in zip(self._choices[letter], lower, strict=True)
        ]
        self._probabilities[context, letter] = probabilities
        return probabilities


def _common_prefix(word: str, other: str) -> int:
    """The number of letters that both words begin with."""
    pairs = enumerate(zip(word, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(word), len(other)))


def _frequent(pairs: Counter[Pair]) -> list[Pair]:
    """The pairs that are not rare, in order of first occurrence."""
    return [pair for pair, count in pairs.items() if count >= RARE * pairs.total()]


def _train_alignment(entries: Sequence[tuple[str, Phones]]) -> dict[Pair, float]:
    """Negative log-probabilities of letter-phone pairs, by EM: one flat round, then Viterbi alignments."""
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
    """The cheapest division of a word's phones among its letters, or None if it has too many phones."""
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
