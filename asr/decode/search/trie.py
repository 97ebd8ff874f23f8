"""A lexicon as a prefix tree of tokens on flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr import _native
from asr._native import LexiconReader
from asr.cache_folder import Arrays, cached_arrays
from asr.errors import TextError
from asr.text.lexicon import Lexicon
from asr.text.lines import read_blocks
from asr.text.tokens import Tokens
from asr.text.word_list import FORMS as WORD_FORMS
from asr.text.word_list import WordList

FORMS = {
    "child_starts": ("<i4", 1), "child_tokens": ("<i4", 1), "word_starts": ("<i4", 1), "words": ("<i4", 1),
    **WORD_FORMS,
}  # fmt: skip  # of the arrays in a cache
TREE_VERSION = "4"


class TrieArrays(NamedTuple):
    """Nodes of the tree, numbered breadth first: node 0 is the root, and siblings lie side by side.

    The children of node i have the places from child_starts[i] to child_starts[i + 1]; that at place p is node p + 1.
    Its words have the places from word_starts[i] to word_starts[i + 1].
    """

    child_starts: NDArray[np.int32]  # (nodes + 1,)
    child_tokens: NDArray[np.int32]  # (nodes - 1,)
    word_starts: NDArray[np.int32]  # (nodes + 1,)
    words: NDArray[np.int32]  # indices of the words that end at a node

    def compiled(self, token_count: int, word_count: int) -> _native.Trie:
        """The tree as the compiled search reads it. Raises TextError if the arrays are no tree."""
        try:
            return _native.Trie(*self, token_count, word_count)
        except (ValueError, TypeError) as error:
            raise TextError(f"{error}; remove the lexicon's cache and try again.") from None


def load_trie(lexicon: Lexicon, tokens: Tokens) -> tuple[TrieArrays, WordList]:
    """As `build_trie`, from an earlier run's cache where the lexicon is a file."""
    if lexicon.source is None:
        trie, listed = build_trie(lexicon, tokens)
        return trie, WordList.of(listed)

    source = lexicon.source

    def make() -> Arrays:
        plain = read_plain_lexicon(source, tokens)
        trie, words = build_trie(lexicon, tokens) if plain is None else (_tree(*plain[1:]), plain[0])
        return WordList.of(words).arrays | trie._asdict()

    arrays = cached_arrays(source, "lexicon", f"{TREE_VERSION} {tokens.digest}", make, FORMS)
    return TrieArrays(*(arrays[name] for name in TrieArrays._fields)), WordList(arrays)


def read_plain_lexicon(
    path: Path, tokens: Tokens
) -> tuple[list[str], NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]] | None:
    """The words of a lexicon file, the tokens of all spellings, their offsets among those, and the words' indices.

    None for what only `Lexicon` understands, or can say what is wrong with.
    """
    if any(name.split() != [name] for name in tokens.names):
        return None
    reader = LexiconReader(tokens.names)
    try:
        for block in read_blocks(path):
            if not reader.feed(block):
                return None
        spellings = reader.finish()
        text = spellings[0].decode() if spellings is not None else ""
    except (TextError, UnicodeDecodeError):
        return None
    if spellings is None or not (text.isascii() or all(word.split() == [word] for word in text.split("\n"))):
        return None  # the compiled reader takes spaces outside of ASCII for parts of words
    return text.split("\n"), *spellings[1:]


def build_trie(lexicon: Lexicon, tokens: Tokens) -> tuple[TrieArrays, list[str]]:
    """The prefix tree of a lexicon and its words (a word's place is its index in the tree).

    Raises TextError naming the first words that are spelled with what is no token.
    """
    words: list[str] = []
    flat: list[int] = []
    offsets: list[int] = [0]
    owners: list[int] = []
    bad: list[str] = []
    ids = tokens.ids
    for word, ways in lexicon.spellings.items():
        for way in ways:
            try:
                flat.extend([ids[name] for name in way])
            except KeyError as error:
                bad.append(f"'{word}' ({error.args[0]})")
                continue
            offsets.append(len(flat))
            owners.append(len(words))
        words.append(word)
    if bad:
        raise TextError(
            f"{len(bad)} lexicon spellings use what is no token of the model, first {', '.join(bad[:3])}; "
            "is the lexicon, or its case, of another model?"
        )
    return _tree(np.array(flat, np.int32), np.array(offsets, np.int64), np.array(owners, np.int32)), words


def extended_trie(arrays: TrieArrays, spellings: Sequence[tuple[int, Sequence[int]]]) -> TrieArrays:
    """A tree with more spellings: for each the index of its word, which may be new, and its token ids."""
    flat, offsets, owners = _spellings(arrays)
    added = [ids for _, ids in spellings]
    more = np.cumsum([len(ids) for ids in added], dtype=np.int64)
    return _tree(
        np.concatenate([flat, *(np.array(ids, np.int32) for ids in added)]),
        np.concatenate([offsets, offsets[-1] + more]),
        np.concatenate([owners, np.array([owner for owner, _ in spellings], np.int32)]),
    )


def _spellings(arrays: TrieArrays) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    """The spellings in a tree, neighbours with as much in common as may be: tokens, offsets, the words' indices."""
    counts = np.diff(arrays.word_starts)
    ends = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    parents = np.repeat(np.arange(len(counts), dtype=np.int32), np.diff(arrays.child_starts))  # of node i + 1 at i
    columns: list[NDArray[np.int32]] = []  # of tokens, from the last one backwards; 0 before the first
    at = ends
    while at.any():
        inside = np.maximum(at - 1, 0)
        columns.append(np.where(at > 0, arrays.child_tokens[inside], 0).astype(np.int32))
        at = np.where(at > 0, parents[inside], 0)
    table = np.array(columns[::-1], np.int32).reshape(len(columns), len(ends)).T
    lengths = (table > 0).sum(axis=1)
    # Siblings lie side by side, so that paths in the order of their last nodes have little in common: sort them.
    shifted = np.zeros_like(table)
    for length in np.unique(lengths):
        rows = lengths == length
        shifted[rows, :length] = table[rows, table.shape[1] - length :]
    order = np.lexsort(shifted.T[::-1])
    offsets = np.concatenate([[0], np.cumsum(lengths[order])]).astype(np.int64)
    return shifted[order][shifted[order] > 0], offsets, arrays.words[order]


def _tree(flat: NDArray[np.int32], offsets: NDArray[np.int64], owners: NDArray[np.int32]) -> TrieArrays:
    """The tree of spellings: the tokens of all, their offsets among those, and the index of each one's word."""
    child_starts, child_tokens, ends = _native.build_trie(flat, offsets)
    counts = np.bincount(ends, minlength=len(child_starts) - 1)
    word_starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    by_end = np.argsort(ends, kind="stable")
    return TrieArrays(child_starts, child_tokens, word_starts, owners[by_end])
