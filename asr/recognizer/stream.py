"""Speech as it is spoken: words while they come, and better ones at each end of an utterance.

Two passes. In the first, the acoustic model reads the stream in short pieces with some context on either side, and a
search with the n-gram model follows. At each end of an utterance the whole of it goes the way that files go, with all
of its context and the neural language model. What happens does not depend on the sizes of the blocks that are pushed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from numpy.typing import NDArray

from asr.activity.detector import pauses_within, silences_by
from asr.audio.read import Samples
from asr.audio.segment import PauseCutter, Segment
from asr.audio.source import as_array, checked_rate, to_mono
from asr.backends.stream import Chunks
from asr.decode.decoder import Decoder
from asr.decode.hypothesis import Hypothesis
from asr.decode.timed import Word, timed_words, word_values
from asr.errors import AudioError, ConfigError
from asr.model_package import ModelPackage
from asr.recognizer.endpoint import Endpointer
from asr.recognizer.reading import text_of
from asr.recognizer.segments import Passages, SegmentFrames, log_probs_of

if TYPE_CHECKING:
    from asr.recognizer.recognizer import Recognizer

LIVE_CHUNKS = Chunks(piece=0.36, left=2.0, right=0.6)
LIVE_BEAM, LIVE_THRESHOLD = 800, 15.0  # of the first pass: as few errors as 1600 and 16; 400 and 14 had a sixth more
SURE = 0.5  # confidence of a word that is shown at once
LIVE_WEIGHTS = ("lm_weight", "word_score")
# Of the first pass, whatever the model's own: what decides when a word is shown is how well it matches the audio. The
# entropy of an utterance that has just begun says little: with it as many words were shown late and more changed.
LIVE_CONFIDENCE = {
    "confidence_bias": 0.18, "confidence_slope": 0.27, "confidence_evidence": 0.58, "confidence_context": 0.6,
    "confidence_entropy": 0.0,
}  # fmt: skip
LEADING_SECONDS = 1.0  # of silence kept before an utterance
EMPTY_SECONDS = 3.0  # without a word, after which what is older is forgotten
UNDECIDED_SECONDS = 3.0  # before now, within which an utterance may turn out to have ended


@dataclass(frozen=True)
class StreamSettings:
    """How a stream is followed, in seconds; `docs/streaming.md` has the delay and the errors of several choices.

    chunks: pieces of the first pass and their contexts. show_after: a word that is rather right than wrong is shown
    when so much was heard after its end; show_unsure_after: any other. fix_after: and a word does not change any more.
    end_silence: ends an utterance. second_pass: whether its words are then found anew.
    """

    chunks: Chunks = LIVE_CHUNKS
    show_after: float = 0.12
    show_unsure_after: float = 0.54
    fix_after: float = 1.36
    end_silence: float = 0.6
    second_pass: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.show_after <= self.fix_after:
            raise ConfigError("`show_after` must be 0 s or more and at most `fix_after`.")
        if not self.end_silence > 0:  # as NaN is not, either
            raise ConfigError("`end_silence` must be longer than 0 s.")


@dataclass(frozen=True)
class PartialWords:
    """The words so far of the utterance that is being spoken. The first `fixed` of them stay until it ends."""

    words: tuple[Word, ...]
    fixed: int

    @property
    def text(self) -> str:
        """The words, separated by spaces."""
        return " ".join(word.word for word in self.words)


@dataclass(frozen=True)
class Utterance:
    """An utterance that has ended, from `start` to `end` in seconds of the stream, and its final words."""

    words: tuple[Word, ...]
    start: float
    end: float

    @property
    def text(self) -> str:
        """The text for reading: with marks and capitals where the recognizer sets them."""
        return text_of(self.words)


StreamEvent = PartialWords | Utterance


def event_values(event: StreamEvent) -> dict[str, Any]:
    """An event as values of JSON, as `asr transcribe --stream` prints it and the server sends it."""
    words = [word_values(word) for word in event.words]
    if isinstance(event, PartialWords):
        return {"type": "partial", "text": event.text, "fixed": event.fixed, "words": words}
    times = {"start": round(event.start, 3), "end": round(event.end, 3)}
    return {"type": "utterance", "text": event.text, **times, "words": words}


class Stream:
    """A recording that arrives in blocks. Open one with `Recognizer.stream`; not for use by several threads at once."""

    def __init__(self, recognizer: Recognizer, rate: int, settings: StreamSettings | None = None) -> None:
        """rate: of the samples that will be pushed, in Hz.

        Raises ConfigError for an impossible rate, or for a model that cannot read a stream.
        """
        rate = checked_rate("rate", rate)
        self.settings, self._rate = settings or StreamSettings(), rate
        self._recognizer, self._backend = recognizer, recognizer.backend
        self._at, self._frame = self._backend.sample_rate, self._backend.seconds_per_frame
        self._resampler = None if rate == self._at else soxr.ResampleStream(rate, self._at, 1, dtype="float32")
        self._network = self._backend.open_stream(self.settings.chunks)
        self._decoder = _first_pass(recognizer.decoder, self._backend.package)
        self._silences = silences_by(recognizer.detector, self._at)
        self._endpointer = Endpointer(self._silences, self._at, self._frame, self.settings.end_silence)
        self._held: list[Samples] = []  # which complete no piece yet
        self._frames = 0  # of the first pass
        self._undecided = np.zeros(0, np.float32)  # the latest samples, which may be of the next utterance
        self._decided = 0  # samples before them
        self._is_finished = False
        self._begin(0)

    @property
    def missing(self) -> int:
        """How many samples must come, at the least, before `push` has something to do but to hold them."""
        lacking = self._network.missing - sum(map(len, self._held))
        return max(0, lacking * self._rate // self._at)

    def push(self, samples: NDArray[np.generic]) -> list[StreamEvent]:
        """What the next samples, (time,) or (time, channels), bring; often nothing.

        Integers are taken by their full scale. Raises AudioError for what are no samples, and after `finish`.
        """
        self._check_open()
        mono = to_mono(as_array(samples, "stream"), self._rate, "stream")
        if self._resampler is not None:
            mono = np.asarray(self._resampler.resample_chunk(mono), np.float32)
        self._held.append(mono)
        if sum(map(len, self._held)) < self._network.missing:
            return []
        return list(self._follow(self._released()))

    def finish(self) -> list[StreamEvent]:
        """What is left, the last utterance among it; the stream is then at its end. Raises AudioError if it was."""
        self._check_open()
        self._is_finished = True
        rest = np.zeros(0, np.float32)
        if self._resampler is not None:
            rest = np.asarray(self._resampler.resample_chunk(rest, last=True), np.float32)
        self._held.append(rest)
        events = list(self._follow(self._released()))
        self._read(self._network.finish())
        return [*events, *self._end(self._decided + len(self._undecided))]

    def _check_open(self) -> None:
        if self._is_finished:
            raise AudioError("the stream is at its end; open a new one.")

    def _released(self) -> Samples:
        held, self._held = self._held, []
        return np.concatenate(held)

    def _follow(self, samples: Samples) -> Iterator[StreamEvent]:
        # A piece is read before later samples are seen, whatever the block they come in.
        while len(samples):
            heard, samples = np.split(samples, [self._network.missing])
            self._endpointer.hear(heard)
            self._undecided = np.concatenate([self._undecided, heard])
            log_probs = self._network.push(heard)
            if len(log_probs):
                self._read(log_probs)
                yield from self._partial()
                yield from self._look_for_end()

    def _read(self, log_probs: NDArray[np.float32]) -> None:
        """The next frames of the first pass; those that belong to the utterance before are passed over."""
        self._session.feed(log_probs[max(0, self._session_frame - self._frames) :])
        self._frames += len(log_probs)
        self._endpointer.read(log_probs, self._network.ahead)

    def _hypothesis(self, stop: int | None = None) -> Hypothesis:
        """The first pass's words in all that was heard, or before frame `stop`, the latest by a first guess."""
        first, last = max(0, self._session_frame - self._frames), None if stop is None else max(0, stop - self._frames)
        return self._session.partial(self._network.ahead[first:last])

    def _begin(self, start: int) -> None:
        """Make ready for an utterance from sample `start` of the stream on; earlier ones are dropped."""
        if start:
            self._undecided = self._undecided[start - self._decided :]
        self._start, self._decided = start, start
        self._cutter = PauseCutter(self._at, start=start, pauses=pauses_within(self._silences, start, self._at))
        self._passages = Passages(self._recognizer.decoder, self._backend)  # a passage left open is of what is dropped
        self._session = self._decoder.start()
        self._session_frame = max(self._frames, self._frame_of(start))  # at which the session begins
        self._fixed: list[Word] = []  # of the first pass
        self._final: list[Word] = []  # of the second pass, so far
        self._shown = PartialWords((), 0)

    def _frame_of(self, sample: int) -> int:
        """The frame of the first pass in which a sample of the stream lies."""
        return int(sample / self._at / self._frame)

    def _partial(self) -> Iterator[PartialWords]:
        """The words to be shown now, if they or their number fixed are others than before."""
        now = (self._frames + len(self._network.ahead)) * self._frame
        words = self._live_words(self._hypothesis())
        shown = tuple(takewhile(lambda word: self._is_shown(word, now), words))
        self._fixed = [word for word in shown if word.end <= now - self.settings.fix_after]
        before, self._shown = self._shown, PartialWords(shown, len(self._fixed))
        if before.fixed != self._shown.fixed or before.text != self._shown.text:
            yield self._shown

    def _is_shown(self, word: Word, now: float) -> bool:
        settings = self.settings
        unsure = min(max(settings.show_after, settings.show_unsure_after), settings.fix_after)
        return word.end <= now - (settings.show_after if word.confidence >= SURE else unsure)

    def _live_words(self, hypothesis: Hypothesis) -> list[Word]:
        """The first pass's words; those that are fixed as they were."""
        words = timed_words(hypothesis, self._frame, self._session_frame * self._frame)
        after = self._fixed[-1].end if self._fixed else 0.0
        return self._fixed + [word for word in words if (word.start + word.end) / 2 > after]

    def _look_for_end(self) -> Iterator[Utterance]:
        now = self._decided + len(self._undecided)
        stop = self._endpointer.end(self._start)
        if self._shown.words and stop is not None:
            yield from self._end(max(stop, self._decided))
        elif self._endpointer.blank_seconds > EMPTY_SECONDS and not self._hypothesis().words:
            self._begin(max(self._decided, now - round(LEADING_SECONDS * self._at)))
        elif len(self._undecided) > 2 * UNDECIDED_SECONDS * self._at:
            self._decide(now - round(UNDECIDED_SECONDS * self._at))

    def _decide(self, stop: int) -> None:
        """Samples up to `stop` are of this utterance: let the second pass have them where they make a segment."""
        samples, self._undecided = np.split(self._undecided, [stop - self._decided])
        self._decided = stop
        segments = self._cutter.push(samples)
        if self.settings.second_pass:
            self._second_pass(segments)

    def _second_pass(self, segments: list[Segment]) -> None:
        for segment in segments:
            if not segment.silent:
                log_probs = log_probs_of(self._backend, [segment])[0]
                self._final += self._passages.feed(SegmentFrames(segment.start, segment.stop, log_probs, segment.ends))

    def _end(self, stop: int) -> Iterator[Utterance]:
        """End the utterance at sample `stop` of the stream."""
        words = self._live_words(self._hypothesis(self._frame_of(stop)))
        if words and self.settings.second_pass:
            self._decide(stop)
            self._second_pass(self._cutter.finish())
            words = self._final + self._passages.finish()
        if words:
            yield Utterance(self._recognizer.for_reading(words), self._start / self._at, stop / self._at)
        self._begin(stop)


def _first_pass(decoder: Decoder, package: ModelPackage) -> Decoder:
    """A decoder without the neural language model and with a beam that is no larger than need be.

    Where its weights are those that the model was tuned to with that model, they become those without it.
    """
    quick, search, config = decoder.with_fusion(None), package.search, decoder.config
    if quick.words is None:
        return quick
    tuned = {
        name: search[name]
        for name in LIVE_WEIGHTS
        if name in search and search.get(f"neural_{name}") == getattr(config, name)
    }
    beam_size, threshold = min(LIVE_BEAM, config.beam_size), min(LIVE_THRESHOLD, config.threshold)
    return quick.with_settings(**tuned, **LIVE_CONFIDENCE, beam_size=beam_size, threshold=threshold)
