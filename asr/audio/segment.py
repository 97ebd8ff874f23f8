"""Cutting long audio at pauses, as it streams by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import SAMPLE_RATE, Samples

MAX_SEGMENT_SECONDS = 30.0
MIN_SEGMENT_SECONDS = 6.0
HOP_SECONDS = 0.01
PAUSE_SECONDS = 0.3  # loudness is smoothed over this window
LATE_BONUS_DB = 6.0  # how much louder the end of the window may be than its beginning and still be cut
SILENCE_RMS = 1e-4  # -80 dB of full scale: nothing was recorded


@dataclass(frozen=True)
class Segment:
    """A stretch of samples and where it begins, in samples of the whole recording."""

    start: int
    samples: Samples
    sample_rate: int = SAMPLE_RATE

    @property
    def is_silent(self) -> bool:
        """Whether no 10 ms of it reach -80 dB of full scale."""
        loudest = _hop_rms(self.samples, self.sample_rate).max(initial=0.0)
        return not len(self.samples) or bool(loudest < SILENCE_RMS)


class PauseCutter:
    """Cuts a recording that arrives in blocks into segments of at most `max_seconds`, where it is quietest.

    The cuts do not depend on the sizes of the blocks. A recording shorter than `max_seconds` is one segment.
    """

    def __init__(self, sample_rate: int = SAMPLE_RATE, max_seconds: float = MAX_SEGMENT_SECONDS) -> None:
        self._sample_rate, self._longest = sample_rate, int(max_seconds * sample_rate)
        self._blocks: list[Samples] = []  # not yet in a segment
        self._held = 0  # samples in them
        self._start = 0  # where they begin in the recording

    def push(self, samples: Samples) -> list[Segment]:
        """The segments that the recording's next samples (time,) complete."""
        self._blocks.append(samples)
        self._held += len(samples)
        if self._held <= self._longest:
            return []
        held, segments = np.concatenate(self._blocks), []
        while len(held) > self._longest:
            cut = _quietest_place(held[: self._longest], self._sample_rate)
            segments.append(Segment(self._start, held[:cut], self._sample_rate))
            held, self._start = held[cut:], self._start + cut
        self._blocks, self._held = [held], len(held)
        return segments

    def finish(self) -> list[Segment]:
        """The last segment; an empty one where the recording is empty; none where a cut fell on its end."""
        rest = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)
        self._blocks, self._held = [], 0
        return [Segment(self._start, rest, self._sample_rate)] if len(rest) or self._start == 0 else []


def cut_at_pauses(
    blocks: Iterable[Samples], sample_rate: int = SAMPLE_RATE, max_seconds: float = MAX_SEGMENT_SECONDS
) -> Iterator[Segment]:
    """The segments of a recording that a `PauseCutter` makes of its blocks of samples (time,), in order.

    Memory is bounded by a segment and a block.
    """
    cutter = PauseCutter(sample_rate, max_seconds)
    for block in blocks:
        yield from cutter.push(block)
    yield from cutter.finish()


def _quietest_place(samples: Samples, sample_rate: int) -> int:
    """Sample index of the quietest 0.3 s between shortest and longest segment, later places preferred a little."""
    loudness = 20 * np.log10(_hop_rms(samples, sample_rate) + 1e-6)
    width = round(PAUSE_SECONDS / HOP_SECONDS)
    smooth = np.convolve(loudness, np.full(width, 1 / width), mode="same")
    first, last = round(MIN_SEGMENT_SECONDS / HOP_SECONDS), len(smooth) - width // 2
    bonus = np.linspace(0.0, LATE_BONUS_DB, last - first)
    return int((first + np.argmin(smooth[first:last] - bonus)) * HOP_SECONDS * sample_rate)


def _hop_rms(samples: Samples, sample_rate: int) -> NDArray[np.float32]:
    hop = int(HOP_SECONDS * sample_rate)
    if len(samples) < hop:
        return np.sqrt(np.mean(np.square(samples), keepdims=True)) if len(samples) else np.zeros(0, np.float32)
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    levels: Samples = np.sqrt(np.mean(np.square(frames), axis=1))
    return levels
