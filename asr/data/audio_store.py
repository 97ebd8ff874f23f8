"""A cache of decoded audio: a training set stays in memory as far as a budget allows."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import SAMPLE_RATE, Samples, read_audio
from asr.data.manifest import Utterance
from asr.errors import AudioError

INT16_MAX = 32767.0


class AudioStore:
    """Reads utterances and keeps those that fit a budget of seconds, as 16-bit samples (115 MB an hour). Thread-safe.

    Every read has 16-bit precision, cached or not, so that results do not depend on the order of reads.
    """

    def __init__(self, budget_seconds: float, sample_rate: int = SAMPLE_RATE) -> None:
        self.sample_rate = sample_rate
        self._free_samples = int(budget_seconds * sample_rate)
        self._cache: dict[tuple[str, float, float], NDArray[np.int16]] = {}
        self._lock = threading.Lock()
        self.unreadable: dict[str, str] = {}  # reasons by utterance id

    def try_read(self, utterance: Utterance) -> Samples | None:
        """Samples (time,) in [-1, 1], or None for an utterance that cannot be read: it is named in `unreadable`."""
        try:
            return self.read(utterance)
        except AudioError as error:
            self.unreadable[utterance.id] = str(error)
            return None

    def read(self, utterance: Utterance) -> Samples:
        """The samples of an utterance, (time,) in [-1, 1]. Raises AudioError if its file cannot be read."""
        # Not by id: two manifests may name different utterances alike.
        part = (str(utterance.audio_filepath), utterance.offset, utterance.duration)
        quantized = self._cache.get(part)
        if quantized is None:
            samples = read_audio(
                utterance.audio_filepath, utterance.offset, utterance.duration or None, self.sample_rate
            )
            quantized = np.round(np.clip(samples, -1.0, 1.0) * INT16_MAX).astype(np.int16)
            with self._lock:
                if part not in self._cache and len(quantized) <= self._free_samples:
                    self._cache[part] = quantized
                    self._free_samples -= len(quantized)
        return quantized.astype(np.float32) / np.float32(INT16_MAX)
