"""Many audio files at once, with batches of the network across them."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from asr.backends.shared import SharedBackend
from asr.callbacks import Progress
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.transcript import Transcript

FILES_PER_CORE = 4  # in work at once: while some are searched, others wait for the network and fill its batch
AHEAD = 4  # files that may be done before their turn, for each that is in work

Item = TypeVar("Item")
TranscribeItem = Callable[[Recognizer, Item, Progress], Transcript]


def default_jobs() -> int:
    """Files at once that keep all cores of this process busy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return FILES_PER_CORE * cores


class BulkTranscriber:
    """A recognizer whose files share the network's batches. Use it in a `with` block, which ends its threads."""

    def __init__(self, recognizer: Recognizer, jobs: int) -> None:
        """jobs: files at once; 1 does without threads."""
        self._jobs, self._recognizer = jobs, recognizer
        self._shared: SharedBackend | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._stopped = threading.Event()
        if jobs > 1:
            self._shared = SharedBackend(recognizer.backend)
            self._recognizer = recognizer.with_backend(self._shared)
            self._pool = ThreadPoolExecutor(jobs, "asr-file")

    def each(
        self, items: Iterable[Item], transcribe: TranscribeItem[Item]
    ) -> Iterator[tuple[Item, Future[Transcript]]]:
        """Each item with its transcript to come, in order; work on the next ones goes on meanwhile.

        transcribe: makes the transcript of an item, such as a path, in one of several threads. The future raises what
        it raises. At most a few items for each that is in work are held.
        """
        if self._pool is None:
            for item in items:
                yield item, self._now(item, transcribe)
            return
        waiting: deque[tuple[Item, Future[Transcript]]] = deque()
        for item in items:
            waiting.append((item, self._pool.submit(transcribe, self._recognizer, item, self._check)))
            if len(waiting) > self._jobs * AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    def _now(self, item: Item, transcribe: TranscribeItem[Item]) -> Future[Transcript]:
        future: Future[Transcript] = Future()
        try:
            future.set_result(transcribe(self._recognizer, item, self._check))
        except Exception as error:
            future.set_exception(error)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the work; where the block is left early, files that were begun are given up."""
        if error is not None:
            self._stopped.set()
            if self._shared is not None:
                self._shared.abandon()
        if self._pool is not None and self._shared is not None:
            self._pool.shutdown(cancel_futures=True)
            self._shared.close()

    def _check(self, done: float, total: float) -> None:
        if self._stopped.is_set():
            raise InterruptedError("the work was given up")
