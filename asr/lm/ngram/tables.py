"""Back-off n-gram models as flat hash tables for the compiled search; every score equals KenLM's.

An n-gram of two or more words is found by a 64-bit hash of its word ids, as in KenLM's probing model (Heafield 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from asr._native import NgramTables, fill_ngrams
from asr.cache_folder import Arrays, cached_arrays
from asr.errors import TextError
from asr.lm.ngram.arpa import LN10, MISSING_LOG10, ArpaModel
from asr.lm.ngram.files import read_ngrams
from asr.text.word_list import FORMS as WORD_FORMS
from asr.text.word_list import WordList

MAX_ORDER = 6
TABLES_VERSION = "4"
FORMS = {
    "unigram_log_probs": ("<f4", 1), "unigram_backoffs": ("<f4", 1), "slots": ("<u8", 2), "starts": ("<i8", 1),
    "order": ("<i8", 1), **WORD_FORMS,
}  # fmt: skip  # of the arrays in a cache
UNKNOWN_WORDS = ("<unk>", "<UNK>")


class NgramArrays(NamedTuple):
    """The tables as they are stored. Scores are natural logs; tables of orders 2, 3, … lie one after the other."""

    order: int
    unigram_log_probs: NDArray[np.float32]  # (words,)
    unigram_backoffs: NDArray[np.float32]  # (words,)
    # (slots, 2): the n-gram's hash, 0 where a slot is empty; log-probability and back-off weight as two float32
    slots: NDArray[np.uint64]
    starts: NDArray[np.int64]  # (order,): first slot of order n at n - 2


class NgramModel:
    """An n-gram model: its words and its tables.

    Raises TextError if the model lacks `<s>` or `</s>`, or its tables cannot be used.
    """

    def __init__(self, words: WordList, arrays: NgramArrays, source: str, path: Path | None = None) -> None:
        """words: their ids are their numbers in the list. source: what to call the model in errors. path: of the file
        that it was read from."""
        self.words, self.arrays, self.source, self.path = words, arrays, source, path
        # The id of the unknown word; -1: the model has none.
        self.unknown = next((words.get(name) for name in UNKNOWN_WORDS if name in words), -1)
        for sign in ("<s>", "</s>"):
            if sign not in words:
                raise TextError(f"language model {source} has no {sign}; estimate it on sentences with their ends.")
        self.begin, self.end = words.get("<s>"), words.get("</s>")

    @cached_property
    def tables(self) -> NgramTables:
        """The tables as the compiled search reads them."""
        try:
            return NgramTables(*self.arrays)
        except (ValueError, TypeError) as error:
            raise TextError(f"the tables of language model {self.source} are damaged ({error}).") from None

    def score_sentence(self, words: list[str], end: bool = True) -> list[float]:
        """ln P of each word after <s> and those before it, and of </s>; an unknown word of a model without <unk>
        has KenLM's log10 of -100."""
        context = [self.begin]
        scores = []
        for word in [self.words.get(word, self.unknown) for word in words] + ([self.end] if end else []):
            if word < 0:
                scores.append(MISSING_LOG10 * LN10)
                context = []
                continue
            scores.append(self.tables.score(context, word))
            context = [word, *context][:MAX_ORDER]
        return scores


class NgramWordModel:
    """An n-gram model as a `WordModel`, whose states are the words so far that matter.

    Unknown words give NaN, or with `score_unknown` ln P(<unk>) where the model has it.
    """

    def __init__(self, model: NgramModel, score_unknown: bool = False) -> None:
        self.model, self.score_unknown = model, score_unknown

    def knows(self, word: str) -> bool:
        """Whether a word is in the vocabulary."""
        return self.model.words.get(word, self.model.unknown) != self.model.unknown

    def start(self) -> tuple[int, ...]:
        """The state at the beginning of a sentence."""
        return (self.model.begin,)

    def score(
        self, states: Sequence[object], words: Sequence[str]
    ) -> tuple[NDArray[np.float64], list[tuple[int, ...]]]:
        """ln P of each word after its state, and the states after them."""
        scores, after = np.full(len(words), np.nan), []
        contexts = cast(Sequence[tuple[int, ...]], states)
        for row, (state, word) in enumerate(zip(contexts, words, strict=True)):
            index = self.model.words.get(word, self.model.unknown)
            if index >= 0 and (self.score_unknown or index != self.model.unknown):
                scores[row] = self.model.tables.score(list(state), index)
            after.append((index, *state)[: self.model.arrays.order - 1] if index >= 0 else ())
        return scores, after


def build_tables(model: ArpaModel, source: str = "") -> NgramModel:
    """Hash tables of an n-gram model. Raises TextError for an order above 6."""
    if model.order > MAX_ORDER:
        raise TextError(f"language model {source} has order {model.order}; at most {MAX_ORDER} is supported.")
    # At most two thirds full, so that lookups are short.
    sizes = [1 << int(np.ceil(np.log2(max(2, 1.5 * len(grams))))) for grams in model.grams[1:]]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    slots = np.zeros((int(starts[-1]), 2), np.uint64)
    for index, (first, end) in enumerate(pairwise(starts.tolist()), 1):
        fill_ngrams(model.grams[index], model.log_probs[index], model.backoffs[index], slots[first:end])
    arrays = NgramArrays(model.order, model.log_probs[0], model.backoffs[0], slots, starts)
    return NgramModel(WordList.of(model.words), arrays, source)


def load_ngram(path: str | Path) -> NgramModel:
    """Tables of an ARPA file or one in columns, from an earlier run's cache where there is one (`table_cache`).

    Raises TextError for a file that is missing, damaged or neither.
    """
    path = Path(path)

    def make() -> Arrays:
        model = build_tables(read_ngrams(path), str(path))
        return model.arrays._asdict() | {"order": np.array([model.arrays.order])} | model.words.arrays

    arrays = cached_arrays(path, "language model", TABLES_VERSION, make, FORMS)
    order = int(arrays["order"].sum())  # of one number
    tables = NgramArrays(order, *(arrays[name] for name in NgramArrays._fields[1:]))
    return NgramModel(WordList(arrays), tables, str(path), path)
