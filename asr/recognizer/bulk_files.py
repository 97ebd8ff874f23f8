"""Many audio files at once, each in a thread: network and search release the interpreter's lock."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from asr.callbacks import Progress
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.transcript import Transcript

AHEAD = 4  # files that may be done before their turn, for each that is in work

Item = TypeVar("Item")
TranscribeItem = Callable[[Recognizer, Item, Progress], Transcript]


def default_jobs() -> int:
    """Files at once that keep all cores of this process busy: one each."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class BulkTranscriber:
    """A recognizer that works on several files at once. Use it in a `with` block, which ends its threads.

    With a network of one thread (`threads=1`) two cores do twice as much as one; batches across files save nothing.
    """

    def __init__(self, recognizer: Recognizer, jobs: int) -> None:
        """jobs: files at once; 1 does without threads."""
        self._jobs, self._recognizer = jobs, recognizer
        self._pool: ThreadPoolExecutor | None = None
        self._stopped = threading.Event()
        if jobs > 1:
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
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _check(self, done: float, total: float) -> None:
        if self._stopped.is_set():
            raise InterruptedError("the work was given up")
