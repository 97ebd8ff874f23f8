"""Many audio files at once, with batches of the network across them."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from asr.backends.shared import SharedBackend
from asr.callbacks import Progress
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.transcript import Transcript

FILES_PER_CORE = 4  # in work at once: while some are searched, others wait for the network and fill its batch
AHEAD = 4  # files that may be done before their turn, for each that is in work


class TranscribeFile(Protocol):
    """How one file is transcribed; called in several threads."""

    def __call__(self, recognizer: Recognizer, file: str, progress: Progress) -> Transcript: ...


def default_jobs() -> int:
    """Files at once that keep all cores of this process busy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return FILES_PER_CORE * cores


class BulkTranscriber:
    """A recognizer whose files share the network's batches. Use it in a `with` block, which ends its threads."""

    def __init__(self, recognizer: Recognizer, jobs: int) -> None:
        """jobs: files at once."""
        self._jobs = jobs
        self._shared = SharedBackend(recognizer.backend) if jobs > 1 else None
        self._recognizer = recognizer.with_backend(self._shared) if self._shared is not None else recognizer
        self._pool = ThreadPoolExecutor(jobs, "asr-file")
        self._stopped = threading.Event()

    def each(self, files: Iterable[str], transcribe: TranscribeFile) -> Iterator[tuple[str, Future[Transcript]]]:
        """Each file with its transcript to come, in order; work on the next files goes on meanwhile.

        The future raises what `transcribe` raises. At most a few files for each that is in work are held.
        """
        waiting: deque[tuple[str, Future[Transcript]]] = deque()
        for file in files:
            waiting.append((file, self._pool.submit(transcribe, self._recognizer, file, self._check)))
            if len(waiting) > self._jobs * AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the work; where the block is left early, files that were begun are given up."""
        if error is not None:
            self._stopped.set()
        self._pool.shutdown(cancel_futures=True)
        if self._shared is not None:
            self._shared.close()

    def _check(self, done: float, total: float) -> None:
        if self._stopped.is_set():
            raise InterruptedError("the work was given up")
