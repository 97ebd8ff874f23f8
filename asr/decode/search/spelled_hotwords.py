"""Hotwords for a search whose words are tokens: an automaton over the characters that the tokens spell.

A phrase counts where it stands as whole words, in whatever tokens: "art" is favoured in neither "start" nor "artist".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from asr.decode.search.hotwords import HotwordArrays, WordEnds, check_boosts, failures_of, flat_steps


def build_spelled_hotwords(phrases: Mapping[str, float], spelled: Sequence[str], mark: str) -> HotwordArrays | None:
    """The automaton of phrases with their boosts in nats; None without a phrase.

    spelled: what each word of the search spells. mark: the character that stands between words or begins one; empty
    where nothing tells words apart, and a phrase counts wherever its characters stand. Raises ConfigError for a boost
    that the search cannot count with.
    """
    check_boosts(phrases)
    if not phrases:
        return None
    children: list[dict[str, int]] = [{}]
    partial, closing = [0.0], [0.0]
    spellings = {phrase: mark + mark.join(phrase.split()) for phrase in phrases}
    places = dict.fromkeys(phrases, 0)
    for depth in range(max(map(len, spellings.values()))):  # breadth first
        for phrase, boost in phrases.items():
            spelling = spellings[phrase]
            if depth >= len(spelling):
                continue
            place = children[places[phrase]].setdefault(spelling[depth], len(children))
            if place == len(children):
                children.append({})
                partial.append(0.0)
                closing.append(0.0)
            places[phrase] = place
            counted = depth + 1 - len(mark)  # that a word begins is no part of the phrase yet
            partial[place] = max(partial[place], boost * counted / (len(spelling) + 1 - len(mark)))
    for phrase, place in places.items():
        closing[place] += phrases[phrase]
    failures = failures_of(children)
    for place in range(1, len(children)):
        closing[place] += closing[failures[place]]
        partial[place] = max(partial[place], partial[failures[place]])
    closers = [not mark or text.startswith(mark) for text in spelled]
    ends = WordEnds(np.array(closing), np.array([*closers, False], np.uint8), children[0][mark] if mark else 0)
    return HotwordArrays(
        np.array([*range(len(spelled)), -1], np.int32), *flat_steps(_steps(children, spelled, mark)),
        np.array(failures, np.int32), np.array(partial), np.zeros(len(children)), ends,
    )  # fmt: skip


@dataclass
class _Node:
    """A node of the tree of what the search's words spell."""

    children: dict[str, _Node] = field(default_factory=dict)
    words: list[int] = field(default_factory=list)  # that end here


def _steps(children: Sequence[Mapping[str, int]], spelled: Sequence[str], mark: str) -> list[dict[int, int]]:
    """For each place the words of the search that lead on within a phrase, with the places after them."""
    root = _Node()
    for word, text in enumerate(spelled):
        node = root
        for character in text:
            node = node.children.setdefault(character, _Node())
        node.words.append(word)
    steps: list[dict[int, int]] = [{} for _ in children]

    def walk(origin: int, place: int, node: _Node) -> None:
        for word in node.words:
            steps[origin][word] = place
        for character, after in children[place].items():
            if character in node.children:
                walk(origin, after, node.children[character])

    for place in range(len(children)):
        walk(place, place, root)
    if mark and mark in root.children:  # a mark after a mark says nothing new
        for child in children:
            if mark in child:
                walk(child[mark], child[mark], root.children[mark])
    return steps
