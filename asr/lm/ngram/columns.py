"""N-gram models in columns (`.ngrams`, `.ngrams.xz`): all that an ARPA file says, in less than half of its space.

Words are sorted; so are n-grams, which are told by numbers that are mostly small: how many n-grams go on from each
shorter one, and how far the last word is from that of the n-gram before, among words from the likeliest to the rarest
(Pauls and Klein 2011, "Faster and Smaller N-Gram Language Models", section 3). Scores are rounded to steps. Numbers of
one kind lie together, by which a general packer gets them into few bits.

The file: `MAGIC`; a line of JSON (`counts` of n-grams by order; `decimals` of log10 values; `word_bytes`; `columns`, of
each the least value and the bytes of a number); the words, sorted, each with a line end; the columns. Those of order 1
are the log-probabilities and the back-off weights, in the order of the words. Those of each further order are how many
of its n-grams begin with each n-gram of the order below; the last words; log-probabilities; and back-off weights, if
there is a higher order. Scores have their sign changed. A column is its values less the least one: the highest byte of
all, and so on to the lowest byte of all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr.atomic_file import replacing
from asr.errors import TextError
from asr.json_text import parse_json
from asr.lm.ngram.arpa import LN10, ArpaModel, Rows, StoredModel, check_values, reading
from asr.unpacking import DAMAGED, open_unpacked, packed

MAGIC = b"asr n-grams 1\n"
SUFFIX = ".ngrams"
DECIMALS = 2  # of log10 values, where none are asked for; more change no perplexity
MAX_DECIMALS = 6
MAX_ORDER = 9
MAX_BYTES = 4  # of a number
LONGEST_HEADER = 4096  # bytes
Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]


def is_in_columns(path: Path) -> bool:
    """Whether a file, packed or not, begins as those in columns do; False for one that cannot be read."""
    try:
        with open_unpacked(path, by_content=True) as file:
            return file.read(len(MAGIC)) == MAGIC
    except (TextError, *DAMAGED):
        return False


def write_columns(path: str | Path, model: StoredModel, decimals: int | None = None) -> None:
    """Write a model in columns, packed if the name ends in .gz, .bz2 or .xz; atomically. It is taken into memory.

    decimals: of the log10 values. Raises TextError for a model that lists an n-gram twice or without its beginning.
    """
    path = Path(path)
    decimals = DECIMALS if decimals is None else min(decimals, MAX_DECIMALS)
    words, columns = _columns(path, model, decimals)
    text = "".join(f"{word}\n" for word in words).encode()
    header = {
        "counts": [len(grams) for grams in model.grams], "decimals": decimals, "word_bytes": len(text),
        "columns": [[int(column.min(initial=0)), _width(column)] for column in columns],
    }  # fmt: skip
    with replacing(path) as temporary, temporary.open("wb") as raw:
        stream = packed(path, raw, small=True)
        stream.write(MAGIC + json.dumps(header).encode() + b"\n" + text)
        for column in columns:
            _write_column(stream, column)
        if stream is not raw:
            stream.close()


def _columns(path: Path, model: StoredModel, decimals: int) -> tuple[list[str], list[Numbers]]:
    """The sorted words, and all columns in their order."""

    def steps(values: Rows) -> Numbers:
        exact: Floats = np.asarray(values[:], np.float64) * (-(10**decimals) / LN10)
        return np.rint(exact).astype(np.int64)

    names, size = model.words, len(model.words)
    by_name = np.array(sorted(range(size), key=names.__getitem__), np.int64)
    scores = steps(model.log_probs[0])[by_name]
    columns = [scores] if model.order == 1 else [scores, steps(model.backoffs[0])[by_name]]
    rank = np.empty(size, np.int64)
    rank[by_name[_likeliest_first(scores)]] = np.arange(size)
    known: list[Numbers] = []  # of each order from 2 on, its n-grams as numbers, in order
    below = size
    for order in range(2, model.order + 1):
        grams = rank[np.asarray(model.grams[order - 1][:], np.int64).reshape(-1, order)]
        sequence = np.lexsort(grams.T[::-1])
        begins, last = _places(grams[sequence, :-1], known, size), grams[sequence, -1]
        if (begins < 0).any():
            raise TextError(
                f"{path}: {(begins < 0).sum():,} of the model's {order}-grams begin with words that it does not list "
                "as an n-gram, which only an ARPA file can hold; write one (.arpa.xz)."
            )
        gaps = _gaps(begins, last)
        if (gaps < 0).any():
            raise TextError(f"{path}: the model lists a {order}-gram twice; estimate it again.")
        columns += [np.bincount(begins, minlength=below), gaps, steps(model.log_probs[order - 1])[sequence]]
        if order < model.order:
            columns.append(steps(model.backoffs[order - 1])[sequence])
        known.append(begins * size + last)
        below = len(last)
    return [names[index] for index in by_name.tolist()], columns


def _likeliest_first(scores: Numbers) -> Numbers:
    """The places of words by their scores; equal ones stay in their order."""
    return np.argsort(scores, kind="stable")


def _places(grams: Numbers, known: list[Numbers], words: int) -> Numbers:
    """Where n-grams stand among those of their order; -1: nowhere."""
    places = grams[:, 0]
    for last, numbers in zip(grams.T[1:], known, strict=True):
        wanted = places * words + last
        found = np.searchsorted(numbers, wanted)
        places = np.where((places >= 0) & (np.append(numbers, -1)[found] == wanted), found, -1)
    return places


def _gaps(begins: Numbers, last: Numbers) -> Numbers:
    """How many words lie between the last word of each n-gram and that of the one before, if they begin alike."""
    gaps = last.copy()
    gaps[1:] -= np.where(begins[1:] == begins[:-1], last[:-1] + 1, 0)
    return gaps


def _width(column: Numbers) -> int:
    """Bytes that the largest number of a column takes."""
    return max(1, -(-int(column.max(initial=0) - column.min(initial=0)).bit_length() // 8))


def _write_column(file: BinaryIO, column: Numbers) -> None:
    numbers = column - column.min(initial=0)
    for byte in reversed(range(_width(column))):
        file.write((numbers >> 8 * byte & 0xFF).astype(np.uint8).tobytes())


def read_columns(path: str | Path) -> ArpaModel:
    """Read a model in columns; its words come from the likeliest to the rarest, its n-grams sorted.

    Raises TextError for a file that is missing, damaged, cut short, or says what no model does.
    """
    path = Path(path)
    with reading(path):
        with open_unpacked(path, by_content=True) as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it does not begin as n-grams in columns do")
            header, content = file.readline(LONGEST_HEADER), file.read()
        model = _model(_Header(header), memoryview(content))
    check_values(path, model)
    return model


class _Header:
    """What the line of JSON says. Raises ValueError for what no file in columns has."""

    def __init__(self, line: bytes) -> None:
        try:
            said = parse_json(line)
            self.counts = [_number(count, 1, 1 << 40) for count in said["counts"]]
            self.decimals = _number(said["decimals"], 0, MAX_DECIMALS)
            self.word_bytes = _number(said["word_bytes"], 0, 1 << 40)
            self.columns = [
                (_number(least, -(1 << 40), 1 << 40), _number(width, 1, MAX_BYTES)) for least, width in said["columns"]
            ]
        except (KeyError, TypeError) as error:
            raise ValueError(f"its header lacks something: {error}") from None
        if not 1 <= len(self.counts) <= MAX_ORDER:
            raise ValueError(f"it has {len(self.counts)} orders")


def _number(value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{value!r} in its header is no number from {least} to {most}")
    return value


class _Columns:
    """The columns of a file, one after the other."""

    def __init__(self, content: memoryview, forms: list[tuple[int, int]]) -> None:
        self._content, self._forms, self._at = content, iter(forms), 0

    def next(self, length: int) -> Numbers:
        """The next column. Raises ValueError where there is none so long."""
        least, width = next(self._forms, (0, 0))
        end = self._at + width * length
        if not width or end > len(self._content):
            raise ValueError("columns are missing")
        numbers = np.zeros(length, np.int64)
        for row in np.frombuffer(self._content[self._at : end], np.uint8).reshape(width, length):
            numbers = numbers << 8 | row
        self._at = end
        return numbers + least

    def finish(self) -> None:
        """Raise ValueError if there is more than was read."""
        if self._at != len(self._content) or next(self._forms, None) is not None:
            raise ValueError("something stands behind its columns")


def _model(header: _Header, content: memoryview) -> ArpaModel:
    words = str(content[: header.word_bytes], "utf-8").split("\n")[:-1]
    size, order = len(words), len(header.counts)
    if size != header.counts[0] or len(set(words)) != size or any(word.split() != [word] for word in words):
        raise ValueError(f"it does not hold the {header.counts[0]:,} different words that it promises")
    if sum(header.counts[1:]) > len(content):  # before memory is taken for them
        raise ValueError("columns are missing")
    columns = _Columns(content[header.word_bytes :], header.columns)

    def scores(steps: Numbers) -> NDArray[np.float32]:
        exact: Floats = steps * (-LN10 / 10**header.decimals)
        return exact.astype(np.float32)

    steps = columns.next(size)
    by_rank = _likeliest_first(steps)
    grams = [np.arange(size, dtype=np.int32).reshape(-1, 1)]
    log_probs = [scores(steps[by_rank])]
    backoffs = [scores(columns.next(size)[by_rank]) if order > 1 else np.zeros(size, np.float32)]
    for count in header.counts[1:]:
        followers = columns.next(len(grams[-1]))
        if followers.min(initial=0) < 0 or followers.sum() != count:
            raise ValueError(f"its n-grams of {len(grams) + 1} words are not as many as it promises")
        begins = np.repeat(np.arange(len(followers)), followers)
        last = _last_words(followers, columns.next(count), size)
        grams.append(np.column_stack([grams[-1][begins], last.astype(np.int32)]))
        log_probs.append(scores(columns.next(count)))
        backoffs.append(scores(columns.next(count)) if len(grams) < order else np.zeros(count, np.float32))
    columns.finish()
    return ArpaModel([words[index] for index in by_rank.tolist()], grams, log_probs, backoffs)


def _last_words(followers: Numbers, gaps: Numbers, words: int) -> Numbers:
    """The last words from the gaps between them (`_gaps`), for how many n-grams begin alike."""
    if gaps.min(initial=0) < 0:
        raise ValueError("words of its n-grams are out of order")
    total = np.concatenate([[0], np.cumsum(gaps + 1)])
    first = np.cumsum(followers) - followers
    last: Numbers = total[1:] - np.repeat(total[first], followers) - 1
    if last.max(initial=0) >= words:
        raise ValueError("its n-grams name words that it does not hold")
    return last
