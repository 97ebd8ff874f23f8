"""Counts of n-grams in sorted runs on disk: any text that fits the disk, in the memory that is given.

The text lies on disk as word ids. For each order the n-grams of a chunk of it are sorted and counted in memory, which
makes one run; the runs are merged, block by block (an external merge sort: Knuth, The Art of Computer Programming,
volume 3, 5.4). An n-gram is one number: the index, one order lower, of its beginning, and its last word. n-grams
are thus sorted by their words, first word first, and those with one history stand together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import TextError
from asr.lm.ngram.disk_arrays import Array, DiskArray, DiskRows, Workspace

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
SIGNS = (UNKNOWN, BEGIN, END)
BEGIN_ID, END_ID = SIGNS.index(BEGIN), SIGNS.index(END)
ENCODED_AT_ONCE = 1_000_000  # tokens
BYTES_OF_TOKEN = 64  # of one token of a chunk that is sorted

Steps = Callable[[str, float, float], None]  # what is done, how much of it, of how much


def no_steps(_label: str, _done: float, _total: float) -> None:
    """Says nothing of the progress."""


class Corpus:
    """Sentences as word ids in one array on disk, each between <s> and </s>.

    Words outside the vocabulary keep ids of their own, as in lmplz: they count as neighbours of other words, and only
    then are left out; `allowed` says which words stay. Words that no sentence has get the share of the discounted mass
    that <unk> gets, each.
    """

    def __init__(
        self,
        sentences: Iterable[str],
        vocabulary: Iterable[str] | None = None,
        unseen: bool = False,
        space: Workspace | None = None,
    ) -> None:
        """unseen: also hold the words of the vocabulary that no sentence has. Raises TextError if there is no word."""
        self.space = space or Workspace()
        ids: defaultdict[str, int] = defaultdict()
        ids.default_factory = ids.__len__
        for sign in SIGNS:
            ids.__getitem__(sign)  # the mapping gives each new word the next id
        self.tokens = self.space.array(np.int32)
        pending: list[int] = []
        ends = 0
        for sentence in sentences:
            words = sentence.split()
            if not words:
                continue
            pending.append(BEGIN_ID)
            pending.extend(map(ids.__getitem__, words))
            pending.append(END_ID)
            ends += 1
            if len(pending) > ENCODED_AT_ONCE:
                self._store(pending, ends)
                pending, ends = [], 0
        self._store(pending, ends)
        self.ids: dict[str, int] = dict(ids)
        if not len(self.tokens):
            raise TextError("the text holds no word; a language model needs sentences, one a line.")
        self.allowed = np.ones(len(self.ids), bool)  # (words,)
        if vocabulary is not None:
            wanted = set(vocabulary) | set(SIGNS)
            if len(wanted & self.ids.keys()) == len(SIGNS):
                raise TextError("no word of the text is in the vocabulary; are they in different case?")
            if unseen:
                self.ids |= {word: index for index, word in enumerate(sorted(wanted - self.ids.keys()), len(self.ids))}
            self.allowed = np.array([word in wanted for word in self.ids])

    def _store(self, pending: list[int], sentences: int) -> None:
        tokens = np.array(pending, np.int32)
        for sign, expected in enumerate((0, sentences, sentences)):
            if (tokens == sign).sum() > expected:
                raise TextError(
                    f"the text holds the sign '{SIGNS[sign]}' as a word; remove it, sentences get it by themselves."
                )
        self.tokens.append(tokens)


@dataclass
class Level:
    """The different n-grams of one order, sorted by their words; indices are of the order below.

    An n-gram's number is the index of its history (the n-gram without its last word) times `words`, plus the last word.
    """

    numbers: DiskArray
    counts: DiskArray  # int64
    suffix: DiskArray  # index of the n-gram without its first word
    words: int
    begins: tuple[int, int]  # the range of those that begin with <s>

    def __len__(self) -> int:
        return len(self.numbers)

    def history_and_last(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Index of the history and id of the last word of the n-grams of a range."""
        history, last = np.divmod(self.numbers[start:stop].astype(np.int64), self.words)
        return history, last


