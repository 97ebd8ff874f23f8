"""Audio in, transcript out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from asr.audio.source import AudioSource, open_audio
from asr.backends import Backend, open_backend
from asr.callbacks import Note, Progress
from asr.decode.build import Hotwords, SearchOptions, boosts, open_decoder
from asr.decode.decoder import Decoder
from asr.decode.timed import Word, timed_words
from asr.recognizer.segments import SegmentLogProbs
from asr.recognizer.transcript import Transcript
from asr.shipped import model_folder, neural_lm_path
from asr.text.lexicon import Lexicon


class Recognizer:
    """A model, its decoder, and what joins them. Open one with `Recognizer.load`.

    A recognizer holds nothing of the recordings it has transcribed and may be used from several threads at once.
    """

    def __init__(self, backend: Backend, decoder: Decoder) -> None:
        self.backend, self.decoder = backend, decoder

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        *,
        lm: str | Path | None = None,
        neural_lm: str | Path | None = None,
        lexicon: Lexicon | str | Path | None = None,
        hotwords: Hotwords | None = None,
        neural_share: float | None = None,
        rescore: int = 0,
        settings: Mapping[str, float | None] | None = None,
        greedy: bool = False,
        backend: str = "auto",
        device: str = "auto",
        threads: int = 0,
        note: Note | None = None,
    ) -> Recognizer:
        """A recognizer for a model folder, a shipped model by name, or the default model.

        lm: an ARPA file, "none", or None for the model's own. neural_lm: the folder of an LSTM language model,
        "shipped", "none", or None for the model's own, which is left out where `lm` or `lexicon` is given. lexicon: its
        file, "none", or None for the model's own. hotwords: phrases to favour. neural_share: of the neural model in the
        mixture. rescore: let the neural model score that many best hypotheses instead of joining the search. settings:
        of the search (`lm_weight`, `word_score`, `beam_size`, `threshold`, ...), over those the model was tuned to.
        greedy: take the best path, without lexicon and language model. backend: auto, onnx or torch. device: auto, cpu
        or cuda. threads: of the CPU for the acoustic model, 0 for all cores. note: called with lines for the user.

        Raises CheckpointError, TextError or ConfigError for what cannot be used.
        """
        options = SearchOptions(
            lexicon=lexicon,
            lm=lm,
            neural_lm=neural_lm_path(neural_lm),
            neural_share=neural_share,
            rescore=rescore,
            hotwords=boosts(hotwords),
            settings=settings or {},
            greedy=greedy,
        )
        return cls.from_options(model, options, backend=backend, device=device, threads=threads, note=note)

    @classmethod
    def from_options(
        cls,
        model: str | Path | None,
        options: SearchOptions,
        *,
        backend: str = "auto",
        device: str = "auto",
        threads: int = 0,
        note: Note | None = None,
    ) -> Recognizer:
        """`load` with the choices for the search as one object."""
        runner = open_backend(model_folder(model), backend=backend, device=device, threads=threads)
        return cls(runner, open_decoder(runner.package, options, note=note))

    def with_hotwords(self, hotwords: Hotwords) -> Recognizer:
        """This recognizer favouring other phrases; model and tables are shared. Raises TextError or ConfigError."""
        return Recognizer(self.backend, self.decoder.with_hotwords(boosts(hotwords)))

    def transcribe(
        self,
        source: AudioSource,
        *,
        rate: int | None = None,
        name: str | None = None,
        partial: bool = False,
        progress: Progress | None = None,
        on_words: Callable[[Sequence[Word]], None] | None = None,
    ) -> Transcript:
        """The transcript of a recording of any length. Long ones are cut at pauses and never held in memory whole.

        source: a path, the bytes of an audio file, an open binary file, or samples (time,) or (time, channels). rate:
        of samples, in Hz. name: what to call the audio in the transcript; by default its path. partial: take what can
        be read of a file that ends early. progress: called with the seconds done and the seconds in all; what it
        raises ends the work. on_words: called with words as they are completed, in order.

        Raises AudioError for audio that cannot be read.
        """
        words: list[Word] = []
        at = self.backend.sample_rate
        with open_audio(source, rate=rate, name=name, sample_rate=at, partial=partial) as audio:
            segments = SegmentLogProbs(self.backend, audio, progress)
            for start, log_probs in segments:
                found = timed_words(self.decoder.decode(log_probs)[0], self.backend.seconds_per_frame, start)
                words += found
                if on_words is not None and found:
                    on_words(found)
        return Transcript(audio.name, segments.seconds, tuple(words))
