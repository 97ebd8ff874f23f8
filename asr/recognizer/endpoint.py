"""Ends of utterances: silence in the audio, and nothing but blanks in what the acoustic model makes of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.audio.pauses import HOP_SECONDS, PauseFinder
from asr.audio.read import Samples

LEVEL_SECONDS = 15.0  # of audio, whose loud and soft parts say what is silence
BLANK_PROBABILITY = 0.9  # of a frame in which nothing is spoken
BLANK_ALONE = 2.0  # in noise blanks alone end an utterance, after that many times the silence
LONG_UTTERANCE_SECONDS, SHORT_SILENCE = 10.0, 0.3  # an utterance longer than that is ended by the shorter silence


class Endpointer:
    """Says when the utterance in a stream has ended. It is told the samples, and the first pass's log-probabilities."""

    def __init__(self, pauses: PauseFinder, sample_rate: int, seconds_per_frame: float, end_silence: float) -> None:
        """pauses: finds silence. end_silence: in seconds, that ends an utterance."""
        self._pauses, self._rate, self._frame, self._end_silence = pauses, sample_rate, seconds_per_frame, end_silence
        self._levels = np.zeros(0)  # of the last hops
        self._heard = 0  # samples
        self._frames = self._blanks = 0  # frames; of them, how many at the end are blank
        self._ahead = self._blanks_ahead = 0  # the same of those after them, with what is known by a first guess

    def hear(self, samples: Samples) -> None:
        """The stream's next samples (time,)."""
        self._heard += len(samples)
        levels = np.concatenate([self._levels, self._pauses.push(samples)])
        self._levels = levels[-round(LEVEL_SECONDS / HOP_SECONDS) :]

    def read(self, log_probs: NDArray[np.float32], ahead: NDArray[np.float32] | None = None) -> None:
        """The first pass's next frames (frames, tokens), and a first guess at some after them."""
        self._frames += len(log_probs)
        self._blanks = _blanks_after(self._blanks, log_probs)
        self._ahead = 0 if ahead is None else len(ahead)
        self._blanks_ahead = self._blanks if ahead is None else _blanks_after(self._blanks, ahead)

    @property
    def blank_seconds(self) -> float:
        """For how long nothing was spoken, by the frames read so far and those guessed."""
        return self._blanks_ahead * self._frame

    @property
    def quiet_seconds(self) -> float:
        """For how long it has been quiet, by the samples heard so far."""
        quiet = self._pauses.quiet(self._levels)
        loud = np.flatnonzero(~quiet)
        return (len(quiet) - 1 - (int(loud[-1]) if len(loud) else -1)) * HOP_SECONDS

    def end(self, start: int) -> int | None:
        """The sample at which the utterance that began at `start` has ended, in the middle of the silence; or None."""
        heard = self._heard / self._rate
        long = heard - start / self._rate > LONG_UTTERANCE_SECONDS
        needed = min(self._end_silence, SHORT_SILENCE) if long else self._end_silence
        ahead = heard - (self._frames + self._ahead) * self._frame  # heard, not read yet
        blank = self.blank_seconds
        silence = min(self.quiet_seconds, blank + ahead)
        if silence >= needed:
            return self._heard - round(silence / 2 * self._rate)
        if blank >= BLANK_ALONE * needed:
            return self._heard - round((ahead + blank / 2) * self._rate)
        return None


def _blanks_after(blanks: int, log_probs: NDArray[np.float32]) -> int:
    """How many frames at the end are blank, after so many blanks and then log-probabilities (frames, tokens)."""
    spoken = np.flatnonzero(log_probs[:, 0] < np.log(BLANK_PROBABILITY))
    return len(log_probs) - 1 - int(spoken[-1]) if len(spoken) else blanks + len(log_probs)
