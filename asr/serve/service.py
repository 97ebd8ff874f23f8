"""What all requests share: the recognizer, the threads that run it, and what is counted."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from asr.backends.shared import SharedBackend
from asr.decode.timed import Word
from asr.errors import AudioError, ConfigError, TextError
from asr.recognizer.bulk_files import default_jobs
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.transcript import Transcript
from asr.serve.metrics import Counter, Gauge, Histogram, Metric
from asr.serve.replies import RequestError, no_room
from asr.serve.settings import ServerSettings
from asr.serve.work_queue import StoppingError, Turns, WorkQueue
from asr.text.normalize import normalize_english

MAX_HOTWORDS = 50  # words that the lexicon lacks take some hundredths of a second each to be pronounced
STREAM_THREADS = 32  # which mostly wait for the network
MAX_HOTWORD_LENGTH = 100  # characters
MAX_HOTWORD_WORDS = 6  # a longer phrase of a prompt is a sentence, not a name
SECONDS_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BATCH_BOUNDS = (1, 2, 4, 8, 16)

OnWords = Callable[[Sequence[Word]], None]


class AbandonedError(Exception):
    """Nobody waits any more for what is being transcribed."""


class Service:
    """A recognizer that many requests use at once."""

    def __init__(self, recognizer: Recognizer, settings: ServerSettings) -> None:
        self.settings = settings
        self.batches = Histogram(
            "asr_batch_pieces", "Pieces of audio that went through the network at once.", BATCH_BOUNDS
        )
        passes = settings.network_passes or default_jobs()
        self.windows = Histogram(
            "asr_batch_windows", "Windows of live streams that went through the network at once.", BATCH_BOUNDS
        )
        self._backend = SharedBackend(recognizer.backend, passes=passes, observe=self._observe)
        self.recognizer = recognizer.with_backend(self._backend)
        self._queue = WorkQueue(settings.workers)
        self._turns = Turns(settings.turns or default_jobs())
        self.stream_threads = ThreadPoolExecutor(min(STREAM_THREADS, max(1, settings.max_streams)), "asr-stream")
        self.text_thread = ThreadPoolExecutor(1, "asr-text")  # for what needs no network
        self._lock = threading.Lock()
        self._words: frozenset[str] | None = None
        self.admitted = 0  # requests with work that were not answered yet
        self.streams = 0  # live ones
        self.stopping = False
        self._stop_by = math.inf  # when what still runs is given up
        self.requests = Counter("asr_requests_total", "Requests answered, by path and status.")
        self.seconds = Histogram("asr_request_seconds", "Time from a request with audio to its answer.", SECONDS_BOUNDS)
        self.work = Histogram("asr_work_seconds", "Time that a recording took once it was begun.", SECONDS_BOUNDS)
        self.audio = Counter("asr_audio_seconds_total", "Seconds of audio transcribed.")
        self.metrics: list[Metric] = [
            self.requests, self.seconds, self.work, self.audio, self.batches, self.windows,
            Gauge("asr_requests_admitted", "Requests with work that are not answered yet.", lambda: self.admitted),
            Gauge("asr_queue_waiting", "Recordings that wait for a thread.", lambda: self._queue.waiting),
            Gauge("asr_queue_running", "Recordings that are being transcribed.", lambda: self._queue.running),
            Gauge("asr_streams", "Live streams that are open.", lambda: self.streams),
        ]  # fmt: skip

    def _observe(self, size: int, is_windows: bool) -> None:
        (self.windows if is_windows else self.batches).observe(size)

    @property
    def is_full(self) -> bool:
        """Whether a further request with audio must be turned away."""
        return self.admitted >= self.settings.workers + self.settings.max_waiting

    def retry_after(self) -> int:
        """Seconds after which a place should be free: as long as half of what is here will take, at most a minute."""
        ahead = self.admitted / max(1, self.settings.workers)
        return max(1, min(60, round(ahead * max(0.1, self.work.mean) / 2)))

    def stop(self) -> None:
        """Turn away what waits and what comes; what runs gets `stop_seconds`.

        Safe in a signal handler's place: it does not wait.
        """
        self._stop_by = min(self._stop_by, time.monotonic() + self.settings.stop_seconds)
        self.stopping = True
        threading.Thread(target=self._queue.stop, daemon=True).start()  # its lock may be held by the stopped thread

    def close(self) -> None:
        """Wait for what runs, then end all threads."""
        self._queue.stop()
        self._queue.join(self.settings.stop_seconds)
        self.stream_threads.shutdown()
        self.text_thread.shutdown()
        self._backend.close()

    def with_prompt(self, prompt: str | None) -> tuple[Recognizer, int]:
        """The recognizer favouring a prompt's phrases, and how many of them it left out.

        Phrases are divided by commas, semicolons or line ends. Left out are those with words that the recognizer cannot
        write, and sentences, which other recognisers read as context.
        """
        return self.favouring([part.strip() for part in re.split(r"[,;\n]+", prompt or "") if part.strip()])

    def favouring(self, phrases: Sequence[str]) -> tuple[Recognizer, int]:
        """The recognizer favouring phrases, and how many of them it left out."""
        short = (phrase.strip() for phrase in phrases[:MAX_HOTWORDS] if len(phrase) <= MAX_HOTWORD_LENGTH)
        usable = [phrase for phrase in short if 0 < len(phrase.split()) <= MAX_HOTWORD_WORDS]
        try:
            return self._favouring(usable), len(phrases) - len(usable)
        except TextError:
            known = self._vocabulary()
            spoken = [normalize_english(phrase) for phrase in usable]
            some = [phrase for phrase in spoken if phrase and known.issuperset(phrase.split())]
        except ConfigError:  # this decoder can have none
            some = []
        return self._favouring(some), len(phrases) - len(some)

    def _favouring(self, phrases: list[str]) -> Recognizer:
        return self.recognizer.with_hotwords(list(dict.fromkeys(phrases))) if phrases else self.recognizer

    def _vocabulary(self) -> frozenset[str]:
        with self._lock:
            if self._words is None:
                self._words = frozenset(self.recognizer.decoder.words or ())
            return self._words

    def transcribe(
        self,
        file: BinaryIO,
        name: str,
        prompt: str | None,
        abandoned: threading.Event,
        on_words: OnWords | None = None,
    ) -> Future[tuple[Transcript, int]]:
        """The transcript of an uploaded file to come, and how many phrases of the prompt had no effect.

        abandoned: ends the work between two pieces of it. on_words: called in a thread with words as they are
        completed. The future fails with RequestError for what cannot be transcribed.
        """

        def check(done: float, _: float) -> None:
            self._turns.pass_on()
            if abandoned.is_set():
                raise AbandonedError
            if time.monotonic() > self._stop_by:
                raise StoppingError
            if done > self.settings.max_audio_seconds:
                raise too_long(self.settings)

        def work() -> tuple[Transcript, int]:
            started = time.monotonic()
            with self._turns:
                if self.stopping:
                    raise StoppingError
                recognizer, left_out = self.with_prompt(prompt)
                check(0.0, 0.0)
                try:
                    transcript = recognizer.transcribe(file, name=name, progress=check, on_words=on_words)
                except AudioError as error:
                    raise RequestError(400, _for_clients(error, name), "invalid_audio", "file") from None
                except OSError as error:
                    raise no_room(error) from None
            self.work.observe(time.monotonic() - started)
            self.audio.add(transcript.duration)
            return transcript, left_out

        return self._queue.submit(work)


def too_long(settings: ServerSettings) -> RequestError:
    """The error of a recording beyond the limit."""
    longest = f"{settings.max_audio_seconds:g}"
    return RequestError(413, f"the recording is longer than this server's {longest} s; divide it.", "too_long", "file")


def _for_clients(error: AudioError, name: str) -> str:
    """An error without what concerns the server's installation alone."""
    text = str(error)
    if "install it with" in text:
        return f"{name} is in a format that this server cannot read; send wav, flac, ogg or mp3."
    return text
