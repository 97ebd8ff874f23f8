"""Back-off n-gram models as flat hash tables for compiled code; every score equals KenLM's.

An n-gram of two or more words is found by a 64-bit hash of its word ids, as in KenLM's probing model (Heafield 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.cache_folder import Arrays, cached_arrays, pack_words, unpack_words
from asr.compiled import compile_cached
from asr.errors import TextError
from asr.lm.ngram.arpa import LN10, MISSING_LOG10, ArpaModel, read_arpa

MAX_ORDER = 6
TABLES_VERSION = "2"
UNKNOWN_WORDS = ("<unk>", "<UNK>")


class NgramArrays(NamedTuple):
    """What compiled code gets. Scores are natural logs; tables of orders 2, 3, … lie one after the other."""

    order: int
    unigram_log_probs: NDArray[np.float32]  # (words,)
    unigram_backoffs: NDArray[np.float32]  # (words,)
    keys: NDArray[np.uint64]  # (slots,), 0 where empty
    log_probs: NDArray[np.float32]  # (slots,)
    backoffs: NDArray[np.float32]  # (slots,)
    starts: NDArray[np.int64]  # (order,): first slot of order n at n - 2
    masks: NDArray[np.uint64]  # (order - 1,): slots of order n, less 1, at n - 2


@compile_cached(_nrt=False)
def mix(key, value):  # type: ignore[no-untyped-def]
    """A 64-bit hash of a hash and one more id."""
    key = (key ^ (np.uint64(value) + np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xBF58476D1CE4E5B9)
    key ^= key >> np.uint64(29)
    key *= np.uint64(0x94D049BB133111EB)
    key ^= key >> np.uint64(32)
    return key if key != np.uint64(0) else np.uint64(1)


@compile_cached()
def _fill(grams, log_probs, backoffs, keys, table_log_probs, table_backoffs):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(keys) - 1)
    for row in range(len(grams)):
        key = np.uint64(1)
        for column in range(grams.shape[1] - 1, -1, -1):
            key = mix(key, grams[row, column])
        slot = key & mask
        while keys[slot] != np.uint64(0):
            slot = (slot + np.uint64(1)) & mask
        keys[slot] = key
        table_log_probs[slot] = log_probs[row]
        table_backoffs[slot] = backoffs[row]


@compile_cached(_nrt=False)
def find(arrays, order, key):  # type: ignore[no-untyped-def]
    """Slot of an n-gram of `order` words by its hash, or -1."""
    mask = arrays.masks[order - 2]
    start = arrays.starts[order - 2]
    slot = key & mask
    while True:
        found = arrays.keys[start + np.int64(slot)]
        if found == key:
            return start + np.int64(slot)
        if found == np.uint64(0):
            return np.int64(-1)
        slot = (slot + np.uint64(1)) & mask


@compile_cached(_nrt=False)
def score_word(arrays, contexts, row, column, word):  # type: ignore[no-untyped-def]
    """ln P(word | context); the context's word ids stand in contexts[row, column:], newest first, -1 where it ends."""
    best = np.float64(arrays.unigram_log_probs[word])
    key = mix(np.uint64(1), word)
    context_key = np.uint64(1)
    backoff = 0.0
    for place in range(arrays.order - 1):
        older = contexts[row, column + place]
        if older < 0:
            break
        # The back-off weight of the context that is one word longer counts only if the longer n-gram is not found.
        context_key = mix(context_key, older)
        if place == 0:
            weight = np.float64(arrays.unigram_backoffs[older])
            known_context = True
        else:
            slot = find(arrays, place + 1, context_key)
            known_context = slot >= 0
            weight = np.float64(arrays.backoffs[slot]) if known_context else 0.0
        if not known_context:
            break
        key = mix(key, older)
        found = find(arrays, place + 2, key)
        if found >= 0:
            best = np.float64(arrays.log_probs[found])
            backoff = 0.0
        else:
            backoff += weight
    return best + backoff


