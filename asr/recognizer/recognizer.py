"""Audio in, transcript out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import SAMPLE_RATE, Samples, read_blocks
from asr.audio.segment import Segment, cut_at_pauses
from asr.decode.decoder import Decoder
from asr.decode.hypothesis import Hypothesis
from asr.recognizer.decoding import NO_LM, Announce, Extras, make_decoder, search_settings
from asr.recognizer.shipped import model_folder
from asr.recognizer.transcript import TimedWord, Transcript

BATCH_SEGMENTS = 4  # of a long file, through the network at once

__all__ = ["Recognizer", "TimedWord", "Transcript"]


class Backend(Protocol):
    """Runs an acoustic model."""

    seconds_per_frame: float

    def log_probs(self, pieces: list[Samples]) -> list[NDArray[np.float32]]:
        """Log-probabilities (frames, tokens) of each piece of 16 kHz samples."""
        ...


class Recognizer:
    """A model, its decoder, and what joins them. Build one with `Recognizer.load`."""

    def __init__(self, backend: Backend, decoder: Decoder) -> None:
        self.backend, self.decoder = backend, decoder

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        lm: str | Path | None = None,
        device: str = "auto",
        threads: int = 0,
        settings: dict[str, Any] | None = None,
        announce: Announce | None = None,
        extras: Extras | None = None,
    ) -> Recognizer:
        """Load a model: a folder, a shipped model's name, or the default one.

        lm: an ARPA file, "none", or None for the model's own. device: auto, cpu or cuda. threads: 0 for all cores.
        settings: of the search (lm_weight, word_score, beam_size, …), over those the model was tuned to.
        extras: a neural language model and hotwords; by default the model's own neural one, unless `lm` is chosen.
        Raises CheckpointError, TextError or ConfigError for what cannot be used.
        """
        from asr.recognizer.torch_backend import TorchBackend

        folder = model_folder(model)
        backend = TorchBackend(folder, device, threads)
        checkpoint = backend.checkpoint
        chosen = None if lm == NO_LM else (lm or checkpoint.lm_path)
        extras = (extras or Extras()).resolved(folder if lm is None else None)
        tuned = search_settings(checkpoint.decoding, settings or {}, extras)
        return cls(backend, make_decoder(checkpoint.tokens, checkpoint.lexicon, chosen, tuned, announce, extras))

    def transcribe(
        self, path: str | Path, partial: bool = False, progress: Callable[[float], None] | None = None
    ) -> Transcript:
        """Transcribe a file of any length; long ones are cut at pauses and never held whole.

        partial: take what can be read of a file that ends early. progress: called with the seconds done so far.
        Raises AudioError for a file that cannot be read.
        """
        words: list[TimedWord] = []
        done = 0
        for batch in segment_batches(cut_at_pauses(read_blocks(path, partial=partial))):
            heard = [segment for segment in batch if not segment.is_silent]
            arrays = self.backend.log_probs([segment.samples for segment in heard])
            for segment, log_probs in zip(heard, arrays, strict=True):
                words += self._timed(self.decoder.decode(log_probs)[0], segment.start / SAMPLE_RATE)
            done = batch[-1].start + len(batch[-1].samples)
            if progress is not None:
                progress(done / SAMPLE_RATE)
        return Transcript(os.fspath(path), done / SAMPLE_RATE, tuple(words))

    def _timed(self, hypothesis: Hypothesis, offset: float) -> list[TimedWord]:
        frame = self.backend.seconds_per_frame
        return [
            TimedWord(word.word, offset + word.start_frame * frame, offset + word.end_frame * frame, word.confidence)
            for word in hypothesis.words
        ]


def segment_batches(segments: Iterator[Segment]) -> Iterator[list[Segment]]:
    """Segments in groups that go through the network at once."""
    batch: list[Segment] = []
    for segment in segments:
        batch.append(segment)
        if len(batch) == BATCH_SEGMENTS:
            yield batch
            batch = []
    if batch:
        yield batch
