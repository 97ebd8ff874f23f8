"""A recording of any length through the acoustic model, cut at pauses and a few segments at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from asr.audio.segment import cut_at_pauses
from asr.audio.source import OpenAudio
from asr.backends.base import Backend
from asr.callbacks import Progress

BATCH_SEGMENTS = 4  # go through the network at once


class SegmentLogProbs:
    """Iterates over the segments of a recording that are not silent, as (start in seconds, log-probs (frames, tokens)).

    audio: opened at the backend's sample rate. `seconds` is the length of what has been read so far. progress: called
    with it and the duration that the header says.
    """

    def __init__(self, backend: Backend, audio: OpenAudio, progress: Progress | None = None) -> None:
        self._backend, self._audio, self._progress = backend, audio, progress
        self.seconds = 0.0

    def __iter__(self) -> Iterator[tuple[float, NDArray[np.float32]]]:
        rate = self._backend.sample_rate
        segments = cut_at_pauses(self._audio.blocks, rate)
        while batch := list(islice(segments, BATCH_SEGMENTS)):
            spoken = [segment for segment in batch if not segment.is_silent]
            arrays = self._backend.log_probs([segment.samples for segment in spoken])
            for segment, log_probs in zip(spoken, arrays, strict=True):
                yield segment.start / rate, log_probs
            self.seconds = (batch[-1].start + len(batch[-1].samples)) / rate
            if self._progress is not None:
                self._progress(self.seconds, max(self.seconds, self._audio.duration))
