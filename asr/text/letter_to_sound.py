"""Pronunciations of words that no dictionary lists: a joint letter-phone n-gram.

After Bisani & Ney 2008, "Joint-sequence models for grapheme-to-phoneme conversion", simplified: every letter stands
for none, one or two phones. The alignment is found by expectation-maximisation, then an n-gram over letter-phone pairs
with Witten-Bell interpolation is counted, and a word's best pairs are found by a beam search.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from asr.errors import TextError
from asr.text.lexicon import Pronunciations

Phones = tuple[str, ...]
Pair = tuple[str, Phones]

ORDER = 6
EM_ROUNDS = 4
MAX_PHONES = 2  # phones one letter may stand for
BEAM = 12
START: Pair = ("<s>", ())
END: Pair = ("</s>", ())


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
        self._choices: dict[str, set[Pair]] = defaultdict(set)
        for pairs in aligned:
            sequence = [START, *pairs, END]
            for place in range(1, len(sequence)):
                self._choices[sequence[place][0]].add(sequence[place])
                for length in range(min(order - 1, place) + 1):
                    self._counts[tuple(sequence[place - length : place])][sequence[place]] += 1
        self._totals = {context: sum(nexts.values()) for context, nexts in self._counts.items()}
        self._cache: dict[tuple[tuple[Pair, ...], Pair], float] = {}

    def pronounce(self, word: str) -> Phones | None:
        """The likeliest phones of a word, or None if it holds a letter that the dictionary never had."""
        beam: list[tuple[float, tuple[Pair, ...], Phones]] = [(0.0, (START,), ())]
        for letter in [*word, END[0]]:
            if letter not in self._choices:
                return None
            extended = [
                (
                    score + math.log(self._probability(history[-(self.order - 1) :], pair)),
                    (*history, pair),
                    phones + pair[1],
                )
                for score, history, phones in beam
                for pair in self._choices[letter]
            ]
            beam = sorted(extended, key=lambda entry: (-entry[0], entry[2]))[:BEAM]
        return next((phones for _, _, phones in beam if phones), None)

    def _probability(self, context: tuple[Pair, ...], pair: Pair) -> float:
        """Witten-Bell: P(p|c) = (count(c p) + kinds(c) P(p|shorter c)) / (count(c) + kinds(c))."""
        if context not in self._counts:
            return self._probability(context[1:], pair)
        key = (context, pair)
        cached = self._cache.get(key)
        if cached is None:
            nexts = self._counts[context]
            kinds = len(nexts)
            lower = self._probability(context[1:], pair) if context else 1e-6
            cached = (nexts.get(pair, 0) + kinds * lower) / (self._totals[context] + kinds)
            self._cache[key] = cached
        return cached


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
