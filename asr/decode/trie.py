"""A lexicon as a prefix tree of tokens on flat arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.cache_folder import Arrays, cached_arrays, pack_words, unpack_words
from asr.compiled import compile_cached
from asr.errors import TextError
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

TREE_VERSION = "2"


class TrieArrays(NamedTuple):
    """Nodes of the tree, numbered breadth first: node 0 is the root, and what is known of siblings lies side by side.

    The children of node i have the places from child_starts[i] to child_starts[i + 1]; that at place p is node p + 1.
    Its words have the places from word_starts[i] to word_starts[i + 1].
    """

    child_starts: NDArray[np.int32]  # (nodes + 1,)
    child_tokens: NDArray[np.int32]  # (nodes - 1,)
    word_starts: NDArray[np.int32]  # (nodes + 1,)
    words: NDArray[np.int32]  # indices of the words that end at a node
    lookahead: NDArray[np.float32]  # (nodes,): best unigram score of the words at and below a node


@compile_cached()
def _insert(tokens, offsets, width):  # type: ignore[no-untyped-def]
    """Insert spellings; returns parent and token of each node, and the node where each spelling ends."""
    capacity = len(tokens) + 1
    slots = 1
    while slots < 2 * capacity:
        slots *= 2
    keys = np.full(slots, -1, np.int64)
    values = np.zeros(slots, np.int32)
    parents = np.zeros(capacity, np.int32)
    node_tokens = np.zeros(capacity, np.int32)
    ends = np.zeros(len(offsets) - 1, np.int32)
    count = 1
    for spelling in range(len(offsets) - 1):
        node = 0
        for place in range(offsets[spelling], offsets[spelling + 1]):
            key = np.int64(node) * width + tokens[place]
            slot = (key * np.int64(0x9E3779B97F4A7C1)) & (slots - 1)
            while keys[slot] != -1 and keys[slot] != key:
                slot = (slot + 1) & (slots - 1)
            if keys[slot] == -1:
                keys[slot] = key
                values[slot] = count
                parents[count] = node
                node_tokens[count] = tokens[place]
                count += 1
            node = values[slot]
        ends[spelling] = node
    return parents[:count].copy(), node_tokens[:count].copy(), ends


def load_trie(lexicon: Lexicon, tokens: Tokens) -> tuple[TrieArrays, list[str]]:
    """As `build_trie`, from an earlier run's cache where the lexicon is a file."""
    if lexicon.source is None:
        return build_trie(lexicon, tokens)

    def make() -> Arrays:
        trie, words = build_trie(lexicon, tokens)
        return {**trie._asdict(), "names": pack_words(words)}

    arrays = dict(cached_arrays(lexicon.source, "lexicon", f"{TREE_VERSION} {tokens.digest}", make))
    words = unpack_words(arrays.pop("names"))
    return TrieArrays(**arrays), words


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
    parents, node_tokens, ends = _insert(np.array(flat, np.int32), np.array(offsets, np.int64), len(tokens))
    nodes = _breadth_first(parents)
    numbers = np.empty_like(nodes)  # new of old
    numbers[nodes] = np.arange(len(nodes))
    children = np.bincount(numbers[parents[1:]], minlength=len(nodes))
    ends = numbers[ends]
    by_end = np.argsort(ends, kind="stable")
    word_starts = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=len(nodes)))])
    arrays = TrieArrays(
        np.concatenate([[0], np.cumsum(children)]).astype(np.int32),
        node_tokens[nodes[1:]],
        word_starts.astype(np.int32),
        np.array(owners, np.int32)[by_end],
        np.zeros(len(nodes), np.float32),
    )
    return arrays, words


def _breadth_first(parents: NDArray[np.int32]) -> NDArray[np.int64]:
    """The nodes level by level, children in the order of their parents; a parent's number is below its children's."""
    depths = np.zeros(len(parents), np.int64)
    ranks = np.zeros(len(parents), np.int64)  # within a level
    below = np.arange(1, len(parents))  # nodes whose level is not yet known
    levels = [np.zeros(1, np.int64)]
    depths[1:] = -1
    while len(below):
        known = depths[parents[below]] >= 0
        level, below = below[known], below[~known]
        level = level[np.argsort(ranks[parents[level]], kind="stable")]
        ranks[level] = np.arange(len(level))
        depths[level] = len(levels)
        levels.append(level)
    return np.concatenate(levels)


@compile_cached()
def _smear(child_starts, word_starts, words, scores, lookahead):  # type: ignore[no-untyped-def]
    for node in range(len(lookahead) - 1, -1, -1):  # children have higher numbers than their parents
        best = np.float32(-np.inf)
        for place in range(word_starts[node], word_starts[node + 1]):
            best = max(best, scores[words[place]])
        for place in range(child_starts[node], child_starts[node + 1]):
            best = max(best, lookahead[place + 1])
        lookahead[node] = best


def smear(trie: TrieArrays, scores: NDArray[np.float32]) -> TrieArrays:
    """The tree with each node's look-ahead: the best of `scores` (words,) among the words at and below it."""
    lookahead = np.zeros_like(trie.lookahead)
    _smear(trie.child_starts, trie.word_starts, trie.words, scores, lookahead)
    return trie._replace(lookahead=lookahead)
