"""A recording and its text in, the text's words with their times out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from asr.audio.read import read_blocks
from asr.audio.segment import cut_at_pauses
from asr.backends import Backend, open_backend
from asr.decode.alignment import align
from asr.errors import AudioError, TextError
from asr.recognizer.recognizer import segment_batches
from asr.recognizer.transcript import TimedWord, Transcript
from asr.shipped import model_folder
from asr.text.letter_to_sound import LetterToSound
from asr.text.lexicon import Lexicon
from asr.text.normalize import normalize_english
from asr.text.tokens import BOUNDARY, Tokens

LEARNED_FROM = 20_000  # lexicon entries that letter-to-sound is learned from: seconds instead of a minute

Note = Callable[[str], None]


class Speller:
    """Token ids of words: as the lexicon has them, else by characters, else by rules learned from the lexicon."""

    def __init__(self, tokens: Tokens, lexicon: Lexicon | None, note: Note | None = None) -> None:
        self.tokens, self.lexicon, self._note = tokens, lexicon, note
        self._rules: LetterToSound | None = None

    def spell(self, word: str) -> list[list[int]]:
        """All spellings of a word. Raises TextError if it has a letter that nothing explains."""
        ways = self.lexicon.spellings.get(word) if self.lexicon is not None else None
        if ways:
            return [[self.tokens.ids[name] for name in way] for way in ways]
        spelled = self.tokens.spell(word) if self.tokens.are_characters else self._by_rule(word)
        if not spelled:
            raise TextError(f"the word '{word}' cannot be spelled in the model's tokens; write it as it is said.")
        return [spelled]

    def _by_rule(self, word: str) -> list[int]:
        assert self.lexicon is not None
        if self._rules is None:
            if self._note is not None:
                self._note("learning to pronounce words that the lexicon lacks …")
            entries = list(self.lexicon.spellings.items())
            some = entries[:: max(1, len(entries) // LEARNED_FROM)]
            self._rules = LetterToSound(
                {name: [tuple(p for p in way if p != BOUNDARY) for way in ways] for name, ways in some}
            )
        phones = self._rules.pronounce(word) or ()
        closed = (*phones, BOUNDARY) if BOUNDARY in self.tokens.ids else phones
        return [self.tokens.ids[name] for name in closed] if phones else []


class Aligner:
    """An acoustic model that finds the words of a text in a recording. Build one with `Aligner.load`."""

    def __init__(self, backend: Backend, speller: Speller) -> None:
        self.backend, self.speller = backend, speller

    @classmethod
    def load(
        cls, model: str | Path | None = None, device: str = "auto", threads: int = 0, note: Note | None = None
    ) -> Aligner:
        """Load a model folder, a shipped model by name, or the default one. Raises CheckpointError or ConfigError."""
        backend = open_backend(model_folder(model), device=device, threads=threads)
        return cls(backend, Speller(backend.package.tokens, backend.package.lexicon, note))

    def align(self, path: str | Path, text: str, progress: Callable[[float], None] | None = None) -> Transcript:
        """The text's words, as `normalize_english` writes them, with times in seconds and confidence.

        Confidence is the geometric mean of the model's probabilities over a word's frames. progress: called with the
        seconds heard so far. Raises AudioError for a file that cannot be read or is silent, TextError for a text
        without words, with words that cannot be spelled, or too long for the audio.
        """
        words = normalize_english(text).split()
        if not words:
            raise TextError("the text holds no word to align.")
        spelled = [self.speller.spell(word) for word in words]
        log_probs, times, duration = self._hear(path, progress)
        if not len(times):
            raise AudioError(f"{path} is silent; there is nothing to align the text with.")
        frame = self.backend.seconds_per_frame
        boundary = self.speller.tokens.boundary
        placed = align(log_probs, spelled, boundary)
        timed = [
            TimedWord(word, float(times[at.start]), float(times[at.end - 1]) + frame, float(np.exp(at.log_prob)))
            for word, at in zip(words, placed, strict=True)
        ]
        return Transcript(os.fspath(path), duration, tuple(timed))

    def _hear(self, path: str | Path, progress: Callable[[float], None] | None) -> tuple[np.ndarray, np.ndarray, float]:
        """Log-probabilities (frames, tokens) of all that is not silent, the second each frame begins at, the length."""
        frame = self.backend.seconds_per_frame
        rows: list[np.ndarray] = [np.zeros((0, len(self.speller.tokens)), np.float32)]
        times: list[np.ndarray] = [np.zeros(0)]
        done = 0
        rate = self.backend.sample_rate
        for batch in segment_batches(cut_at_pauses(read_blocks(path, sample_rate=rate), rate)):
            heard = [segment for segment in batch if not segment.is_silent]
            found = self.backend.log_probs([segment.samples for segment in heard])
            for segment, values in zip(heard, found, strict=True):
                rows.append(values)
                times.append(segment.start / rate + frame * np.arange(len(values)))
            done = batch[-1].start + len(batch[-1].samples)
            if progress is not None:
                progress(done / rate)
        return np.concatenate(rows), np.concatenate(times), done / rate
