"""The number of threads that torch computes with, changed for the time of a call and put back afterwards.

The number belongs to the whole process. Where calls overlap, the host program's own number comes back to every thread
when its call ends, and to the process when the last of them has ended.
"""

from __future__ import annotations

import threading
from functools import cache
from types import TracebackType

import torch


class TorchThreads:
    """A context manager that limits torch's threads of the CPU; it may be entered from several threads at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._entered = self._before = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._entered:
                self._before = torch.get_num_threads()
            self._entered += 1
            torch.set_num_threads(self._limit)  # OpenMP counts for each thread, and new ones take what was set last

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._entered -= 1
            torch.set_num_threads(self._before)


@cache
def torch_threads(limit: int) -> TorchThreads:
    """A context in which torch computes with `limit` threads of the CPU."""
    return TorchThreads(limit)
