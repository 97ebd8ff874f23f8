"""Training text of language models from collections of books: sentences of prose, each once, none of an evaluation set.

Texts are compared by the 8-word runs (shingles) that they share (Broder 1997, "On the resemblance and containment of
documents"), each as a 64-bit hash. A book, or a paragraph, is a double if the greater part of its runs was seen before;
a sentence that shares one run with a text to keep apart is left out, with its whole book where there are many.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.errors import TextError
from asr.text.normalize import normalize_english
from asr.text.prose import decoded, paragraphs, sentences, spoken_words

RUN = 8  # words
SAMPLED = 8  # one run in so many is remembered, chosen by its hash
TABLE_BITS = 31  # of the table of runs seen: 256 MB, a twentieth filled by 800 million words
DOUBLE_SHARE = 0.5  # of the sampled runs seen before, from which on a text is a double
LEAST_RUNS = 2  # sampled runs without which a paragraph is not judged
SHARED_RUNS = 30  # runs shared with texts kept apart, from which on a whole book goes
SUFFIXES = (".txt", ".md")
KNOWN_LINES = 1000  # of a text that is already had, taken in one piece

Hashes = NDArray[np.uint64]
_FACTOR, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


@dataclass
class Book:
    """The sentences of a book, as printed and as spoken, with the hash of every run of words."""

    path: Path
    printed: list[str]
    spoken: list[str]
    paragraph: NDArray[np.int64]  # (sentences,) index of the paragraph
    lengths: NDArray[np.int64]  # (sentences,) words
    runs: Hashes  # (words - RUN + 1,)


@dataclass
class Tally:
    """Counts of what was used and what was left out."""

    books: int = 0
    words: int = 0
    sentences: int = 0
    left_out: list[Path] = field(default_factory=list)  # by name
    foreign: list[Path] = field(default_factory=list)  # without English prose
    doubles: list[Path] = field(default_factory=list)
    apart: list[Path] = field(default_factory=list)
    doubled_words: int = 0  # in paragraphs of books that are no doubles
    apart_words: int = 0  # in sentences of books that were not left out whole


class RunTable:
    """The set of runs of words seen so far, one bit each (a Bloom filter with one hash function)."""

    def __init__(self, bits: int = TABLE_BITS) -> None:
        self._shift = np.uint64(64 - bits)
        self._bytes = np.zeros(1 << (bits - 3), np.uint8)

    def add(self, runs: Hashes) -> None:
        """Add runs to the set."""
        place, bit = self._place(runs)
        for value in range(8):  # bits one by one: places may repeat, and bitwise_or.at is ten times slower
            chosen = place[bit == 1 << value]
            self._bytes[chosen] |= np.uint8(1 << value)

    def has(self, runs: Hashes) -> NDArray[np.bool_]:
        """Whether each run is in the set; a few are reported wrongly."""
        place, bit = self._place(runs)
        return (self._bytes[place] & bit) > 0

    def _place(self, runs: Hashes) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        index = (runs * _FACTOR) >> self._shift
        return (index >> np.uint64(3)).astype(np.int64), np.uint8(1) << (index & np.uint64(7)).astype(np.uint8)


def find_books(sources: Iterable[Path]) -> list[Path]:
    """The files of books in folders, by name, and files named themselves. Raises TextError for a path without any."""
    found: list[Path] = []
    for source in sources:
        files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.suffix in SUFFIXES)
        if not files:
            raise TextError(f"{source} holds no book: files {' or '.join('*' + suffix for suffix in SUFFIXES)}.")
        found += files
    return found


def without_listed(books: Sequence[Path], listed: Iterable[str]) -> tuple[list[Path], list[Path]]:
    """The books to read, and those left out because the end of their path is listed."""
    names = {tuple(Path(line).parts) for line in listed if line.strip()}
    depths = {len(name) for name in names}
    left_out = [book for book in books if any(book.parts[-depth:] in names for depth in depths)]
    gone = set(left_out)
    return [book for book in books if book not in gone], left_out


def read_book(path: Path) -> Book:
    """A book's sentences; none if it is not in English."""
    printed, spoken, paragraph = [], [], []
    for number, block in enumerate(paragraphs(decoded(path.read_bytes()))):
        for sentence in sentences(block):
            words = spoken_words(sentence)
            if words:
                printed.append(sentence)
                spoken.append(words)
                paragraph.append(number)
    lengths = np.array([sentence.count(" ") + 1 for sentence in spoken], np.int64)
    return Book(path, printed, spoken, np.array(paragraph, np.int64), lengths, run_hashes(" ".join(spoken).split()))


