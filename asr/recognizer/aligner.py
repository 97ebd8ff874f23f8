"""A recording and its text in, the text's words with their times out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asr.audio.source import AudioSource, open_audio
from asr.backends import Backend, open_backend
from asr.callbacks import Note, Progress
from asr.decode.alignment import align
from asr.decode.build import choose_lexicon
from asr.errors import AudioError, TextError
from asr.recognizer.segments import SegmentLogProbs
from asr.recognizer.transcript import Transcript, Word
from asr.shipped import model_folder
from asr.text.lexicon import Lexicon
from asr.text.normalize import normalize_english, printed_words
from asr.text.spelling import Speller


class Aligner:
    """An acoustic model that places the words of a text in a recording. Open one with `Aligner.load`.

    An aligner may be used from several threads at once.
    """

    def __init__(self, backend: Backend, speller: Speller) -> None:
        self.backend, self.speller = backend, speller

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        *,
        lexicon: Lexicon | str | Path | None = None,
        backend: str = "auto",
        device: str = "auto",
        threads: int = 0,
        note: Note | None = None,
    ) -> Aligner:
        """An aligner for a model folder, a shipped model by name, or the default model.

        lexicon: its file, "none", or None for the model's own. backend: auto, onnx or torch. device: auto, cpu or cuda.
        threads: of the CPU for the acoustic model, 0 for all cores. note: called with lines for the user. Raises
        CheckpointError or ConfigError for what cannot be used.
        """
        runner = open_backend(model_folder(model), backend=backend, device=device, threads=threads)
        package = runner.package
        return cls(
            runner, Speller(package.tokens, choose_lexicon(package, lexicon), package.letter_to_sound_path, note)
        )

    def align(
        self,
        source: AudioSource,
        text: str,
        *,
        rate: int | None = None,
        name: str | None = None,
        progress: Progress | None = None,
    ) -> Transcript:
        """The text's words, as `normalize_english` writes them, with times in seconds and confidence.

        Each word's `display` is what the text prints, with its marks and capitals.

        Confidence is the geometric mean of the model's probabilities over a word's frames. source, rate, name: as in
        `Recognizer.transcribe`. progress: called with the seconds done and the seconds in all.

        Raises AudioError for audio that cannot be read or is silent, TextError for a text without words, with words
        that cannot be spelled, or too long for the audio.
        """
        words = normalize_english(text).split()
        if not words:
            raise TextError("the text holds no word to align.")
        spelled = [self.speller.spell(word) for word in words]
        frame = self.backend.seconds_per_frame
        rows: list[np.ndarray] = []
        times: list[np.ndarray] = []
        with open_audio(source, rate=rate, name=name, sample_rate=self.backend.sample_rate) as audio:
            segments = SegmentLogProbs(self.backend, audio, progress)
            for segment in (each for each in segments if len(each.log_probs)):
                rows.append(segment.log_probs)
                start = segment.start / self.backend.sample_rate
                times.append(start + frame * np.arange(len(segment.log_probs)))
        if not sum(map(len, rows)):
            raise AudioError(f"{audio.name} is silent; there is nothing to align the text with.")
        begins = np.concatenate(times)
        placed = align(np.concatenate(rows), spelled, self.speller.tokens.boundary)
        timed = [
            Word(
                word,
                float(begins[at.start]),
                float(begins[at.end - 1]) + frame,
                float(np.exp(at.log_prob)),
                display=shown,
            )
            for word, shown, at in zip(words, printed_words(text, words), placed, strict=True)
        ]
        return Transcript(audio.name, segments.seconds, tuple(timed))
