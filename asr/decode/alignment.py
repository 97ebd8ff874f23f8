"""Forced alignment: when each word of a known text is said, and in which of its spellings.

The likeliest path (Viterbi) of CTC's states through the text: each word in one of its spellings, blanks where the model
wants them. Paths far below the best of a frame are dropped, so that time and memory grow with the audio, not with audio
times text. With one spelling a word it equals torchaudio.functional.forced_align.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr._native import best_chain_path, best_path
from asr.errors import TextError

BLANK = 0
BEAM = 150.0  # nats below a frame's best
WIDER = 8.0  # beams of the second try

Spelling = Sequence[int]


class AlignedWord(NamedTuple):
    """A word's place: first frame, frame after its last, which spelling, mean log-probability of its frames.

    A boundary token at the end of the spelling counts to none of these: a model may place it just before the next word.
    """

    start: int
    end: int
    spelling: int
    log_prob: float


class _Graph(NamedTuple):
    """States in order of the text; arcs into a state lie at `first[state]` to `first[state + 1]` of `sources`."""

    tokens: NDArray[np.int32]
    words: NDArray[np.int32]  # the word of a state, -1 between words
    spellings: NDArray[np.int32]
    first: NDArray[np.int32]
    sources: NDArray[np.int32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]


def align(
    log_probs: NDArray[np.floating], spellings: Sequence[Sequence[Spelling]], boundary: int | None = None
) -> list[AlignedWord]:
    """Places of the words whose spellings are given, in log-probabilities (frames, tokens), blank first.

    boundary: a token that the last word's spelling may end in but the audio may leave out.
    Raises TextError for a word without spelling, or a text that the audio cannot hold.
    """
    if not spellings:
        return []
    if any(not ways or not all(ways) for ways in spellings):
        raise TextError("every word needs a spelling.")
    graph = _graph(spellings, boundary)
    values = np.ascontiguousarray(log_probs, np.float32)
    for beam in (BEAM, BEAM * WIDER):
        path = best_path(values, graph.tokens, graph.first, graph.sources, graph.starts, graph.ends, beam)
        if len(path):
            return _places(values, graph, path, len(spellings), boundary)
    raise TextError(
        f"the text does not fit the audio: its {len(spellings)} words find no way through {len(log_probs)} frames."
    )


def chain_path(
    log_probs: NDArray[np.floating], tokens: NDArray[np.int32], optional: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """The token of each frame on the likeliest path through `tokens` in order, of which `optional` may be left out.

    log_probs: (frames, all tokens), frames at least as many as tokens that must be. Raises TextError for fewer.
    """
    if len(log_probs) < np.count_nonzero(~optional):
        raise TextError(f"{len(log_probs)} frames are too few for {np.count_nonzero(~optional)} tokens.")
    places = best_chain_path(np.ascontiguousarray(log_probs, np.float32), tokens, optional)
    return np.asarray(tokens[places])


def _graph(spellings: Sequence[Sequence[Spelling]], boundary: int | None) -> _Graph:
    tokens, words, ways = [BLANK], [-1], [0]
    arcs: list[list[int]] = [[]]  # into each state

    def state(token: int, word: int, way: int, sources: list[int]) -> int:
        tokens.append(token)
        words.append(word)
        ways.append(way)
        arcs.append(sources)
        return len(tokens) - 1

    gap, lasts = 0, list[int]()
    starts, optional = [0], list[int]()
    for word, choices in enumerate(spellings):
        entered, ends = [gap, *lasts], list[int]()
        for way, spelling in enumerate(choices):
            before = [source for source in entered if tokens[source] != spelling[0]]
            here = state(spelling[0], word, way, before)
            if word == 0:
                starts.append(here)
            optional = [] if way == 0 else optional
            for token in spelling[1:]:
                pause = state(BLANK, word, way, [here])
                if word == len(spellings) - 1 and token == boundary:
                    optional += [here, pause]
                here = state(token, word, way, [pause, *([here] if token != tokens[here] else [])])
            ends.append(here)
        lasts = ends
        gap = state(BLANK, -1, 0, list(ends))
    return _Graph(
        np.array(tokens, np.int32), np.array(words, np.int32), np.array(ways, np.int32),
        np.cumsum([0, *map(len, arcs)]).astype(np.int32),
        np.array([source for sources in arcs for source in sources], np.int32),
        np.array(starts, np.int32), np.array([*optional, *lasts, gap], np.int32),
    )  # fmt: skip


def _places(
    log_probs: NDArray[np.float32], graph: _Graph, path: NDArray[np.int32], count: int, boundary: int | None
) -> list[AlignedWord]:
    words, heard = graph.words[path], graph.tokens[path] != BLANK
    if boundary is not None:  # it comes after the silence behind a word, just before the next one
        spoken = heard & (graph.tokens[path] != boundary)
        without = np.isin(words, np.unique(words[spoken]), invert=True)
        heard = spoken | (heard & without)  # a word of a boundary alone keeps it
    scores = log_probs[np.arange(len(path)), graph.tokens[path]]
    frames = np.flatnonzero(heard & (words >= 0))  # words follow each other, so each has one run of them
    firsts = np.searchsorted(words[frames], np.arange(count + 1))
    found = []
    for left, right in itertools.pairwise(firsts.tolist()):
        start, end = int(frames[left]), int(frames[right - 1]) + 1
        spelling = int(graph.spellings[path[start]])
        found.append(AlignedWord(start, end, spelling, float(scores[start:end].mean())))
    return found