def count(corpus: Corpus, order: int, steps: Steps = no_steps) -> list[Level]:
    """The different n-grams of orders 1 to `order`. Raises TextError if they are more than can be numbered."""
    space, words = corpus.space, len(corpus.ids)
    levels = [_unigrams(corpus, steps)]
    index: DiskArray = corpus.tokens  # at each position, the index of the n-gram that ends there
    for length in range(2, order + 1):
        if len(levels[-1]) * words >= 1 << 63:
            raise TextError(f"the text has too many different words and {length - 1}-grams to count {length}-grams.")
        runs = _sorted_runs(corpus, index, length, length < order, steps)
        level = _merged(space, runs, words, f"merging {length}-grams", steps)
        begin, end = levels[-1].begins
        level.begins = _place_of(level.numbers, begin * words), _place_of(level.numbers, end * words)
        if length < order:
            following = _indices(corpus, runs, level, f"looking up {length}-grams", steps)
            if index is not corpus.tokens:
                index.close()
            index = following
        runs[0].close()
        levels.append(level)
    if index is not corpus.tokens:
        index.close()
    return levels


def _unigrams(corpus: Corpus, steps: Steps) -> Level:
    space, words = corpus.space, len(corpus.ids)
    counts = np.zeros(words, np.int64)
    for start, stop in space.blocks(len(corpus.tokens)):
        counts += np.bincount(corpus.tokens[start:stop], minlength=words)
        steps("counting words", stop, len(corpus.tokens))
    numbers, on_disk, suffix = space.array(np.uint64), space.array(np.int64), space.array(np.uint32)
    numbers.append(np.arange(words))
    on_disk.append(counts)
    suffix.append(np.zeros(words))
    return Level(numbers, on_disk, suffix, words, (BEGIN_ID, BEGIN_ID + 1))


@dataclass
class _Run:
    """The different n-grams of a chunk of the text, sorted; the arrays are those of all runs."""

    numbers: DiskRows
    counts: DiskRows
    suffix: DiskRows
    positions: tuple[int, int]  # of the chunk's tokens
    ends: DiskRows | None = None  # whether an n-gram ends at each position
    places: DiskRows | None = None  # for each position where one ends, its index in the run

    def close(self) -> None:
        """Give the disk space of this and all other runs back."""
        for rows in (self.numbers, self.counts, self.suffix, self.ends, self.places):
            if rows is not None:
                rows.array.close()