_word_hashes: dict[str, int] = {}


def run_hashes(words: Sequence[str]) -> Hashes:
    """A hash of every run of `RUN` words: (words - RUN + 1,), the same in every process."""
    for word in set(words).difference(_word_hashes):
        _word_hashes[word] = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
    values = np.fromiter((_word_hashes[word] for word in words), np.uint64, len(words))
    if len(values) < RUN:
        return np.zeros(0, np.uint64)
    total = np.zeros(len(values) - RUN + 1, np.uint64)
    for place in range(RUN):
        total = total * _FACTOR + values[place : len(values) - RUN + 1 + place]
    return (total ^ (total >> np.uint64(29))) * _MIX


class Collector:
    """Returns the new sentences of books, which it is given one by one."""

    def __init__(self, apart: Iterable[str] = ()) -> None:
        """apart: sentences of evaluation texts; sentences that share a run of words with them are left out."""
        self.tally = Tally()
        self._seen = RunTable()
        self._apart = np.unique(run_hashes([word for line in apart for word in normalize_english(line).split()]))
        self._apart_table = RunTable(24)
        self._apart_table.add(self._apart)

    def know(self, lines: Iterable[str]) -> None:
        """Add a text that the user has already, so that its sentences are left out."""
        words: list[str] = []
        for number, line in enumerate(lines, 1):
            words += line.lower().split()
            if number % KNOWN_LINES == 0:
                self._seen.add(_sampled(run_hashes(words)))
                words = []
        self._seen.add(_sampled(run_hashes(words)))

    def take(self, book: Book) -> tuple[list[str], list[str]]:
        """The new sentences of a book, as printed and as spoken; paragraphs are separated by a blank string."""
        tally = self.tally
        if not book.spoken:
            tally.foreign.append(book.path)
            return [], []
        shared = self._shared(book.runs)
        if shared.sum() >= SHARED_RUNS:
            tally.apart.append(book.path)
            return [], []
        sampled = np.flatnonzero(book.runs % np.uint64(SAMPLED) == 0)
        seen = self._seen.has(book.runs[sampled])
        self._seen.add(book.runs[sampled])
        if len(seen) and seen.mean() >= DOUBLE_SHARE:
            tally.doubles.append(book.path)
            return [], []
        sentence_of_word = np.repeat(np.arange(len(book.lengths)), book.lengths)
        kept = np.ones(len(book.lengths), bool)
        kept[self._doubled(book, sentence_of_word[sampled], seen)] = False
        tally.doubled_words += int(book.lengths[~kept].sum())
        starts = np.flatnonzero(shared)
        touched = np.unique(sentence_of_word[(starts[:, None] + np.arange(RUN)).ravel()])
        tally.apart_words += int(book.lengths[touched][kept[touched]].sum())
        kept[touched] = False
        tally.books += 1
        tally.sentences += int(kept.sum())
        tally.words += int(book.lengths[kept].sum())
        return _with_gaps(book, kept)

    def _shared(self, runs: Hashes) -> NDArray[np.bool_]:
        shared = self._apart_table.has(runs)
        maybe = np.flatnonzero(shared)
        if len(maybe):
            places = np.minimum(np.searchsorted(self._apart, runs[maybe]), len(self._apart) - 1)
            shared[maybe] = self._apart[places] == runs[maybe]
        return shared

    def _doubled(self, book: Book, sentence: NDArray[np.int64], seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each sentence is in a paragraph that was seen before, (sentences,)."""
        size = int(book.paragraph[-1]) + 1
        paragraph = book.paragraph[sentence]
        runs = np.bincount(paragraph, minlength=size)
        doubled = (runs >= LEAST_RUNS) & (np.bincount(paragraph, seen, size) >= DOUBLE_SHARE * runs)
        return np.asarray(doubled[book.paragraph])


def _sampled(runs: Hashes) -> Hashes:
    sampled: Hashes = runs[runs % np.uint64(SAMPLED) == 0]
    return sampled


def _with_gaps(book: Book, kept: NDArray[np.bool_]) -> tuple[list[str], list[str]]:
    printed: list[str] = []
    spoken: list[str] = []
    last = -1
    for index in np.flatnonzero(kept).tolist():
        if printed and book.paragraph[index] != last:
            printed.append("")
        last = book.paragraph[index]
        printed.append(book.printed[index])
        spoken.append(book.spoken[index])
    return printed, spoken


def read_books(paths: Sequence[Path], processes: int = 1) -> Iterator[Book]:
    """The books in the order of `paths`, read by several processes."""
    if processes == 1:
        yield from map(read_book, paths)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(read_book, paths, chunksize=4)
