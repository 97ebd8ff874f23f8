"""One utterance being searched: the compiled search's arrays, how they grow, and what they say in the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.decode import readout, search
from asr.decode.readout import Confidence, Results
from asr.decode.search import Candidates, Language, Settings, State, Work
from asr.decode.trie import TrieArrays
from asr.lm.ngram.tables import MAX_ORDER

FinalGains = Callable[[NDArray[np.int32]], NDArray[np.float64]]

FIRST_ROOM = 2048  # candidates, histories and records at first; each grows when it must
MOST_KEPT_ROOM = 1 << 16  # arrays that have grown beyond are not kept for another utterance


@dataclass(frozen=True)
class Spoken:
    """A word sequence with its scores in nats."""

    acoustic: float
    language: float  # all that is not acoustic
    words: NDArray[np.int32]  # (words, 4): index, first frame, one past the last frame, place of its first token
    tokens: NDArray[np.int32]  # (tokens, 2): token, its first frame
    confidences: NDArray[np.float64]  # (words,), 0..1


@dataclass
class Scratch:
    """The arrays of a search, which the next utterance may use again: fresh memory costs more than the reckoning."""

    state: State
    candidates: Candidates
    work: Work
    results: Results

    @classmethod
    def make(cls, tokens: int, beam: int, trie: TrieArrays) -> Scratch:
        """Room for a beam of hypotheses over so many tokens."""
        state = State(
            np.zeros(4, np.int64),
            np.zeros(1),
            np.zeros((6, beam), np.int32),
            np.zeros((3, beam)),
            np.ones(beam, np.uint64),
            *_rows(FIRST_ROOM + 2 * beam),
            np.zeros(1, np.uint64),
            np.zeros(1),
        )
        work = Work(
            np.zeros(tokens),
            np.zeros(tokens, np.int32),
            np.zeros(tokens),
            np.zeros(tokens, np.int32),
            np.zeros((6, beam), np.int32),
            np.zeros(search.CACHED_SCORES, np.uint64),
            np.empty((search.CACHED_SCORES, 2)),
        )
        return cls(state, _candidates(max(FIRST_ROOM, 4 * beam)), work, _results(trie, beam))

    @property
    def small(self) -> bool:
        """Whether it is worth keeping."""
        return max(len(self.state.hashes), len(self.candidates.keys)) <= MOST_KEPT_ROOM


class Session:
    """Feed it log-probabilities, in one piece or in many, then ask for the results."""

    def __init__(
        self, scratch: Scratch, trie: TrieArrays, look: NDArray[np.float64], language: Language, settings: Settings
    ) -> None:
        self.trie, self.look, self.language, self.settings = trie, look, language, settings
        self.scratch = scratch
        if len(self.state.fused_keys) > 1:
            self.state = self.state._replace(fused_keys=np.zeros(1, np.uint64), fused_gains=np.zeros(1))
        search.begin(self.state, scratch.candidates, scratch.work, language)

    @property
    def state(self) -> State:
        """The search in progress."""
        return self.scratch.state

    @state.setter
    def state(self, state: State) -> None:
        self.scratch.state = state

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
            self.scratch.candidates.table[:] = 0  # its stamps are frames

    def advance(self, log_probs: NDArray[np.float32], last_frame: int) -> None:
        """Search `log_probs` on from the frame reached up to `last_frame`."""
        scratch = self.scratch
        while True:
            outcome = search.advance(
                log_probs, last_frame, self.trie, self.look, self.language, self.settings, scratch.state,
                scratch.candidates, scratch.work,
            )  # fmt: skip
            if outcome == search.DONE:
                return
            if outcome == search.MORE_CANDIDATES:
                scratch.candidates = _candidates(2 * len(scratch.candidates.keys))
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

    def remember(self, gains: Mapping[int, float], new: Collection[int]) -> None:
        """Let words that a neural model has scored have their whole score wherever they end again.

        gains: weighted, by the hash of the history that the word ends; new: those hashes not known at the last call.
        """
        slots = len(self.state.fused_keys)
        if 2 * len(gains) > slots:
            slots = max(1024, 4 * slots)
            self.state = self.state._replace(fused_keys=np.zeros(slots, np.uint64), fused_gains=np.zeros(slots))
            new = gains.keys()
        keys = np.fromiter(new, np.uint64, len(new))
        values = np.fromiter(map(gains.__getitem__, new), np.float64, len(new))
        search.remember_gains(self.state, self.scratch.work, keys, values)

    def results(self, confidence: Confidence, most: int, final_gains: FinalGains | None = None) -> list[Spoken]:
        """The best `most` word sequences, best first; those that differ in spelling only are one, with the times of the
        strongest.

        final_gains: what to add to the language scores of the compiled search's results.
        """
        state, results = self.state, self.scratch.results
        count = readout.finish(self.trie, self.language, self.settings, state, results)
        if final_gains is not None:
            results.scores[:count, readout.OTHER] += final_gains(results.rows[:count])
        found = []
        for place in range(readout.rank(count, results, confidence.scale, most)):
            row = int(results.order[place])
            words, tokens, confidences = readout.describe(
                row, count, results, state, confidence, self.settings.boundary
            )
            acoustic, other, _ = results.scores[row].tolist()
            found.append(Spoken(acoustic, other, words, tokens, confidences))
        return found


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
        np.zeros(slots, np.int64),
    )


def _results(trie: TrieArrays, beam: int) -> Results:
    """Room for whole word sequences: of each hypothesis as it is, or with each word that its node spells."""
    room = beam * (int(np.diff(trie.word_starts).max(initial=0)) + 1)
    slots = 1 << int(np.ceil(np.log2(2 * room)))
    return Results(
        np.zeros((room, 3), np.int32),
        np.zeros(room, np.uint64),
        np.zeros((room, 3)),
        np.zeros(room, np.int32),
        np.zeros(slots, np.int32),
    )
