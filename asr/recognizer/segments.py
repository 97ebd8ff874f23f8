"""A recording of any length through the acoustic model and the search, cut at pauses and a few segments at a time.

Files and streams both go this way: segments to log-probabilities (`log_probs_of`), and those to words (`Passages`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.audio.pauses import HOP_SECONDS, LaterPauses, LoudnessPauses, PauseFinder
from asr.audio.read import Samples
from asr.audio.segment import Segment, cut_at_pauses, most_context
from asr.audio.source import OpenAudio
from asr.backends.base import Backend
from asr.callbacks import Progress
from asr.decode.decoder import Decoder, DecodingSession
from asr.decode.timed import Word, timed_words

READ_SEGMENTS = 16  # held at once
BATCH_SEGMENTS = 4  # of like length, which go through the network at once
MAX_PASSAGE_SECONDS = 120.0  # a passage without any pause is ended after that time


class SegmentFrames(NamedTuple):
    """Log-probabilities (frames, tokens) of a segment, where it starts and stops in samples, if a pause follows."""

    start: int
    stop: int
    log_probs: NDArray[np.float32]
    ends: bool


def log_probs_of(backend: Backend, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
    """Log-probabilities (frames, tokens) of each segment, computed with the context that it has and without its frames.

    Segments of like length share a batch; the results do not depend on it.
    """
    outputs: dict[int, NDArray[np.float32]] = {}
    by_length = sorted(range(len(segments)), key=lambda place: len(segments[place].with_context))
    for first in range(0, len(by_length), BATCH_SEGMENTS):
        places = by_length[first : first + BATCH_SEGMENTS]
        arrays = backend.log_probs([segments[place].with_context for place in places])
        for place, array in zip(places, arrays, strict=True):
            outputs[place] = _without_context(array, segments[place], backend)
    return [outputs[place] for place in range(len(segments))]


def _without_context(log_probs: NDArray[np.float32], segment: Segment, backend: Backend) -> NDArray[np.float32]:
    samples = backend.seconds_per_frame * backend.sample_rate  # a frame
    first = round(len(segment.before) / samples)
    if not len(segment.after):
        return log_probs[first:]
    return log_probs[first : round((len(segment.before) + len(segment.samples)) / samples)]


class SegmentLogProbs:
    """Iterates over the segments of a recording as `SegmentFrames`; silent ones have no frames, and no tokens.

    audio: opened at the backend's sample rate. start: samples of it that are passed over; a pause must be there.
    pauses: finds them, by loudness if None. `seconds` is the length of what has been read so far. progress: called with
    it and the duration by the header.
    """

    def __init__(
        self,
        backend: Backend,
        audio: OpenAudio,
        progress: Progress | None = None,
        start: int = 0,
        pauses: PauseFinder | None = None,
    ) -> None:
        self._backend, self._audio, self._progress, self._start = backend, audio, progress, start
        pauses = pauses or LoudnessPauses(backend.sample_rate)
        self._pauses = LaterPauses(pauses, round(start / backend.sample_rate / HOP_SECONDS)) if start else pauses
        self.seconds = start / backend.sample_rate

    def __iter__(self) -> Iterator[SegmentFrames]:
        rate = self._backend.sample_rate
        if self._progress is not None:
            self._progress(self.seconds, max(self.seconds, self._audio.duration))
        before, blocks = _split(self._audio.blocks, self._start, most_context(rate), self._pauses)
        segments = cut_at_pauses(blocks, rate, start=self._start, pauses=self._pauses, before=before)
        while batch := list(islice(segments, READ_SEGMENTS)):
            arrays = iter(log_probs_of(self._backend, [segment for segment in batch if not segment.silent]))
            nothing = np.zeros((0, 0), np.float32)
            for segment in batch:
                frames = nothing if segment.silent else next(arrays)
                yield SegmentFrames(segment.start, segment.stop, frames, segment.ends or segment.silent)
                self.seconds = segment.stop / rate
                if self._progress is not None:  # after each, since it may stop the whole
                    self._progress(self.seconds, max(self.seconds, self._audio.duration))


def _split(
    blocks: Iterator[Samples], start: int, context: int, pauses: PauseFinder
) -> tuple[Samples, Iterator[Samples]]:
    """The last `context` samples before sample `start` of blocks, which `pauses` hears, and the later blocks."""
    before, passed = np.zeros(0, np.float32), 0
    while passed < start and (block := next(blocks, None)) is not None:
        skipped = min(start - passed, len(block))
        before = np.concatenate([before, block[:skipped]])[-context:]
        pauses.push(block[:skipped])
        passed += skipped
        if skipped < len(block):
            blocks = chain([block[skipped:]], blocks)
    return before, blocks


class Passages:
    """Words of segments that come in order. Those without a pause between them are one passage, with one search."""

    def __init__(self, decoder: Decoder, backend: Backend) -> None:
        self._decoder, self._frame, self._rate = decoder, backend.seconds_per_frame, backend.sample_rate
        self._session: DecodingSession | None = None
        self._start = 0  # of the passage, in samples

    def feed(self, segment: SegmentFrames) -> list[Word]:
        """The words of the passage that the next segment ends, with their times; none where it goes on."""
        if len(segment.log_probs):
            if self._session is None:
                self._session, self._start = self._decoder.start(), segment.start
            self._session.feed(segment.log_probs)
        too_long = segment.stop - self._start > MAX_PASSAGE_SECONDS * self._rate
        return self.finish() if segment.ends or too_long else []

    def finish(self) -> list[Word]:
        """The words of the passage so far, which ends here."""
        session, self._session = self._session, None
        return [] if session is None else timed_words(session.finish()[0], self._frame, self._start / self._rate)
