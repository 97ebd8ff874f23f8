"""Audio in, transcript out."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from asr.activity.detector import SpeechDetector, pauses_by
from asr.audio.source import AudioSource, OpenAudio, open_audio, open_channels
from asr.backends import Backend, open_backend
from asr.callbacks import Note, Progress
from asr.decode.arguments import checked_hotwords, checked_settings
from asr.decode.build import SearchOptions, open_decoder
from asr.decode.decoder import Decoder
from asr.decode.hotwords import Hotwords
from asr.decode.timed import Word
from asr.errors import AudioError, ConfigError
from asr.model_package import WEIGHTS
from asr.nlp.tagging.tagger import Tagger
from asr.recognizer.journal import Journal
from asr.recognizer.origins import origin_of
from asr.recognizer.reading import check_numbers, for_reading
from asr.recognizer.segments import Passages, SegmentLogProbs
from asr.recognizer.stream import Stream, StreamSettings
from asr.recognizer.transcript import Transcript
from asr.recognizer.turns import interleaved
from asr.shipped import model_folder, neural_lm_path
from asr.text.lexicon import Lexicon

MIXED, SEPARATE = "mixed", "separate"
CHANNELS = (MIXED, SEPARATE)
JOURNAL_SECONDS = 20.0  # of audio between two entries of a journal, each of which is flushed to disk

OnWords = Callable[[Sequence[Word]], None]
"""Called with words as they are completed."""


class Recognizer:
    """A model, its decoder, and what joins them. Open one with `Recognizer.load`.

    A recognizer holds nothing of the recordings it has transcribed and may be used from several threads at once.
    """

    def __init__(
        self,
        backend: Backend,
        decoder: Decoder,
        tagger: Tagger | None = None,
        numbers: str = "digits",
        detector: SpeechDetector | None = None,
    ) -> None:
        """tagger: of marks and capitals; None leaves words as they are recognised. numbers: digits or words.

        detector: of speech, which passes over what is none and finds the ends of utterances; None: loudness does.
        Raises ConfigError for one of another sample rate, and for other `numbers`.
        """
        check_numbers(numbers)
        if detector is not None and detector.config.features.sample_rate != backend.sample_rate:
            raise ConfigError(f"the detector of speech reads another sample rate than {backend.sample_rate} Hz.")
        self.backend, self.decoder, self.tagger, self.numbers = backend, decoder, tagger, numbers
        self.detector = detector
        self._options = SearchOptions()  # that the decoder was made of, as far as is known

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
        raw: bool = False,
        numbers: str = "digits",
        vad: bool = True,
        backend: str = "auto",
        device: str = "auto",
        threads: int = 0,
        note: Note | None = None,
    ) -> Recognizer:
        """A recognizer for a model folder, a shipped model by name, or the default model.

        lm: n-grams (`.arpa`, `.ngrams`), "none", or None for the model's own. neural_lm: the folder of an LSTM language
        model, "shipped", "none", or None for the model's own, left out where `lm` or `lexicon` is given. lexicon: its
        file, "none", or None for the model's own. hotwords: phrases to favour. neural_share: of the neural model in the
        mixture. rescore: let the neural model score that many best hypotheses instead of joining the search. settings:
        of the search (`lm_weight`, `word_score`, `beam_size`, `threshold`, ...), over those the model was tuned to.
        greedy: take the best path, without lexicon and language model. raw: words as they are recognised, without
        marks, capitals and figures, which are set where the model's folder has a tagger. numbers: digits or words, for
        how numbers are written in what is not raw. vad: pass over what is not speech, by the detector in the model's
        folder, if it has one; otherwise over digital silence alone. backend: auto, onnx or torch. device: auto, cpu or
        cuda. threads: of the CPU for the acoustic model, 0 for all cores. note: called with lines for the user.

        Raises CheckpointError, TextError or ConfigError for what cannot be used.
        """
        options = SearchOptions(
            lexicon=lexicon,
            lm=lm,
            neural_lm=neural_lm_path(neural_lm),
            neural_share=neural_share,
            rescore=rescore,
            hotwords=checked_hotwords(hotwords),
            settings=checked_settings(settings),
            greedy=greedy,
        )
        return cls.from_options(
            model,
            options,
            raw=raw,
            numbers=numbers,
            vad=vad,
            backend=backend,
            device=device,
            threads=threads,
            note=note,
        )

    @classmethod
    def from_options(
        cls,
        model: str | Path | None,
        options: SearchOptions,
        *,
        raw: bool = False,
        numbers: str = "digits",
        vad: bool = True,
        backend: str = "auto",
        device: str = "auto",
        threads: int = 0,
        note: Note | None = None,
    ) -> Recognizer:
        """`load` with the choices for the search as one object."""
        runner = open_backend(model_folder(model), backend=backend, device=device, threads=threads)
        folder = None if raw else runner.package.tagger_path
        tagger = Tagger.open(folder) if folder is not None else None
        path = runner.package.detector_path if vad else None
        detector = SpeechDetector.open(path) if path is not None else None
        recognizer = cls(runner, open_decoder(runner.package, options, note=note), tagger, numbers, detector)
        recognizer._options = options
        return recognizer

    def with_hotwords(self, hotwords: Hotwords) -> Recognizer:
        """This recognizer favouring other phrases; model and tables are shared. Raises TextError or ConfigError."""
        wanted = checked_hotwords(hotwords)
        decoder = self.decoder.with_hotwords(wanted)
        other = Recognizer(self.backend, decoder, self.tagger, self.numbers, self.detector)
        other._options = replace(self._options, hotwords=wanted)
        return other

    def with_backend(self, backend: Backend) -> Recognizer:
        """This recognizer with its network run by another backend, which must be of the same model."""
        other = Recognizer(backend, self.decoder, self.tagger, self.numbers, self.detector)
        other._options = self._options
        return other

    def transcribe(
        self,
        source: AudioSource,
        *,
        rate: int | None = None,
        name: str | None = None,
        partial: bool = False,
        channels: str = "mixed",
        journal: str | Path | None = None,
        progress: Progress | None = None,
        on_words: OnWords | None = None,
    ) -> Transcript:
        """The transcript of a recording of any length. Long ones are cut at pauses and never held in memory whole.

        source: a path, the bytes of an audio file, an open binary file, or samples (time,) or (time, channels). rate:
        of samples, in Hz. name: what to call the audio in the transcript; by default its path. partial: take what can
        be read of a file that ends early. channels: "mixed", or "separate" for recordings that have a speaker on each:
        the words then say on which they were spoken. journal: a file that keeps words as they are completed, for a
        `source` that is a path; where it is left of a work that was interrupted, with the same source and settings, the
        work goes on from there, to the same result. The caller removes it once the transcript is safe. progress: called
        with the seconds done and the seconds in all, which are infinite while a pipe is read; what it raises ends the
        work. on_words: called with words as they are completed, in order, with what is to be read as far as they
        themselves tell; of separate channels, one after the other.

        Raises AudioError for audio that cannot be read.
        """
        if channels not in CHANNELS:
            raise ConfigError(f"`channels` must be {' or '.join(CHANNELS)}, not '{channels}'.")
        kept = None if journal is None else Journal(journal, self._subject(source, channels, partial))
        at = self.backend.sample_rate

        def waiting() -> None:
            if progress is not None:
                progress(0.0, math.inf)

        if channels == MIXED:
            with open_audio(source, rate=rate, name=name, sample_rate=at, partial=partial, waiting=waiting) as audio:
                words, seconds = self._words(audio, kept, 0, progress, on_words)
            return Transcript(audio.name, seconds, self.for_reading(words))
        with open_channels(source, rate=rate, name=name, sample_rate=at, partial=partial, waiting=waiting) as audios:
            count = len(audios)
            done = [
                self._words(audio, kept, channel, progress and _ChannelProgress(progress, channel, count), on_words)
                for channel, audio in enumerate(audios)
            ]
        spoken = interleaved([channel for channel, _ in done])
        return Transcript(audios[0].name, max(seconds for _, seconds in done), self.for_reading(spoken))

    def for_reading(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """The words, with what is to be read of them unless they are to stay raw."""
        return tuple(words) if self.tagger is None else for_reading(words, self.tagger, self.numbers)

    def stream(self, rate: int, settings: StreamSettings | None = None) -> Stream:
        """A recording that arrives in blocks of samples of that rate, in Hz: see `Stream`."""
        return Stream(self, rate, settings)

    def _words(
        self,
        audio: OpenAudio,
        journal: Journal | None,
        channel: int,
        progress: Progress | None,
        on_words: OnWords | None,
    ) -> tuple[list[Word], float]:
        """The words of one channel of a recording, and its length in seconds."""
        words = [] if journal is None else journal.words(channel)
        start = 0 if journal is None else journal.stop(channel)
        segments = SegmentLogProbs(
            self.backend, audio, progress, start, pauses_by(self.detector, self.backend.sample_rate)
        )
        passages = Passages(self.decoder, self.backend)
        fresh: list[Word] = []
        for segment in segments:
            completed = passages.feed(segment)
            if on_words is not None and completed:
                on_words(self.for_reading(completed))
            fresh += completed
            unsaved = (segment.stop - start) / self.backend.sample_rate
            if journal is not None and segment.ends and unsaved > JOURNAL_SECONDS:
                journal.add(fresh, segment.stop, channel)
                words, fresh, start = words + fresh, [], segment.stop
        return words + fresh, segments.seconds

    def _subject(self, source: AudioSource, channels: str, partial: bool) -> dict[str, object]:
        """What a transcript depends on, as values of JSON."""
        if not isinstance(source, str | os.PathLike):
            raise ConfigError("a `journal` is for a recording that is a file, given by its path.")
        try:
            origin = origin_of(source)
        except OSError:
            raise AudioError(f"{os.fspath(source)} does not exist; check the path.") from None
        package = self.backend.package
        weights = os.stat(package.folder / WEIGHTS)
        return {
            "file": origin,
            "model": [str(package.folder), weights.st_size, weights.st_mtime_ns],
            "vad": self.detector is not None,
            "search": repr((self._options, self.decoder.config)),
            "channels": channels,
            "partial": partial,
        }


class _ChannelProgress:
    """Progress of one channel as a part of that of all, which are gone through one after the other."""

    def __init__(self, progress: Progress, channel: int, channels: int) -> None:
        self._progress, self._channel, self._channels = progress, channel, channels

    def __call__(self, done: float, total: float) -> None:
        self._progress(self._channel * total + done, self._channels * total)