@dataclass(frozen=True)
class NgramModel:
    """An n-gram model: its words and its tables."""

    words: list[str]
    arrays: NgramArrays
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", {word: index for index, word in enumerate(self.words)})
        unknown = next((self.ids[name] for name in UNKNOWN_WORDS if name in self.ids), -1)
        object.__setattr__(self, "unknown", unknown)
        for sign in ("<s>", "</s>"):
            if sign not in self.ids:
                raise TextError(
                    f"language model {self.source} has no {sign}; estimate it on sentences with their ends."
                )

    ids: dict[str, int] = None  # type: ignore[assignment]
    unknown: int = -1  # id of the unknown word

    def word_ids(self, words: list[str]) -> NDArray[np.int32]:
        """Ids of words, the unknown word's for those that the model lacks (-1 if it has no unknown word)."""
        return np.array([self.ids.get(word, self.unknown) for word in words], np.int32)

    def score_sentence(self, words: list[str], end: bool = True) -> list[float]:
        """ln P of each word after <s> and those before it, and of </s>; an unknown word of a model without <unk>
        has KenLM's log10 of -100."""
        context = np.full((1, MAX_ORDER), -1, np.int32)
        context[0, 0] = self.ids["<s>"]
        scores = []
        for word in self.word_ids(words).tolist() + ([self.ids["</s>"]] if end else []):
            if word < 0:
                scores.append(MISSING_LOG10 * LN10)
                context[:] = -1
                continue
            scores.append(float(score_word(self.arrays, context, 0, 0, word)))
            context[0, 1:] = context[0, :-1]
            context[0, 0] = word
        return scores


class NgramWordModel:
    """An n-gram model as a `WordModel`, whose states are the words so far that matter.

    Unknown words give NaN, or with `score_unknown` ln P(<unk>) where the model has it.
    """

    def __init__(self, model: NgramModel, score_unknown: bool = False) -> None:
        self.model, self.score_unknown = model, score_unknown

    def knows(self, word: str) -> bool:
        """Whether a word is in the vocabulary."""
        return self.model.ids.get(word, self.model.unknown) != self.model.unknown

    def start(self) -> tuple[int, ...]:
        """The state at the beginning of a sentence."""
        return (self.model.ids["<s>"],)

    def score(
        self, states: Sequence[tuple[int, ...]], words: Sequence[str]
    ) -> tuple[NDArray[np.float64], list[tuple[int, ...]]]:
        """ln P of each word after its state, and the states after them."""
        found, after = np.full(len(words), np.nan), []
        contexts = np.full((len(words), MAX_ORDER), -1, np.int32)
        for row, (state, word) in enumerate(zip(states, words, strict=True)):
            contexts[row, : len(state)] = state
            index = self.model.ids.get(word, self.model.unknown)
            if index >= 0 and (self.score_unknown or index != self.model.unknown):
                found[row] = score_word(self.model.arrays, contexts, row, 0, index)
            after.append((index, *state)[: self.model.arrays.order - 1] if index >= 0 else ())
        return found, after


def build_tables(model: ArpaModel, source: str = "") -> NgramModel:
    """Hash tables of an ARPA model. Raises TextError for an order above 6."""
    if model.order > MAX_ORDER:
        raise TextError(f"language model {source} has order {model.order}; at most {MAX_ORDER} is supported.")
    sizes = [1 << int(np.ceil(np.log2(max(2, 1.5 * len(grams))))) for grams in model.grams[1:]]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    total = int(starts[-1])
    keys = np.zeros(max(1, total), np.uint64)
    log_probs, backoffs = np.zeros(max(1, total), np.float32), np.zeros(max(1, total), np.float32)
    for index, size in enumerate(sizes):
        part = slice(int(starts[index]), int(starts[index]) + size)
        _fill(
            model.grams[index + 1], model.log_probs[index + 1], model.backoffs[index + 1],
            keys[part], log_probs[part], backoffs[part],
        )  # fmt: skip
    masks = np.array([size - 1 for size in sizes] or [0], np.uint64)
    arrays = NgramArrays(model.order, model.log_probs[0], model.backoffs[0], keys, log_probs, backoffs, starts, masks)
    return NgramModel(model.words, arrays, source)


def load_ngram(path: str | Path) -> NgramModel:
    """Tables of an ARPA file (plain, .gz, .bz2), from an earlier run's cache where there is one (`table_cache`).

    Raises TextError for a file that is missing, damaged or no ARPA.
    """
    path = Path(path)

    def make() -> Arrays:
        model = build_tables(read_arpa(path), str(path))
        fields = {name: value for name, value in model.arrays._asdict().items() if name != "order"}
        return fields | {"order": np.array([model.arrays.order]), "words": pack_words(model.words)}

    arrays = dict(cached_arrays(path, "language model", TABLES_VERSION, make))
    words, order = unpack_words(arrays.pop("words")), int(arrays.pop("order")[0])
    return NgramModel(words, NgramArrays(order=order, **arrays), str(path))
