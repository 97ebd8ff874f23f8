"""Thread counts of numerical libraries, changed for the time of a call and put back afterwards.

Such counts belong to the whole process. Where calls overlap, the host program's own values come back when the last of
them has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType


class ThreadLimit:
    """A context manager that limits thread counts; it may be entered again, and from several threads at once.

    read: returns the counts as they are. write: sets them. limit: the count inside the context. per_thread: whether a
    count holds for the calling thread alone, and every thread has to set its own.
    """

    def __init__(
        self,
        read: Callable[[], Sequence[int]],
        write: Callable[[Sequence[int]], None],
        limit: int,
        per_thread: bool = False,
    ) -> None:
        self._read, self._write, self._limit, self._per_thread = read, write, limit, per_thread
        self._lock = threading.Lock()
        self._entered = 0
        self._before: Sequence[int] = ()

    def __enter__(self) -> None:
        with self._lock:
            if not self._entered:
                self._before = self._read()
            if not self._entered or self._per_thread:
                self._write([self._limit] * len(self._before))
            self._entered += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._entered -= 1
            if not self._entered or self._per_thread:
                self._write(self._before)