def _chunks(corpus: Corpus) -> Iterator[tuple[int, int]]:
    size = max(1024, corpus.space.memory // BYTES_OF_TOKEN)
    for start in range(0, len(corpus.tokens), size):
        yield start, min(len(corpus.tokens), start + size)


def _ends_ngram(tokens: Array, length: int) -> NDArray[np.bool_]:
    """Whether an n-gram of `length` ends at each position; the first `length` - 1 are of the chunk before."""
    ends = np.ones(len(tokens), bool)
    ends[: length - 1] = False
    # None reaches back over <s>: it may begin with it, but not hold it later.
    begins = tokens == BEGIN_ID
    for back in range(length - 1):
        ends[back:] &= ~begins[: len(tokens) - back]
    return ends


def _sorted_runs(corpus: Corpus, index: DiskArray, length: int, places: bool, steps: Steps) -> list[_Run]:
    """A run of each chunk; places: also where each position's n-gram stands in it."""
    space, words = corpus.space, len(corpus.ids)
    runs = []
    all_numbers, all_counts = space.array(np.uint64), space.array(np.int64)
    all_suffixes = space.array(np.min_scalar_type(max(1, len(index))))
    of_positions = (space.array(np.bool_), space.array(np.uint32)) if places else None
    for start, stop in _chunks(corpus):
        reach = max(0, start - length + 1)  # where the first n-gram of the chunk may begin
        tokens = corpus.tokens[reach:stop]
        ends = _ends_ngram(tokens, length)
        positions = np.flatnonzero(ends)
        lower = index[reach:stop]
        numbers = lower[positions - 1].astype(np.uint64) * np.uint64(words)
        numbers += tokens[positions].astype(np.uint64)
        suffixes = lower[positions]
        del tokens, lower, positions
        order = np.argsort(numbers)
        numbers, suffixes = numbers[order], suffixes[order]
        firsts = np.flatnonzero(np.diff(numbers, prepend=~numbers[:1]))
        run = _Run(
            all_numbers.append(numbers[firsts]), all_counts.append(np.diff(firsts, append=len(numbers))),
            all_suffixes.append(suffixes[firsts]), (start, stop),
        )  # fmt: skip
        if of_positions is not None:
            run.ends = of_positions[0].append(ends[start - reach :])
            of_position = np.empty(len(order), np.uint32)
            of_position[order] = np.repeat(np.arange(len(firsts), dtype=np.uint32), np.diff(firsts, append=len(order)))
            run.places = of_positions[1].append(of_position)
        runs.append(run)
        steps(f"sorting {length}-grams", stop, len(corpus.tokens))
    return runs


def _merged(space: Workspace, runs: list[_Run], words: int, label: str, steps: Steps) -> Level:
    """All n-grams of the runs, each once, its counts added up."""
    suffix_type = runs[0].suffix.array.dtype
    level = Level(space.array(np.uint64), space.array(np.int64), space.array(suffix_type), words, (0, 0))
    size = max(1024, space.rows // len(runs))
    read = [0] * len(runs)
    nothing: tuple[Array, ...] = (np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, suffix_type))
    pending = [nothing] * len(runs)
    total = sum(len(run.numbers) for run in runs)
    while True:
        for place, run in enumerate(runs):
            if not len(pending[place][0]) and read[place] < len(run.numbers):
                rows = slice(read[place], read[place] + size)
                pending[place] = run.numbers[rows], run.counts[rows], run.suffix[rows]
                read[place] += len(pending[place][0])
        # Beyond the last number read of a run that goes on, that run may have numbers still to come.
        unread = [numbers[-1] for (numbers, _, _), at, run in zip(pending, read, runs, strict=True)
                  if at < len(run.numbers)]  # fmt: skip
        takes = [
            int(np.searchsorted(numbers, min(unread), "right")) if unread else len(numbers) for numbers, _, _ in pending
        ]
        if not any(takes):
            break
        taken = [[array[:take] for array in arrays] for arrays, take in zip(pending, takes, strict=True)]
        pending = [tuple(array[take:] for array in arrays) for arrays, take in zip(pending, takes, strict=True)]
        numbers, counts, suffix = (np.concatenate(parts) for parts in zip(*taken, strict=True))
        order = np.argsort(numbers)
        numbers = numbers[order]
        firsts = np.flatnonzero(np.diff(numbers, prepend=~numbers[:1]))
        level.numbers.append(numbers[firsts])
        level.counts.append(np.add.reduceat(counts[order], firsts))
        level.suffix.append(suffix[order[firsts]])
        steps(label, sum(read), total)
    return level


def _indices(corpus: Corpus, runs: list[_Run], level: Level, label: str, steps: Steps) -> DiskArray:
    """At each position of the text, the index in `level` of the n-gram that ends there; 0 where none does."""
    result = corpus.space.array(np.min_scalar_type(max(1, len(level))))
    for run in runs:
        start, stop = run.positions
        ranks = _ranks(corpus.space, run.numbers, level.numbers, result.dtype)
        if run.places is None or run.ends is None:
            raise ValueError("the runs were sorted without the places of the n-grams.")
        values = np.zeros(stop - start, result.dtype)
        values[run.ends[:]] = ranks[run.places[:]]
        result.append(values)
        steps(label, stop, len(corpus.tokens))
    return result


def _ranks(space: Workspace, numbers: DiskRows, among: DiskArray, dtype: np.dtype) -> Array:
    """The place of each of the sorted `numbers` in `among`, which is sorted too and holds all of them."""
    ranks = np.empty(len(numbers), dtype)
    low, window = 0, among[: space.rows]
    for start, stop in space.blocks(len(numbers)):
        wanted, at = numbers[start:stop], 0
        while at < len(wanted):
            inside = int(np.searchsorted(wanted[at:], window[-1], "right"))
            ranks[start + at : start + at + inside] = low + np.searchsorted(window, wanted[at : at + inside])
            at += inside
            if at < len(wanted):
                low += len(window)
                window = among[low : low + space.rows]
    return ranks


def _place_of(numbers: DiskArray, value: int) -> int:
    """Where the first number not below `value` stands."""
    return bisect_left(range(len(numbers)), value, key=lambda place: int(numbers[place : place + 1][0]))


def blocks_of_histories(space: Workspace, level: Level, histories: int) -> Iterator[tuple[slice, slice]]:
    """Ranges of n-grams and of their histories: the n-grams of a history are never divided; no history is left out."""
    start = first = 0
    size = space.rows
    while first < histories:
        stop = min(len(level), start + size)
        history, _ = level.history_and_last(start, stop)
        after = histories
        if stop < len(level):
            if history[-1] == first:  # with more n-grams than a block holds
                size *= 2
                continue
            after = int(history[-1])
        after = min(after, first + space.rows)
        cut = start + int(np.searchsorted(history, after))
        yield slice(start, cut), slice(first, after)
        start, first, size = cut, after, space.rows
