"""Pauses in speech: by loudness alone, or by whatever else says hop by hop how likely speech is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import Samples

HOP_SECONDS = 0.01
SMOOTHED_HOPS = 5
FLOOR_POWER = 1e-10  # -100 dB of full scale
BELOW_SPEECH_DB = 12.0  # a pause is at least this much softer than the loud parts of speech
ABOVE_NOISE = 0.3  # and at most this share of the way, in dB, from the background's level to that of speech
ABOVE_NOISE_DB = 4.0  # where that way is short, at most these dB above the background
LOUD_PERCENTILE, SOFT_PERCENTILE = 95, 5  # of the levels, which are speech's and the background's
SILENCE_DB = -80.0  # of full scale: nothing was recorded

Levels = NDArray[np.float64]


class Pause(NamedTuple):
    """A stretch of hops of 10 ms that is a pause; `end` is the first hop after it."""

    start: int
    end: int

    @property
    def middle(self) -> int:
        """The hop in its middle."""
        return (self.start + self.end) // 2


def hop_levels(samples: Samples, sample_rate: int) -> Levels:
    """The level of each whole 10 ms of samples (time,), in dB of full scale: (hops,)."""
    hop = int(HOP_SECONDS * sample_rate)
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    levels: Levels = 10 * np.log10(np.square(frames).mean(axis=1, dtype=np.float64) + FLOOR_POWER)
    return levels


def smoothed(levels: Levels, hops: int) -> Levels:
    """Levels (hops,) averaged over `hops` around each, the edges as if they went on as they end."""
    if not len(levels):
        return levels
    padded = np.pad(levels, (hops // 2, hops - 1 - hops // 2), mode="edge")
    return np.convolve(padded, np.full(hops, 1 / hops), mode="valid")


def pause_level(levels: Levels) -> float:
    """The level in dB below which smoothed levels (hops,) are those of a pause: well below speech, near the background.

    What lies between is a soft sound or the fading end of a word.
    """
    speech, background = np.percentile(levels, [LOUD_PERCENTILE, SOFT_PERCENTILE])
    above = max(ABOVE_NOISE_DB, ABOVE_NOISE * (speech - background))
    return float(min(speech - BELOW_SPEECH_DB, background + above))


def find_pauses(quiet: NDArray[np.bool_], min_seconds: float) -> list[Pause]:
    """The pauses of at least `min_seconds` in hops (hops,) that are quiet, in order.

    Those at the edges may go on beyond them.
    """
    steps = np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8))
    runs = zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True)
    return [Pause(start, end) for start, end in runs if end - start >= round(min_seconds / HOP_SECONDS)]


class PauseFinder(Protocol):
    """Says of each 10 ms of one recording, which arrives in blocks, how much it is like speech: its level.

    Levels are (hops,) or (hops, values), as the finder itself reads them.
    """

    def push(self, samples: Samples) -> Levels:
        """The levels (hops,) that are known after the next samples (time,); they may lag behind."""
        ...

    def finish(self) -> Levels:
        """The levels (hops,) that are left of the recording's whole hops."""
        ...

    def quiet(self, levels: Levels) -> NDArray[np.bool_]:
        """Whether each of successive hops (hops,) is one of a pause."""
        ...

    def silent(self, levels: Levels) -> bool:
        """Whether nothing can have been said in any of the hops."""
        ...


class LoudnessPauses:
    """Pauses by loudness: what is much softer than the loud parts, and hardly louder than the softest."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._rest = np.zeros(0, np.float32)  # samples of an incomplete hop

    def push(self, samples: Samples) -> Levels:
        joined = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        hop = int(HOP_SECONDS * self._rate)
        whole = len(joined) // hop * hop
        self._rest = joined[whole:]
        return hop_levels(joined[:whole], self._rate)

    def finish(self) -> Levels:
        return np.zeros(0)

    def quiet(self, levels: Levels) -> NDArray[np.bool_]:
        if not len(levels):
            return np.zeros(0, np.bool_)
        smooth = smoothed(levels, SMOOTHED_HOPS)
        found: NDArray[np.bool_] = smooth < pause_level(smooth)
        return found

    def silent(self, levels: Levels) -> bool:
        return bool(levels.max(initial=-np.inf) < SILENCE_DB)


class LaterPauses:
    """What another finder says of a recording from some hop on, as a `PauseFinder`; it hears all of the recording.

    So what it says of the rest of an interrupted work is what it would have said without the interruption.
    """

    def __init__(self, pauses: PauseFinder, hops: int) -> None:
        """hops: that are passed over."""
        self._pauses, self._passed = pauses, hops
        self.quiet, self.silent = pauses.quiet, pauses.silent

    def push(self, samples: Samples) -> Levels:
        return self._later(self._pauses.push(samples))

    def finish(self) -> Levels:
        return self._later(self._pauses.finish())

    def _later(self, levels: Levels) -> Levels:
        passed = min(self._passed, len(levels))
        self._passed -= passed
        return levels[passed:]
