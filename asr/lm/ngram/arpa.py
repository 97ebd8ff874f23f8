"""Reading and writing ARPA files (plain, .gz, .bz2, .xz): the text form of back-off n-gram models."""

from __future__ import annotations

import io
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asr._native import ArpaReader
from asr.atomic_file import replacing
from asr.errors import TextError
from asr.unpacking import DAMAGED, open_unpacked, packed

LN10 = float(np.log(10.0))
LINES_AT_ONCE = 100_000  # n-grams that are written at once
MISSING_LOG10 = -100.0  # KenLM's score of an unknown word where the model has no <unk>
LARGEST_LOG10 = 10.0  # of a back-off weight; toolkits write a few above 0
BYTES_AT_ONCE = 1 << 18  # that are unpacked at once
_OTHER_SPACE = re.compile(r"[^\S\n]")
_COUNT = re.compile(r"ngram (\d{1,3})\s*=\s*(\d{1,12})")


class Rows(Protocol):
    """An array, in memory or on disk, of which ranges of rows are read."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> NDArray[Any]: ...


class StoredModel(Protocol):
    """What can be written: an `ArpaModel`, or one whose arrays lie on disk."""

    @property
    def words(self) -> list[str]: ...

    @property
    def order(self) -> int: ...

    @property
    def grams(self) -> Sequence[Rows]: ...

    @property
    def log_probs(self) -> Sequence[Rows]: ...

    @property
    def backoffs(self) -> Sequence[Rows]: ...


@dataclass(frozen=True)
class ArpaModel:
    """A back-off n-gram model as arrays; scores are natural logs.

    words: unigrams in file order, a word's place is its id. For order n = 1, 2, …: grams[n - 1] (count, n) word ids,
    oldest first; log_probs[n - 1] (count,); backoffs[n - 1] (count,), zero where the file gives none.
    """

    words: list[str]
    grams: list[NDArray[np.int32]]
    log_probs: list[NDArray[np.float32]]
    backoffs: list[NDArray[np.float32]]

    @property
    def order(self) -> int:
        return len(self.grams)


def read_arpa(path: str | Path) -> ArpaModel:
    """Read an ARPA file. Raises TextError with the line for a file that is damaged, cut short, or not ARPA."""
    path = Path(path)
    with reading(path):
        model = _read_plain(path)
        if model is None:
            with io.TextIOWrapper(_open(path), encoding="utf-8") as file:
                model = _parse(path, enumerate(file, 1))
    check_values(path, model)
    return model


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Let errors of the block that reads a model's file, or finds it damaged, be TextErrors that name it."""
    try:
        yield
    except FileNotFoundError:
        raise TextError(f"language model {path} does not exist; check the path.") from None
    except (ValueError, *DAMAGED) as error:
        raise TextError(f"language model {path} is damaged or cut short ({error}); copy it again.") from None


def check_values(path: Path, model: ArpaModel) -> None:
    """Raise TextError for numbers that are none, or that no language model has; raise those below `MISSING_LOG10`."""
    for order, values in enumerate(zip(model.log_probs, model.backoffs, strict=True), 1):
        for scores in values:
            highest = scores.max(initial=-np.inf)
            if np.isnan(highest) or highest > LARGEST_LOG10 * LN10:
                worst = model.grams[order - 1][np.flatnonzero(~(scores <= LARGEST_LOG10 * LN10))[0]]
                gram = " ".join(model.words[index] for index in np.atleast_1d(worst))
                raise TextError(
                    f"language model {path}: a value of the {order}-gram '{gram[:60]}' is no log10 of a probability or "
                    "back-off weight; estimate the model again."
                )
            np.maximum(scores, np.float32(MISSING_LOG10 * LN10), out=scores)


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(60)
    if start.startswith(b"mmap lm http://kheafield.com/code"):
        raise TextError(f"{path} is a KenLM binary; give the ARPA file it was built from (.arpa, .arpa.gz).")
    return open_unpacked(path, by_content=True)


def _read_plain(path: Path) -> ArpaModel | None:
    """The model by the compiled reader; None for what only `_parse` understands, or can say what is wrong with."""
    reader = ArpaReader()
    try:
        with _open(path) as file:
            while (block := file.read(BYTES_AT_ONCE)) and reader.feed(block):
                pass
        sections = reader.finish()
        if sections is None:
            return None
        text = sections[0].decode()
    except (UnicodeDecodeError, *DAMAGED):
        return None
    if not text.isascii() and _OTHER_SPACE.search(text):
        return None  # characters that Python splits lines at, and the compiled reader does not
    grams, log_probs, backoffs = zip(*sections[1], strict=True)
    shaped = [ids.reshape(-1, order) for order, ids in enumerate(grams, 1)]
    return ArpaModel(text.split("\n"), shaped, list(log_probs), list(backoffs))


