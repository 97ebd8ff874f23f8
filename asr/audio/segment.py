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
PAUSE_SECONDS = 0.3  # the loudness of a place is that of so much around it
LATE_BONUS_DB = 6.0  # how much louder the end of the window may be than its beginning and still be cut
SILENCE_RMS = 1e-4  # -80 dB of full scale: nothing was recorded


@dataclass(frozen=True)
class Segment:
    """A stretch of samples and where it begins, in samples of the whole recording."""

    start: int
    samples: Samples

    @property
    def is_silent(self) -> bool:
        """Whether no 10 ms of it reach -80 dB of full scale."""
        return not len(self.samples) or bool(_hop_rms(self.samples, SAMPLE_RATE).max(initial=0.0) < SILENCE_RMS)


def cut_at_pauses(
    blocks: Iterable[Samples], sample_rate: int = SAMPLE_RATE, max_seconds: float = MAX_SEGMENT_SECONDS
) -> Iterator[Segment]:
    """Segments of at most `max_seconds`, cut where it is quietest; a shorter recording comes out whole.

    blocks: the recording's samples (time,) in order. Memory is bounded by a segment and a block.
    """
    longest = int(max_seconds * sample_rate)
    held = np.zeros(0, np.float32)
    start = 0
    for block in blocks:
        held = np.concatenate([held, block]) if len(held) else block
        while len(held) > longest:
            cut = _quietest_place(held[:longest], sample_rate)
            yield Segment(start, held[:cut])
            held, start = held[cut:], start + cut
    if len(held) or start == 0:
        yield Segment(start, held)


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
    return np.sqrt(np.mean(np.square(frames), axis=1))
