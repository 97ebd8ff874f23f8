"""A letter-to-sound model, a joint letter-phone n-gram: pronunciations for words that no dictionary lists.

A simplified form of Bisani & Ney 2008, "Joint-sequence models for grapheme-to-phoneme conversion": every letter stands
for none, one or two phones. Expectation-maximisation aligns letters with phones, an n-gram over letter-phone pairs is
estimated with Witten-Bell interpolation, and a beam search finds the most probable pairs of a word.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from asr._native import Pronouncer
from asr.errors import TextError
from asr.text.lexicon import Pronunciations

Phones = tuple[str, ...]
Kind = TypeVar("Kind", np.int32, np.float64)
Pair = tuple[str, Phones]
Context = tuple[Pair, ...]
Counts = Mapping[Context, Mapping[Pair, int]]  # of the pairs that follow a context

ORDER = 6
SMALL = (5, (1, 1, 1, 3, 4))  # order and least counts of a model of a third of a megabyte; phone errors 7.5%, not 6.7%
EM_ROUNDS = 4
MAX_PHONES = 2  # phones one letter may stand for
BEAM = 12
WITHIN = 2.5  # nats below the best at which other pronunciations of a word end
RARE = 1e-4  # pairs that are a smaller share of their letter's pairs are misspellings or errors of the alignment
START: Pair = ("<s>", ())
END: Pair = ("</s>", ())


class LetterToSound:
    """A letter-to-sound model. `train` one on a pronouncing dictionary, or `asr.text.letter_to_sound_file.read` one."""

    def __init__(
        self, order: int, counts: Counts, weights: Mapping[Context, int], choices: Mapping[str, Sequence[Pair]]
    ) -> None:
        """order: pairs in the longest n-grams. counts: of the pairs after each context. weights: by which the shorter
        context joins them, in counts: different pairs after the context, and counts that were dropped. choices: the
        pairs of a letter.
        """
        self.order, self.counts, self.weights, self.choices = order, counts, weights, choices
        self._letters = {letter: number for number, letter in enumerate(choices)}
        pairs = [START, *(pair for options in choices.values() for pair in options)]
        self._phones = sorted({phone for _, said in pairs for phone in said})
        self._search = _compiled(self, pairs, self._phones)

    @classmethod
    def train(cls, dictionary: Pronunciations, order: int = ORDER, rare: Sequence[int] = ()) -> LetterToSound:
        """The model of a dictionary's entries.

        rare: for n-grams of 1, 2, 3, … pairs, the counts below which they are dropped; a smaller model, nearly as good.
        Raises TextError if no entry has at most two phones a letter.
        """
        entries = [(word, way) for word, ways in dictionary.items() for way in ways]
        costs = _train_alignment(entries)
        aligned = [pairs for word, way in entries if (pairs := _align(word, way, costs))]
        if not aligned:
            raise TextError("no dictionary entry could be aligned letter by letter; is it a pronouncing dictionary?")
        counts: dict[tuple[Pair, ...], dict[Pair, int]] = defaultdict(lambda: defaultdict(int))
        seen: dict[str, Counter[Pair]] = defaultdict(Counter)
        for pairs in aligned:
            sequence = [START, *pairs, END]
            for place in range(1, len(sequence)):
                seen[sequence[place][0]][sequence[place]] += 1
                for length in range(min(order - 1, place) + 1):
                    counts[tuple(sequence[place - length : place])][sequence[place]] += 1
        choices = {letter: _frequent(pairs) for letter, pairs in seen.items()}
        kept = _frequent_ngrams(counts, rare) if rare else counts
        weights = {
            context: len(counts[context]) + sum(counts[context].values()) - sum(nexts.values())
            for context, nexts in kept.items()
        }
        return cls(order, kept, weights, choices)

    def pronounce(self, word: str) -> Phones | None:
        """The most probable phones of a word, or None if it has a letter that does not occur in the dictionary."""
        return next(iter(self.pronunciations(word, 1)), None)

    def pronunciations(self, word: str, most: int = 1, within: float = WITHIN) -> list[Phones]:
        """Up to `most` pronunciations of a word, the most probable first; none for a letter that is not known.

        within: nats below the most probable one at which further ones end.
        """
        if any(letter not in self.choices for letter in word):
            return []
        ways: dict[Phones, float] = {}
        for score, said in self._search.best([self._letters[letter] for letter in (*word, END[0])], BEAM):
            if said:
                ways.setdefault(tuple(self._phones[phone] for phone in said), score)
        best = max(ways.values(), default=0.0)
        return [phones for phones, score in ways.items() if score >= best - within][:most]


def _compiled(model: LetterToSound, pairs: Sequence[Pair], phones: Sequence[str]) -> Pronouncer:
    """The search of a model on flat arrays. Raises ValueError for counts that cannot be.

    pairs: that of the start first. phones: in order, so that of equally probable pronunciations the first is chosen.
    """
    letters = {letter: number for number, letter in enumerate(model.choices)}
    phone_ids = {phone: number for number, phone in enumerate(phones)}
    ids = {pair: number for number, pair in enumerate(pairs)}
    said = [[phone_ids[phone] for phone in pair[1]] for pair in pairs]
    # Contexts with pairs that are too rare to be chosen are never asked for.
    contexts = [
        (context, [ids[pair] for pair in context], nexts)
        for context, nexts in model.counts.items()
        if all(pair in ids for pair in context)
    ]
    follow = [[(ids[pair], count) for pair, count in nexts.items() if pair in ids] for _, _, nexts in contexts]
    return Pronouncer(
        order=model.order,
        start=0,
        letters=np.array([letters.get(letter, len(letters)) for letter, _ in pairs], np.int32),
        phone_starts=_starts(said),
        phones=_joined(said, np.int32),
        context_starts=_starts([numbers for _, numbers, _ in contexts]),
        context_pairs=_joined([numbers for _, numbers, _ in contexts], np.int32),
        weights=np.array([model.weights[context] for context, _, _ in contexts], np.float64),
        totals=np.array([sum(nexts.values()) for _, _, nexts in contexts], np.float64),
        next_starts=_starts(follow),
        next_pairs=_joined([[pair for pair, _ in nexts] for nexts in follow], np.int32),
        next_counts=_joined([[count for _, count in nexts] for nexts in follow], np.float64),
    )


def _starts(parts: Sequence[Sequence[object]]) -> NDArray[np.int64]:
    """Where each part begins among all their values, and where the last one ends."""
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def _joined(parts: Sequence[Sequence[int]], kind: type[Kind]) -> NDArray[Kind]:
    return np.fromiter(chain.from_iterable(parts), kind)


def _frequent_ngrams(counts: Counts, rare: Sequence[int]) -> Counts:
    """The n-grams that occur often enough, by length; for those longer than `rare` its last number counts."""
    least = {length: rare[min(length, len(rare) - 1)] for length in range(1 + max(map(len, counts)))}
    kept = {
        context: {pair: count for pair, count in nexts.items() if count >= least[len(context)]}
        for context, nexts in counts.items()
    }
    return {context: nexts for context, nexts in kept.items() if nexts}


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