def _parse(path: Path, lines: Iterator[tuple[int, str]]) -> ArpaModel:
    counts = _header(path, lines)
    words: dict[str, int] = {}
    grams, log_probs, backoffs = [], [], []
    for order, count in enumerate(counts, 1):
        ids, scores, weights = array("i"), array("f"), array("f")  # faster to fill than NumPy's, number by number
        found = 0
        for number, line in lines:
            fields = line.split()
            if not fields:
                continue
            if line[0] == "\\":
                break
            try:
                if order == 1:
                    words[fields[1]] = found
                if len(fields) <= order:
                    raise IndexError
                ids.extend([words[word] for word in fields[1 : order + 1]])
                scores.append(float(fields[0]))
                weights.append(float(fields[order + 1]) if len(fields) > order + 1 else 0.0)
            except (KeyError, IndexError, ValueError):
                raise TextError(
                    f"{path} line {number} is no {order}-gram of this model: {line.strip()[:60]!r}."
                ) from None
            found += 1
        else:
            raise TextError(f"language model {path} is cut short: it ends among its {order}-grams; copy it again.")
        if found != count or len(words) != counts[0] or len(ids) != count * order:
            raise TextError(f"language model {path} promises {count} {order}-grams and holds {found}; copy it again.")
        expected = f"\\{order + 1}-grams:" if order < len(counts) else "\\end\\"
        if line.strip() != expected:
            raise TextError(f"{path} line {number} should be '{expected}', not '{line.strip()[:40]}'.")
        grams.append(np.array(ids, np.int32).reshape(count, order))
        log_probs.append(np.array(scores, np.float32) * np.float32(LN10))
        backoffs.append(np.array(weights, np.float32) * np.float32(LN10))
    return ArpaModel(list(words), grams, log_probs, backoffs)


def _header(path: Path, lines: Iterator[tuple[int, str]]) -> list[int]:
    counts: list[int] = []
    started = False
    for _, line in lines:
        line = line.strip()
        if line == "\\data\\":
            started = True
        elif started and (match := _COUNT.fullmatch(line)):
            if int(match[1]) != len(counts) + 1:
                break
            counts.append(int(match[2]))
        elif line == "\\1-grams:" and counts:
            return counts
        elif line and started:
            break
    raise TextError(f"{path} is no ARPA language model: it has no \\data\\ section with n-gram counts.")


def write_arpa(path: str | Path, model: StoredModel, decimals: int | None = None) -> None:
    """Write an ARPA file, packed if its name ends in .gz, .bz2 or .xz; atomically. Back-offs of zero are left out.

    decimals: of the log10 values; None: six significant digits. Three make a third less of a packed file, and .xz a
    sixth less than .gz, for half a minute of packing.
    """
    number = "{:.6g}" if decimals is None else f"{{:.{decimals}f}}"
    path = Path(path)
    with replacing(path) as temporary, temporary.open("wb") as raw:
        stream = packed(path, raw, small=True)
        with io.TextIOWrapper(stream, encoding="utf-8", newline="\n") as file:
            file.write("\\data\\\n")
            file.writelines(f"ngram {order}={len(grams)}\n" for order, grams in enumerate(model.grams, 1))
            for order in range(1, model.order + 1):
                file.write(f"\n\\{order}-grams:\n")
                file.writelines(_lines(model, order, number.format))
            file.write("\n\\end\\\n")
            file.flush()
            if stream is not raw:
                stream.close()


def _lines(model: StoredModel, order: int, shown: Callable[[float], str]) -> Iterator[str]:
    words, number = model.words, len(model.grams[order - 1])
    for start in range(0, number, LINES_AT_ONCE):
        rows = slice(start, start + LINES_AT_ONCE)
        scores = (model.log_probs[order - 1][rows] / LN10).tolist()
        weights = (model.backoffs[order - 1][rows] / LN10).tolist()
        grams = model.grams[order - 1][rows].reshape(len(scores), order).tolist()
        for gram, score, weight in zip(grams, scores, weights, strict=True):
            text = " ".join([words[index] for index in gram])
            yield f"{shown(score)}\t{text}\t{shown(weight)}\n" if weight else f"{shown(score)}\t{text}\n"
