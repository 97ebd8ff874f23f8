"""Texts with labels, as arrays: from printed prose, or from a table of words and columns."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.errors import DataError
from asr.nlp.tagging.prose import CASES, ENDS, MARKS, UNSURE, is_verse, marked_words, paragraphs_of
from asr.text.lines import read_lines

MOST_LABELS = 127  # of a column, as a number of 8 bits
PROSE_OUTPUTS: Mapping[str, Sequence[str]] = {"mark": MARKS, "case": CASES}


@dataclass
class TaggedText:
    """Running words with labels. `types` are the different words, `words` indices into them (words,)."""

    types: list[str]
    words: NDArray[np.int32]
    labels: dict[str, NDArray[np.int8]]  # (words,) by column, -1 where not known
    ends: NDArray[np.bool_]  # (words,) whether a sentence ends after the word

    def __len__(self) -> int:
        return len(self.words)

    def counts(self) -> NDArray[np.int64]:
        """How often each type occurs (types,)."""
        return np.bincount(self.words, minlength=len(self.types))


class _Builder:
    def __init__(self, columns: Iterable[str]) -> None:
        self.types: dict[str, int] = {}
        self.words, self.ends = array("i"), array("b")
        self.labels = {name: array("b") for name in columns}

    def add(self, word: str, labels: Sequence[int], end: bool) -> None:
        self.words.append(self.types.setdefault(word, len(self.types)))
        self.ends.append(end)
        for column, label in zip(self.labels.values(), labels, strict=True):
            column.append(label)

    def text(self) -> TaggedText:
        labels = {name: np.array(values, np.int8) for name, values in self.labels.items()}
        return TaggedText(list(self.types), np.array(self.words, np.int32), labels, np.array(self.ends, bool))


def read_prose(paths: Iterable[Path]) -> TaggedText:
    """Printed texts, a sentence or a paragraph a line, paragraphs separated by blank lines; verse is left out.

    The columns are `mark` and `case`. Raises TextError for a file that cannot be read, DataError if there is no word.
    """
    builder = _Builder(PROSE_OUTPUTS)
    ends = {MARKS.index(mark) for mark in ENDS}
    for path in paths:
        for paragraph in paragraphs_of(read_lines(path)):
            words = marked_words(paragraph)
            if is_verse(words):
                continue
            for word in words:
                builder.add(word.word, (word.mark, word.case), word.mark in ends)
    return _not_empty(builder.text(), "the text")


def read_columns(
    path: Path, outputs: Mapping[str, Sequence[str]] | None = None
) -> tuple[TaggedText, dict[str, list[str]]]:
    """A table (.tsv) with a header `word` and the names of columns, a word a line, a blank line after each sentence;
    and the labels of each column.

    outputs: the labels of the columns to read; by default all columns with the labels that occur. Labels that are not
    among them count as not known. Raises DataError naming the line of a row that does not fit.
    """
    lines = read_lines(path)
    header = next(lines, "").split("\t")
    wanted = list(outputs) if outputs is not None else header[1:]
    if header[0] != "word" or not wanted or any(name not in header for name in wanted):
        raise DataError(f"{path} must begin with a header: word, then {', '.join(wanted) or 'the columns of labels'}.")
    places = [header.index(name) for name in wanted]
    numbers = {name: {label: at for at, label in enumerate((outputs or {}).get(name, ()))} for name in wanted}
    builder = _Builder(wanted)
    for number, line in enumerate(lines, 2):
        if not line.strip():
            if builder.ends:
                builder.ends[-1] = True
            continue
        values = line.split("\t")
        if len(values) != len(header):
            raise DataError(f"{path} line {number} has {len(values)} columns; its header has {len(header)}.")
        found = []
        for name, place in zip(wanted, places, strict=True):
            known = numbers[name]
            found.append(
                known.setdefault(values[place], len(known)) if outputs is None else known.get(values[place], UNSURE)
            )
        if max(found) >= MOST_LABELS:
            raise DataError(f"{path} line {number}: a column has more than {MOST_LABELS} labels; is it one of numbers?")
        builder.add(values[0], found, False)
    return _not_empty(builder.text(), str(path)), {name: list(known) for name, known in numbers.items()}


def _not_empty(text: TaggedText, source: str) -> TaggedText:
    if not len(text):
        raise DataError(f"{source} holds no word to learn from; check the file.")
    return text
