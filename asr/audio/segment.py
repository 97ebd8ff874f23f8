"""Cutting long audio at pauses, as it streams by.

A cut in a pause ends a passage. Where speech goes on for a whole segment without one, the cut falls on its quietest
place, and one search goes on over the seam. Both segments of any cut get the audio around it as context: what a network
makes of the middle parts, joined, is as if nothing had been cut. So no word is lost, doubled or cut in two, and short
segments do not suffer from being short.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from asr.audio.pauses import HOP_SECONDS, LoudnessPauses, PauseFinder, find_pauses, hop_levels, smoothed
from asr.audio.read import SAMPLE_RATE, Samples

MAX_SEGMENT_SECONDS = 15.0
MIN_SEGMENT_SECONDS = 2.0
LONG_PAUSE_SECONDS = 0.5  # ends a segment wherever it is
PAUSE_SECONDS = 0.25  # the longest pause of at least that long ends a segment that is full
MIN_SEAM_SECONDS = 6.0  # a segment that does not end in a pause is at least this long
SEAM_SECONDS = 0.1  # loudness is averaged over this length to find the quietest place
LATE_BONUS_DB = 6.0  # how much louder the end of the window may be than its beginning and still be cut
# Of audio on either side of a cut. Short segments get more, up to the most, so that they and it are `READ_SECONDS`.
LEAST_CONTEXT_SECONDS, MOST_CONTEXT_SECONDS = 1.44, 3.0
READ_SECONDS = 10.0
# Seams lie on multiples of it, and contexts are: a whole number of the output frames of networks of 10 to 60 ms.
GRID_SECONDS = 0.12


def _nothing() -> Samples:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class Segment:
    """A stretch of samples and where it begins, in samples of the whole recording.

    before, after: samples around it that are context. ends: whether a pause follows; if not, its words and those of the
    next segment are one passage. silent: whether nothing is said in it.
    """

    start: int
    samples: Samples
    sample_rate: int = SAMPLE_RATE
    before: Samples = field(default_factory=_nothing)
    after: Samples = field(default_factory=_nothing)
    ends: bool = True
    silent: bool = False

    @property
    def stop(self) -> int:
        """Where it ends, in samples of the whole recording."""
        return self.start + len(self.samples)

    @property
    def with_context(self) -> Samples:
        """Its samples with those around it."""
        if not len(self.before) and not len(self.after):
            return self.samples
        return np.concatenate([self.before, self.samples, self.after])


def most_context(sample_rate: int) -> int:
    """How many samples of context a segment gets on either side at the most."""
    return round(MOST_CONTEXT_SECONDS / GRID_SECONDS) * round(GRID_SECONDS * sample_rate)


class PauseCutter:
    """Cuts a recording that arrives in blocks into segments of about `max_seconds` at most, at every pause.

    The cuts do not depend on the sizes of the blocks. A recording not longer than `max_seconds` is one segment.
    """

    def __init__(
        self,
        sample_rate: int = SAMPLE_RATE,
        max_seconds: float = MAX_SEGMENT_SECONDS,
        start: int = 0,
        continued: bool = False,
        pauses: PauseFinder | None = None,
        before: Samples | None = None,
    ) -> None:
        """start: where the samples begin in the recording. continued: with the segment before, another cutter's.

        pauses: finds them, by loudness if None. before: the samples before the start, as far as they are known; of more
        than `most_context` the last ones count.
        """
        self._pauses, self._hop = pauses or LoudnessPauses(sample_rate), int(HOP_SECONDS * sample_rate)
        self._levels = self._pauses.push(_nothing())  # of what is not yet in a segment, as far as they are known
        self._rate, self._longest = sample_rate, int(max_seconds * sample_rate)
        self._shortest_seam = min(MIN_SEAM_SECONDS, max_seconds / 2)
        self._grid = round(GRID_SECONDS * sample_rate)
        self._most_context = most_context(sample_rate)
        self._blocks: list[Samples] = []  # not yet in a segment
        self._held = 0  # samples in them
        self._start = start  # where they begin in the recording
        self._continued = continued  # whether anything was cut
        self._before = _nothing() if before is None else before[-self._most_context :]  # the next segment

    def push(self, samples: Samples) -> list[Segment]:
        """The segments that the recording's next samples (time,) complete."""
        self._blocks.append(samples)
        self._held += len(samples)
        self._levels = np.concatenate([self._levels, self._pauses.push(samples)])
        if self._held <= self._longest + self._most_context:
            return []
        held, segments = np.concatenate(self._blocks), []
        while len(held) > self._longest + self._most_context:
            window = held[: self._longest]
            cut = self._pause(window)
            ends = cut > 0
            segments.append(self._cut(held, cut if ends else self._seam(window), ends))
            held = held[len(segments[-1].samples) :]
        self._blocks, self._held = [held], len(held)
        return segments

    def finish(self) -> list[Segment]:
        """The last segments; an empty one where the recording is empty; none where a cut fell on its end."""
        held = np.concatenate(self._blocks) if self._blocks else _nothing()
        self._blocks, self._held = [], 0
        self._levels = np.concatenate([self._levels, self._pauses.finish()])
        segments = []
        # Only a recording that is short as a whole stays whole, with whatever pauses it has.
        whole = not self._continued and len(held) <= self._longest
        while not whole and (cut := self._pause(held[: self._longest])):
            segments.append(self._cut(held, cut, True))
            held = held[cut:]
        if len(held) or not self._continued:
            segments.append(self._cut(held, len(held), True))
        return segments

    def _cut(self, held: Samples, cut: int, ends: bool) -> Segment:
        context = self._context(cut)
        before = self._before[len(self._before) - min(context, len(self._before) // self._grid * self._grid) :]
        levels, self._levels = np.split(self._levels, [round(cut / self._hop)])
        silent = self._pauses.silent(levels)
        segment = Segment(self._start, held[:cut], self._rate, before, held[cut : cut + context], ends, silent)
        self._before = np.concatenate([self._before, held[:cut]])[-self._most_context :]
        self._start, self._continued = self._start + cut, True
        return segment

    def _context(self, samples: int) -> int:
        """How many samples of context a segment of so many samples gets on either side; on the grid."""
        seconds = (READ_SECONDS - samples / self._rate) / 2
        return round(min(max(LEAST_CONTEXT_SECONDS, seconds), MOST_CONTEXT_SECONDS) / GRID_SECONDS) * self._grid

    def _pause(self, window: Samples) -> int:
        """The sample in the middle of the first long pause, else of the longest one; 0 if there is none."""
        levels = self._levels[: len(window) // self._hop]
        shortest = round(MIN_SEGMENT_SECONDS / HOP_SECONDS)
        pauses = [
            pause
            for pause in find_pauses(self._pauses.quiet(levels), PAUSE_SECONDS)
            if pause.middle >= shortest and pause.end < len(levels)
        ]
        if not pauses:
            return 0
        long = [pause for pause in pauses if pause.end - pause.start >= round(LONG_PAUSE_SECONDS / HOP_SECONDS)]
        chosen = long[0] if long else max(pauses, key=lambda pause: pause.end - pause.start)
        return chosen.middle * self._hop

    def _seam(self, window: Samples) -> int:
        """The sample at the quietest place that is not too early, later places preferred a little; on the grid."""
        levels = smoothed(hop_levels(window, self._rate), round(SEAM_SECONDS / HOP_SECONDS))
        first = round(self._shortest_seam / HOP_SECONDS)
        bonus = np.linspace(0.0, LATE_BONUS_DB, len(levels) - first)
        place = int((first + np.argmin(levels[first:] - bonus)) * HOP_SECONDS * self._rate)
        return max(1, place // self._grid) * self._grid


def cut_at_pauses(
    blocks: Iterable[Samples],
    sample_rate: int = SAMPLE_RATE,
    max_seconds: float = MAX_SEGMENT_SECONDS,
    start: int = 0,
    pauses: PauseFinder | None = None,
    before: Samples | None = None,
) -> Iterator[Segment]:
    """The segments of a recording that a `PauseCutter` makes of its blocks of samples (time,), in order.

    start: where the first block begins in the recording, at a pause where what is before was cut already. before: the
    samples before it. Memory is bounded by a segment and a block.
    """
    cutter = PauseCutter(sample_rate, max_seconds, start, continued=start > 0, pauses=pauses, before=before)
    for block in blocks:
        yield from cutter.push(block)
    yield from cutter.finish()
