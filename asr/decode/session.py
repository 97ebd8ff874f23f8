"""One utterance being searched: the compiled search's arrays, how they grow, and what they say in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.decode import search
from asr.decode.search import Candidates, Language, Settings, State, Work
from asr.decode.trie import TrieArrays
from asr.lm.ngram_tables import MAX_ORDER

FinalGains = Callable[[NDArray[np.int32]], NDArray[np.float64]]

FIRST_ROOM = 2048  # candidates, histories and records at first; each grows when it must


@dataclass(frozen=True)
class Spoken:
    """A word sequence with its scores in nats."""

    acoustic: float
    language: float  # all that is not acoustic
    words: NDArray[np.int32]  # (words, 4): index, first frame, one past the last frame, place of its first token
    tokens: NDArray[np.int32]  # (tokens, 3): token, its first frame, thousandths of a nat below that frame's best
    confidences: NDArray[np.float64]  # (words,): posterior of the results that hold it, 0..1


class Session:
    """Feed it log-probabilities, in one piece or in many, then ask for the results."""

    def __init__(
        self, tokens: int, trie: TrieArrays, look: NDArray[np.float64], language: Language, settings: Settings
    ) -> None:
        self.trie, self.look, self.language, self.settings = trie, look, language, settings
        beam = settings.beam_size
        self.state = State(
            np.array([1, 1, 0, 0], np.int64),
            np.zeros(1),
            np.zeros((6, beam), np.int32),
            np.zeros((3, beam)),
            np.ones(beam, np.uint64),
            *_rows(FIRST_ROOM + 2 * beam),
            np.zeros(1, np.uint64),
            np.zeros(1),
        )
        self.state.beam[search.LAST, 0] = self.state.beam[search.RECORD, 0] = -1
        self.state.scores[search.BLANK, 0] = 1.0
        root = self.state.histories[0]
        root[[search.PARENT, search.LAST_WORD, search.LAST_RECORD]] = -1
        root[search.HOT], root[search.FUSED] = 0, 1
        root[search.CONTEXT :] = -1
        root[search.CONTEXT] = language.begin
        self._candidates = _candidates(max(FIRST_ROOM, 4 * beam))
        self._work = Work(
            np.zeros(tokens),
            np.zeros(tokens),
            np.zeros(tokens, np.int32),
            np.zeros((6, beam), np.int32),
            np.zeros(search.CACHED_SCORES, np.uint64),
            np.empty((search.CACHED_SCORES, 2)),
        )

    @property
    def frames(self) -> int:
        """How many frames have been searched."""
        return int(self.state.counters[search.FRAME])

    def feed(self, log_probs: NDArray[np.float32]) -> None:
        """Search on through (frames, tokens)."""
        before = self.frames
        self.state.counters[search.FRAME] = 0
        self._shift_times(-before)
        self.advance(log_probs, len(log_probs))
        self._shift_times(before)
        self.state.counters[search.FRAME] += before

    def _shift_times(self, by: int) -> None:
        """Times are kept relative to the piece at hand while it is searched."""
        if by:
            histories, records = self.state.counters[[search.HISTORIES, search.RECORDS]]
            self.state.beam[[search.START, search.END]] += by
            self.state.histories[:histories, search.FIRST_FRAME : search.END_FRAME + 1] += by
            self.state.records[:records, search.WHEN] += by
            self._candidates.table[:] = 0  # its stamps are frames

    def advance(self, log_probs: NDArray[np.float32], last_frame: int) -> None:
        """Search `log_probs` on from the frame reached up to `last_frame`."""
        while True:
            outcome = search.advance(
                log_probs, last_frame, self.trie, self.look, self.language, self.settings, self.state,
                self._candidates, self._work,
            )  # fmt: skip
            if outcome == search.DONE:
                return
            if outcome == search.MORE_CANDIDATES:
                self._candidates = _candidates(2 * len(self._candidates.keys))
            else:
                self._make_rows()

    def _make_rows(self) -> None:
        """Forget what no hypothesis goes back to; if that is not much, make room."""
        search.compact(self.state)
        room = len(self.state.hashes)
        if self.state.counters[[search.HISTORIES, search.RECORDS]].max() > room // 2:
            histories, hashes, records = _rows(2 * room)
            histories[:room], hashes[:room] = self.state.histories, self.state.hashes
            records[:room] = self.state.records
            self.state = self.state._replace(histories=histories, hashes=hashes, records=records)

    def remember(self, gains: Mapping[int, float], new: Iterable[int]) -> None:
        """Let words that a neural model has scored have their whole score wherever they end again.

        gains: weighted, by the hash of the history that the word ends; new: those hashes not known at the last call.
        """
        slots = len(self.state.fused_keys)
        if 2 * len(gains) > slots:
            slots = max(1024, 4 * slots)
            self.state = self.state._replace(fused_keys=np.zeros(slots, np.uint64), fused_gains=np.zeros(slots))
            new = gains
        for key in new:
            search.remember_gain(self.state, np.uint64(key), gains[key])
            self._work.cache_keys[key % search.CACHED_SCORES] = 0

    def results(self, confidence_scale: float, most: int, final_gains: FinalGains | None = None) -> list[Spoken]:
        """The best `most` word sequences, best first; those that differ in spelling only are one.

        confidence_scale: of the scores in nats, before they become a posterior over all that is left. final_gains: what
        to add to the language scores of the compiled search's results.
        """
        size = int(self.state.counters[search.SIZE])
        room = size * (int(np.diff(self.trie.word_starts).max(initial=0)) + 1)
        out, keys, scores = np.zeros((room, 3), np.int32), np.zeros(room, np.uint64), np.zeros((room, 2))
        count = search.finish(self.trie, self.language, self.settings, self.state, out, keys, scores)
        before = self.state.scores[search.LANGUAGE, out[:count, 2]]
        acoustic = np.log(scores[:count, 0]) + self.state.scale[0] - before
        language = scores[:count, 1] + before
        if final_gains is not None:
            language = language + final_gains(out[:count])
        out, acoustic, language = _ranked(out[:count], keys[:count], acoustic, language)
        posterior = np.exp(confidence_scale * (acoustic + language - (acoustic[:1] + language[:1])))
        posterior /= posterior.sum()
        found = []
        for row in range(min(most, len(out))):
            words, tokens = search.trace(out[row, 0], out[row, 1], out[row, 2], self.state)
            confidences = np.zeros(len(words))
            search.agreement(words, len(out), out, posterior, self.state, confidences)
            found.append(Spoken(float(acoustic[row]), float(language[row]), words, tokens, confidences))
        return found


def _ranked(
    out: NDArray[np.int32], keys: NDArray[np.uint64], acoustic: NDArray[np.float64], language: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Results of equal keys summed up, best first; each stands for the strongest of its equals, whose times it has."""
    order = np.argsort(-acoustic, kind="stable")
    _, first, inverse = np.unique(keys[order], return_index=True, return_inverse=True)
    summed = np.full(len(first), -np.inf)
    np.logaddexp.at(summed, inverse, acoustic[order])
    chosen = order[first]
    ranks = np.argsort(-(summed + language[chosen]), kind="stable")
    return out[chosen[ranks]], summed[ranks], language[chosen[ranks]]


def _rows(room: int) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.int32]]:
    """Histories, their hashes, and records."""
    histories = np.zeros((room, search.CONTEXT + MAX_ORDER), np.int32)
    hashes = np.ones(room, np.uint64)
    return histories, hashes, np.zeros((room, 4), np.int32)


def _candidates(room: int) -> Candidates:
    slots = 1 << int(np.ceil(np.log2(2 * room)))
    return Candidates(
        np.zeros((4, room), np.int32),
        np.zeros((6, room)),
        np.zeros(room, np.uint64),
        np.zeros(room, np.int32),
        np.zeros(slots, np.uint64),
        np.zeros(slots, np.int64),
    )
